"""Distributions on the positive numbers: Rayleigh, reciprocal and Gompertz; torch's Weibull and Pareto without overflow."""

from math import pi, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.distributions import LogNormal as _LogNormal
from torch.distributions import Pareto as _Pareto
from torch.distributions import Weibull as _Weibull
from torch.distributions import constraints

from .inverse_cdf import DrawnByIcdf, InverseCdf, exp_far, exp_tangent, finite_positive, inside

EULER = 0.5772156649015329


def _log(x: Tensor) -> Tensor:
    return torch.log(x.clamp_min(torch.finfo(x.dtype).tiny))


class Rayleigh(InverseCdf):
    """p(x) = x / scale^2 exp(-x^2 / (2 scale^2)), x > 0: the length of a plane normal vector.

    Arguments:
        scale: of the normal, positive; the mean is scale sqrt(pi / 2).

    >>> Rayleigh(torch.tensor(2.0)).mean
    tensor(2.5066)
    """

    arg_constraints = {"scale": constraints.positive}  # type: ignore[assignment]
    support = constraints.positive  # type: ignore[assignment]
    scale: Tensor

    def log_prob(self, value: Tensor) -> Tensor:
        density = _log(value) - 2 * torch.log(self.scale) - (value / self.scale).square() / 2
        return inside(value, value > 0, density)

    def cdf(self, value: Tensor) -> Tensor:
        return -torch.expm1(-(value / self.scale).clamp_min(0).square() / 2)

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * torch.sqrt(-2 * torch.log1p(-value))

    def entropy(self) -> Tensor:
        return 1 + torch.log(self.scale / sqrt(2)) + EULER / 2

    @property
    def mean(self) -> Tensor:
        return self.scale * sqrt(pi / 2)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (2 - pi / 2)


class Reciprocal(InverseCdf):
    """p(x) = 1 / (x log(high / low)) on [low, high]: log x is uniform.

    Arguments:
        low, high: the ends of the support, 0 < low < high.

    >>> Reciprocal(torch.tensor(1.0), torch.tensor(100.0)).icdf(torch.tensor(0.5))
    tensor(10.)
    """

    arg_constraints = {"low": constraints.positive, "high": constraints.dependent(is_discrete=False, event_dim=0)}  # type: ignore[assignment]
    low: Tensor
    high: Tensor

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):  # type: ignore[override]
        return constraints.interval(self.low, self.high)

    @property
    def log_ratio(self) -> Tensor:
        """log(high / low), the width of log x."""
        return torch.log(self.high) - torch.log(self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        return inside(value, (value >= self.low) & (value <= self.high), -_log(value) - torch.log(self.log_ratio))

    def cdf(self, value: Tensor) -> Tensor:
        return ((_log(value) - torch.log(self.low)) / self.log_ratio).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        x = torch.exp(torch.log(self.low) + value * self.log_ratio)
        return torch.minimum(torch.maximum(x, self.low), self.high)

    def entropy(self) -> Tensor:
        return torch.log(self.log_ratio) + (torch.log(self.low) + torch.log(self.high)) / 2

    @property
    def mean(self) -> Tensor:
        return (self.high - self.low) / self.log_ratio

    @property
    def variance(self) -> Tensor:
        """(low high) sinh(h) / h (cosh(h) - sinh(h) / h), h = log(high / low) / 2; in float64, where it cancels less."""
        h = self.log_ratio.double() / 2
        ratio = torch.sinh(h) / h
        spread = torch.where(h < 0.05, h.square() / 3 + h**4 / 30, torch.cosh(h) - ratio)
        return (self.low.double() * self.high.double() * ratio * spread).to(self.low.dtype)


class Gompertz(InverseCdf):
    """p(x) = c / s exp(x / s) exp(-c (exp(x / s) - 1)), x > 0: a hazard that grows by e every s units.

    Arguments:
        concentration: c > 0, the hazard at zero times s.
        scale: s > 0, in the units of x.

    Source: Gompertz, "On the nature of the function expressive of the law of human mortality", 1825.

    >>> Gompertz(torch.tensor(0.5), torch.tensor(2.0)).icdf(torch.tensor(0.5))
    tensor(1.7395)
    """

    arg_constraints = {"concentration": constraints.positive, "scale": constraints.positive}  # type: ignore[assignment]
    support = constraints.nonnegative  # type: ignore[assignment]
    concentration: Tensor
    scale: Tensor

    def log_prob(self, value: Tensor) -> Tensor:
        y = (value / self.scale).clamp_min(0)
        growth = torch.where(y < 1, torch.expm1(y.clamp(max=1)), exp_tangent(y) - 1)
        density = torch.log(self.concentration) - torch.log(self.scale) + y - self.concentration * growth
        return inside(value, value >= 0, density)

    def cdf(self, value: Tensor) -> Tensor:
        return -torch.expm1(-self.concentration * torch.expm1((value / self.scale).clamp_min(0)))

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * torch.log1p(-torch.log1p(-value) / self.concentration)

    def entropy(self) -> Tensor:
        return 1 - torch.log(self.concentration) + torch.log(self.scale) - self._moment(1)

    @property
    def mean(self) -> Tensor:
        return self.scale * self._moment(1)

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (self._moment(2) - self._moment(1).square())

    def _moment(self, power: int) -> Tensor:
        """E[(x / s)^power] = int exp(-t) log(1 + t / c)^power dt, by the trapezoid rule in log t, which is exact here."""
        y = torch.linspace(-42, 4.2, 600, dtype=torch.float64, device=self.scale.device)
        t = torch.exp(y)
        f = torch.log1p(t / self.concentration.double().unsqueeze(-1)) ** power
        return (f * t * torch.exp(-t)).sum(-1).mul(y[1] - y[0]).to(self.scale.dtype)


class Weibull(DrawnByIcdf, _Weibull):
    """torch's Weibull, p(x) = k / s (x / s)^(k - 1) exp(-(x / s)^k), without overflow.

    >>> Weibull(torch.tensor(1e-5), torch.tensor(20.0)).log_prob(torch.tensor(1.0)).isfinite()
    tensor(True)
    """

    def log_prob(self, value: Tensor) -> Tensor:
        log_ratio = _log(value) - torch.log(self.scale)
        power = self.concentration * log_ratio
        density = torch.log(self.concentration / self.scale) + power - log_ratio - exp_tangent(power)
        return inside(value, value > 0, density)

    def cdf(self, value: Tensor) -> Tensor:
        return -torch.expm1(-((value / self.scale).clamp_min(0) ** self.concentration))

    def icdf(self, value: Tensor) -> Tensor:
        return finite_positive(self.scale * (-torch.log1p(-value)) ** self.concentration.reciprocal())

    @property
    def variance(self) -> Tensor:
        """s^2 (G(1 + 2/k) - G(1 + 1/k)^2), as G^2 expm1 of the difference of logarithms, in float64."""
        k = self.concentration.double()
        log_mean = torch.lgamma(1 + 1 / k)
        value = torch.exp(2 * log_mean) * torch.expm1(torch.lgamma(1 + 2 / k) - 2 * log_mean)
        return self.scale.square() * value.to(self.scale.dtype)


class Pareto(DrawnByIcdf, _Pareto):
    """torch's Pareto, p(x) = alpha scale^alpha / x^(alpha + 1) for x >= scale, and no density below the scale.

    >>> Pareto(torch.tensor(2.0), torch.tensor(3.0)).log_prob(torch.tensor([1.0, 2.0]))
    tensor([  -inf, 0.4055])
    """

    def log_prob(self, value: Tensor) -> Tensor:
        log_ratio = _log(value) - torch.log(self.scale)
        return inside(value, value >= self.scale, torch.log(self.alpha) - self.alpha * log_ratio - _log(value))

    def cdf(self, value: Tensor) -> Tensor:
        return -torch.expm1(-self.alpha * (_log(value) - torch.log(self.scale)).clamp_min(0))

    def icdf(self, value: Tensor) -> Tensor:
        return exp_far(torch.log(self.scale) - torch.log1p(-value) / self.alpha)


class LogNormal(DrawnByIcdf, _LogNormal):
    """torch's log-normal, exp(loc + scale e), e ~ N(0, 1), whose draws never round to 0 or to infinity.

    >>> LogNormal(torch.tensor(200.0), torch.tensor(1.0)).icdf(torch.tensor(0.5)).isfinite()
    tensor(True)
    """

    def icdf(self, value: Tensor) -> Tensor:
        return exp_far(self.loc + self.scale * torch.special.ndtri(value))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(LogNormal, _instance))
