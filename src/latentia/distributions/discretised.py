"""A continuous distribution read off at integers."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from .interval import log_interval

_FAR = 1e4  # base units; a normal has no mass there that a float could tell from none


class Discretised(Distribution):
    """P(y = k) = P(k - 1/2 < loc + scale x < k + 1/2) with x ~ base, for integers low <= k <= high.

    The mass beyond either end belongs to the end level, so that the levels sum to one. This is the exact value of
    the integral that uniform dequantisation estimates by adding noise.

    Arguments:
        base: a continuous distribution of single cells that knows the mass of an interval.
        loc, scale: from the base's units to the user's; scale > 0.
        low, high: the first and last level.
        closed: whether the base's support ends with the levels (nothing lies beyond them).

    Source: Salimans et al., "PixelCNN++", ICLR 2017, equation 2, with another base.

    >>> unit = torch.distributions.Normal(torch.zeros(1), torch.ones(1))
    >>> levels = Discretised(unit, torch.tensor(1.0), torch.tensor(2.0), low=0, high=3)
    >>> round(levels.log_prob(torch.arange(4.0)).exp().sum().item(), 5)
    1.0
    """

    arg_constraints = {}  # type: ignore[assignment]

    def __init__(
        self, base: Distribution, loc: Tensor, scale: Tensor, *, low: float, high: float, closed: bool = False
    ) -> None:
        self.base, self.loc, self.scale = base, loc, scale
        self.low, self.high, self.closed = low, high, closed
        super().__init__(base.batch_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        half = 0.5 / self.scale
        middle = (value - self.loc) / self.scale
        lower, upper = middle - half, middle + half
        if not self.closed:
            lower = torch.where(value <= self.low, lower.new_tensor(-_FAR), lower)
            upper = torch.where(value >= self.high, upper.new_tensor(_FAR), upper)
        return log_interval(self.base, lower, upper)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        y = self.loc + self.scale * self.base.sample(sample_shape)
        return torch.clamp(torch.round(y), self.low, self.high)

    def icdf(self, value: Tensor) -> Tensor:
        y = self.loc + self.scale * self.base.icdf(value)
        return torch.clamp(torch.round(y), self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """Mean of the continuous distribution, kept between the first and the last level."""
        return torch.clamp(self.loc + self.scale * self.base.mean, self.low, self.high)

    @property
    def variance(self) -> Tensor:
        """Variance of the continuous distribution."""
        return self.scale.square() * self.base.variance
