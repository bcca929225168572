"""A prior and a likelihood given by a network: the model of a VAE."""

from collections.abc import Callable

from torch import Tensor
from torch.distributions import Distribution

from ..conditional import Conditional
from ..families import check_standing
from ..scaling import Scaling
from .base import Model


class LatentVariableModel(Model):
    """p(x, z) = prior(z) likelihood(x|z), the likelihood a network and a family.

    Arguments:
        prior: a module called as `prior()`, with the `shape` of one z.
        likelihood: a Conditional from z to x, in the model's units.
        scaling: from the model's units to the user's.

    >>> from latentia.families import Bernoulli
    >>> from latentia.networks import MLP
    >>> from latentia.models import StandardNormal
    >>> model = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 5), Bernoulli((5,)), (2,)))
    >>> model.sample(3).shape
    torch.Size([3, 5])
    """

    def __init__(
        self,
        prior: Callable[[], Distribution],
        likelihood: Conditional,
        scaling: Scaling | None = None,
    ) -> None:
        super().__init__(scaling)
        check_standing(likelihood.family, "likelihood")
        self.prior_module, self.conditional = prior, likelihood
        self.event_shape = likelihood.event_shape
        self.latent_shape = tuple(prior().event_shape)

    @property
    def is_density(self) -> bool:
        return self.conditional.family.is_density

    @property
    def shared(self) -> Conditional | None:
        """The Conditional that p and q have in common, where the prior needs q's; the posterior borrows it."""
        return getattr(self.prior_module, "shared", None)

    def prior(self) -> Distribution:
        return self.prior_module()

    def likelihood(self, z: Tensor) -> Distribution:
        return self.scaling.wrap(self.conditional(z))
