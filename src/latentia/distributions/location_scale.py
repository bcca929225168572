"""Logistic, Gumbel and triangular: what torch lacks of the location-scale distributions, or computes with overflow."""

from math import pi

import torch
from torch import Tensor
from torch.distributions import Gumbel as _Gumbel
from torch.distributions import constraints
from torch.nn.functional import softplus

from .interval import log_interval
from .inverse_cdf import InverseCdf, exp_tangent, inside, log1mexp


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


class Gumbel(_Gumbel):
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
        return inside(y, (y >= 0) & (y <= 1), rise - torch.log(self.scale / 2))

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
        return self.loc + self.scale * torch.where(value < self.peak, left, right)

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
