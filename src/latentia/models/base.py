"""What every model is: a prior and a likelihood."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions import joint_log_prob, summed_log_prob
from ..errors import AbilityError
from ..scaling import Scaling


class Model(nn.Module, ABC):
    """p(x, z) = p(z) p(x|z); every density in the user's units.

    x is `(batch, *event)`, z is `(samples, batch, *latent)`. A likelihood is factorised (log_prob cell by cell,
    and `log_likelihood` sums the observed cells) or joint (log_prob is one number per row).
    """

    event_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]
    has_globals = False  # latents that all rows share: the evidence belongs to the data set then

    def __init__(self, scaling: Scaling | None = None) -> None:
        super().__init__()
        self.scaling = Scaling() if scaling is None else scaling

    @abstractmethod
    def prior(self) -> Distribution:
        """p(z), of empty batch shape."""

    @abstractmethod
    def likelihood(self, z: Tensor) -> Distribution:
        """p(x|z) for each z `(samples, batch, *latent)`, in the user's units."""

    @property
    def is_density(self) -> bool:
        """Whether the likelihood integrates to one, so that there is an evidence to speak of."""
        return True

    def standardise(self, x: Tensor) -> Tensor:
        """x in the model's own units: what a network should be shown."""
        return self.scaling.to_model(x)

    def log_likelihood(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        """log p(x|z), nats per row, summed over the observed cells, `(samples, batch)`."""
        return sum_cells(self.likelihood(z), x, len(self.event_shape), observed)

    def log_joint(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        """log p(x, z) = log p(z) + log p(x|z), nats per row, `(samples, batch)`."""
        return joint_log_prob(self.prior(), z) + self.log_likelihood(x, z, observed)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws of x from p(x), in the user's units, `(n, *event)`."""
        z = self.prior().sample(torch.Size((1, n)))
        return self.likelihood(z).sample().squeeze(0)


def sum_cells(p: Distribution, x: Tensor, n_axes: int, observed: Tensor | None) -> Tensor:
    """Sum of log p over the cells that were observed, `(samples, batch)`; a joint p must have them all."""
    if p.event_shape:
        if observed is not None:
            raise AbilityError(
                f"{type(p).__name__} is one density of a whole row and cannot leave out missing cells. "
                "Use a factorised likelihood, or rows without missing cells."
            )
        return p.log_prob(x)
    if observed is None:
        return summed_log_prob(p, x, n_axes)
    log_prob = p.log_prob(x)
    return torch.where(observed, log_prob, torch.zeros_like(log_prob)).flatten(-n_axes).sum(-1)
