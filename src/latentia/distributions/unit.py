"""Distributions on (0, 1): torch's beta and Kumaraswamy, with draws and densities that stay off the ends."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Beta as _Beta
from torch.distributions import Kumaraswamy as _Kumaraswamy

from .inverse_cdf import DrawnByIcdf, inside, log1mexp


def off_the_ends(x: Tensor) -> Tensor:
    """x in (0, 1), kept inside the floats of the open interval.

    >>> off_the_ends(torch.tensor([0.0, 0.3, 1.0])).tolist()
    [1.1754943508222875e-38, 0.30000001192092896, 0.9999999403953552]
    """
    info = torch.finfo(x.dtype)
    return x.clamp(info.tiny, 1 - info.eps / 2)


class Beta(_Beta):
    """torch's beta, whose draws never round to 0 or 1, where the density may be infinite.

    >>> Beta(torch.tensor(2.0), torch.tensor(2.0)).mean
    tensor(0.5000)
    """

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return off_the_ends(super().rsample(sample_shape))


class Kumaraswamy(DrawnByIcdf, _Kumaraswamy):
    """torch's Kumaraswamy, p(x) = a b x^(a - 1) (1 - x^a)^(b - 1) on (0, 1), cdf 1 - (1 - x^a)^b, in logarithms.

    Source: Kumaraswamy, "A generalized probability density function for double-bounded random processes", 1980.

    >>> Kumaraswamy(torch.tensor(2.0), torch.tensor(3.0)).icdf(torch.tensor(0.5))
    tensor(0.4542)
    """

    def log_prob(self, value: Tensor) -> Tensor:
        a, b = self.concentration1, self.concentration0
        log_x = torch.log(off_the_ends(value))
        density = torch.log(a) + torch.log(b) + (a - 1) * log_x + (b - 1) * log1mexp(-a * log_x)
        return inside(value, (value > 0) & (value < 1), density)

    def cdf(self, value: Tensor) -> Tensor:
        log_x = torch.log(off_the_ends(value))
        return -torch.expm1(self.concentration0 * log1mexp(-self.concentration1 * log_x))

    def icdf(self, value: Tensor) -> Tensor:
        rest = torch.log1p(-value) / self.concentration0  # log(1 - x^a)
        log_power = log1mexp((-rest).clamp_min(torch.finfo(rest.dtype).tiny))
        return off_the_ends(torch.exp(log_power / self.concentration1))
