"""A mixture of two distributions of different kinds."""

from math import log, log1p
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from ..randomness import RowNoise
from .rows import from_noise


class Either(Distribution):
    """p(z) = (1 - share) first(z) + share second(z); which of them a draw comes from is drawn.

    Arguments:
        first, second: of one batch shape and one event shape.
        share: of the second, between 0 and 1.

    >>> from torch.distributions import Cauchy, Normal
    >>> Either(Normal(0.0, 1.0), Cauchy(0.0, 1.0), 0.1).log_prob(torch.tensor(50.0))
    tensor(-11.2718)
    """

    arg_constraints = {}  # type: ignore[assignment]
    has_rsample = False

    def __init__(self, first: Distribution, second: Distribution, share: float) -> None:
        self.first, self.second, self.share = first, second, share
        super().__init__(first.batch_shape, first.event_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        return self.first.support  # type: ignore[return-value]

    def log_prob(self, value: Tensor) -> Tensor:
        first, second = self.first.log_prob(value), self.second.log_prob(value)
        return torch.logaddexp(first + log1p(-self.share), second + log(self.share))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = torch.Size(sample_shape)
        first, second = self.first.sample(shape), self.second.sample(shape)
        return self.choose(torch.rand(shape + self.batch_shape, device=first.device), first, second)

    def choose(self, u: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """The second draw where u, uniform on (0, 1), lies below the share."""
        chosen = (u < self.share).reshape(u.shape + (1,) * len(self.event_shape))
        return torch.where(chosen, second, first)


@from_noise.register(Either)
def _(q: Either, noise: RowNoise, n_samples: int) -> Tensor:
    u = noise.uniform(n_samples, q.batch_shape[1:])
    return q.choose(u, from_noise(q.first, noise, n_samples), from_noise(q.second, noise, n_samples))
