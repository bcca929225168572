"""Logistic, Gumbel and triangular: what torch lacks of the location-scale distributions, or computes with overflow."""

from math import pi
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Gumbel as _Gumbel
from torch.distributions import Uniform as _Uniform
from torch.distributions import constraints
from torch.nn.functional import softplus

from .interval import log_interval
from .inverse_cdf import DrawnByIcdf, InverseCdf, exp_tangent, inside, log1mexp, open_uniform


class Logistic(InverseCdf):
    """p(x) = exp(-y) / (scale (1 + exp(-y))^2), y = (x - loc) / scale; variance (pi scale)^2 / 3.

    Arguments:
        loc: mean, any real number.
        scale: positive; not the standard deviation.

    Source: Johnson, Kotz, Balakrishnan, "Continuous univariate distributions", volume 2, chapter 23.

    >>> Logistic(torch.tensor(0.0), torch.tensor(1.0)).cdf(torch.tensor(0.0))
    tensor(0.5000)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # type: ignore[assignment]
    support = constraints.real  # type: ignore[assignment]
    loc: Tensor
    scale: Tensor

    def log_prob(self, value: Tensor) -> Tensor:
        y = (value - self.loc) / self.scale
        return -softplus(y) - softplus(-y) - torch.log(self.scale)

    def cdf(self, value: Tensor) -> Tensor:
        return torch.sigmoid((value - self.loc) / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * torch.logit(value)

    def entropy(self) -> Tensor:
        return torch.log(self.scale) + 2

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (pi * self.scale).square() / 3


@log_interval.register(Logistic)
def _(base: Logistic, lower: Tensor, upper: Tensor) -> Tensor:
    return logistic_mass((lower - base.loc) / base.scale, (upper - base.loc) / base.scale)


def logistic_mass(a: Tensor, b: Tensor) -> Tensor:
    """log(sigmoid(b) - sigmoid(a)), a < b, without cancellation: sigmoid(b) sigmoid(-a) (1 - exp(a - b)).

    >>> logistic_mass(torch.tensor(200.0), torch.tensor(201.0))
    tensor(-200.4587)
    """
    return -softplus(-b) - softplus(a) + log1mexp(b - a)


class Gumbel(DrawnByIcdf, _Gumbel):
    """torch's Gumbel, p(x) = exp(-y - exp(-y)) / scale, with a log density that does not overflow far on the left.

    >>> Gumbel(torch.tensor(0.0), torch.tensor(1e-5)).log_prob(torch.tensor(-1.0)).isfinite()
    tensor(True)
    """

    def log_prob(self, value: Tensor) -> Tensor:
        y = ((value - self.loc) / self.scale).clamp(-1e30, 1e30)  # infinities would cancel to no number
        return -y - exp_tangent(-y) - torch.log(self.scale)

    def cdf(self, value: Tensor) -> Tensor:
        return torch.exp(-torch.exp(-(value - self.loc) / self.scale))

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * torch.log(-torch.log(value))


class Uniform(_Uniform):
    """torch's uniform on [low, high], both ends included, so that a draw that rounds to an end has a density.

    >>> Uniform(torch.tensor(0.0), torch.tensor(2.0)).log_prob(torch.tensor([0.0, 2.0, 2.1]))
    tensor([-0.6931, -0.6931,    -inf])
    """

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        x = self.low + (self.high - self.low) * open_uniform(shape, self.low)
        return torch.minimum(torch.maximum(x, self.low), self.high)

    def log_prob(self, value: Tensor) -> Tensor:
        density = -torch.log(self.high - self.low)
        return inside(value, (value >= self.low) & (value <= self.high), density)


class Triangular(InverseCdf):
    """A triangle over [loc, loc + scale] whose top, of height 2 / scale, stands at loc + peak scale.

    Arguments:
        loc: left end.
        scale: width of the support, positive.
        peak: where the top is, as a share of the width, in [0, 1].

    >>> q = Triangular(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(0.5))
    >>> q.mean, q.cdf(torch.tensor(2.0))
    (tensor(2.), tensor(0.5000))
    """

    arg_constraints = {  # type: ignore[assignment]
        "loc": constraints.real,
        "scale": constraints.positive,
        "peak": constraints.unit_interval,
    }
    loc: Tensor
    scale: Tensor
    peak: Tensor

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):  # type: ignore[override]
        return constraints.interval(self.loc, self.loc + self.scale)

    def log_prob(self, value: Tensor) -> Tensor:
        y = (value - self.loc) / self.scale
        tiny = torch.finfo(y.dtype).tiny
        left = y.clamp_min(tiny) / self.peak.clamp_min(tiny)
        right = (1 - y).clamp_min(tiny) / (1 - self.peak).clamp_min(tiny)
        rise = torch.where(y <= self.peak, torch.log(left), torch.log(right))
        within = (value >= self.loc) & (value <= self.loc + self.scale)
        return inside(value, within, rise - torch.log(self.scale / 2))

    def cdf(self, value: Tensor) -> Tensor:
        y = ((value - self.loc) / self.scale).clamp(0, 1)
        tiny = torch.finfo(y.dtype).tiny
        left = y.square() / self.peak.clamp_min(tiny)
        right = 1 - (1 - y).square() / (1 - self.peak).clamp_min(tiny)
        return torch.where(y <= self.peak, left, right)

    def icdf(self, value: Tensor) -> Tensor:
        tiny = torch.finfo(value.dtype).tiny
        left = torch.sqrt((value * self.peak).clamp_min(tiny))
        right = 1 - torch.sqrt(((1 - value) * (1 - self.peak)).clamp_min(tiny))
        x = self.loc + self.scale * torch.where(value < self.peak, left, right)
        return torch.minimum(torch.maximum(x, self.loc), self.loc + self.scale)

    def entropy(self) -> Tensor:
        return 0.5 + torch.log(self.scale / 2)

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * (1 + self.peak) / 3

    @property
    def mode(self) -> Tensor:
        return self.loc + self.scale * self.peak

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (1 - self.peak + self.peak.square()) / 18
