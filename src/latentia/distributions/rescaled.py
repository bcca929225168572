"""A distribution in the model's units, seen in the user's units."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution


class Rescaled(Distribution):
    """y = loc + scale x with x ~ base: log p(y) = log p_base((y - loc) / scale) - log scale, cell by cell or row by row.

    `torch.distributions.TransformedDistribution` gives the density but neither mean nor variance.

    Arguments:
        base: a distribution, of single cells or of whole rows; of a row the Jacobian is summed.
        loc, scale: numbers that broadcast against the last axes; scale > 0.

    >>> unit = torch.distributions.Normal(torch.zeros(1), torch.ones(1))
    >>> Rescaled(unit, torch.tensor(3.0), torch.tensor(2.0)).stddev
    tensor([2.])
    """

    arg_constraints = {}  # type: ignore[assignment]

    def __init__(self, base: Distribution, loc: Tensor, scale: Tensor) -> None:
        self.base, self.loc, self.scale = base, loc, scale
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base.has_rsample

    @property
    def support(self) -> Any:
        return self.base.support

    def log_prob(self, value: Tensor) -> Tensor:
        stretch = torch.log(self.scale)
        if self.event_shape:
            stretch = stretch.expand(self.event_shape).sum()
        return self.base.log_prob((value - self.loc) / self.scale) - stretch

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + self.scale * self.base.rsample(sample_shape)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + self.scale * self.base.sample(sample_shape)

    def cdf(self, value: Tensor) -> Tensor:
        return self.base.cdf((value - self.loc) / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * self.base.icdf(value)

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * self.base.mean

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * self.base.variance
