"""A finite latent and a network for its likelihood: the posterior by enumeration."""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from ..conditional import Conditional
from ..families import check_standing
from ..scaling import Scaling
from .base import Model
from .priors import CategoricalPrior


class FiniteLatentModel(Model):
    """p(x, z = k) = prior(k) likelihood(x|k), k = 0 .. K - 1: a deep mixture.

    Knows its exact posterior and log p(x) = log sum_k p(x, k) by enumeration, at K evaluations of the network for
    any number of rows.

    Arguments:
        prior: of the latent, a `CategoricalPrior`.
        likelihood: a Conditional from k (input shape `()`, see `networks.OneHot`) to x, in the model's units.
        scaling: from the model's units to the user's.

    >>> from latentia.families import Bernoulli
    >>> from latentia.networks import MLP, OneHot
    >>> p = Conditional(OneHot(3, MLP(3, 5)), Bernoulli((5,)), ())
    >>> FiniteLatentModel(CategoricalPrior(3), p).posterior(torch.zeros(7, 5)).probs.shape
    torch.Size([7, 3])
    """

    latent_shape = ()

    def __init__(self, prior: CategoricalPrior, likelihood: Conditional, scaling: Scaling | None = None) -> None:
        super().__init__(scaling)
        check_standing(likelihood.family, "likelihood")
        self.prior_module, self.conditional = prior, likelihood
        self.event_shape = likelihood.event_shape

    @property
    def is_density(self) -> bool:
        return self.conditional.family.is_density

    def prior(self) -> Categorical:
        return self.prior_module()

    def likelihood(self, z: Tensor) -> Distribution:
        return self.scaling.wrap(self.conditional(z))

    def log_components(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """log p(x, z = k), nats per row, `(batch, K)`."""
        every = torch.arange(self.prior().probs.shape[-1], device=x.device).unsqueeze(1)  # (K, 1)
        return self.log_joint(x, every, observed).T

    def posterior(self, x: Tensor, observed: Tensor | None = None) -> Categorical:
        """p(z|x), exact, of batch shape `(batch,)`."""
        return Categorical(logits=self.log_components(x, observed), validate_args=False)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """log p(x) = log sum_k p(x, k), nats per row, `(batch,)`."""
        return torch.logsumexp(self.log_components(x, observed), -1)
