"""Families of positive numbers; scales are in the units of x, rates in its inverse, shapes are pure numbers."""

from collections.abc import Sequence
from math import exp, pi, sqrt

import torch
from torch import Tensor
from torch.distributions import Chi2 as _Chi2
from torch.distributions import Exponential as _Exponential
from torch.distributions import Gamma as _Gamma

from .. import distributions as d
from .base import LOG_POWER_BOUND, LOG_SHAPE_BOUND, Positive, bounded, positive, unbounded, whole

LOG_LOC_BOUND = 20.0  # a log-normal's median stays between e^-20 and e^20


def _share(mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """A positive mean, and (scale / mean)^2."""
    mean = mean.clamp(1e-4, 1e4)
    return mean, (scale.clamp_min(1e-3) / mean).square().clamp(1e-4, 1e4)


class Exponential(Positive):
    """p(x) = rate exp(-rate x); log rate = raw[0].

    >>> Exponential((3,))(torch.zeros(5, 1, 3)).mean[0]
    tensor([1., 1., 1.])
    """

    name = "exponential"

    def forward(self, raw: Tensor) -> _Exponential:
        return _Exponential(positive(self._raw(raw)[0]), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return unbounded(-torch.log(_share(mean, scale)[0])).unsqueeze(0)


class Rayleigh(Positive):
    """p(x) = x / scale^2 exp(-x^2 / (2 scale^2)); log scale = raw[0].

    >>> Rayleigh((3,))(torch.zeros(5, 1, 3)).mode[0]
    tensor([1., 1., 1.])
    """

    name = "rayleigh"

    def forward(self, raw: Tensor) -> d.Rayleigh:
        return d.Rayleigh(positive(self._raw(raw)[0]), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return unbounded(torch.log(_share(mean, scale)[0] / sqrt(pi / 2))).unsqueeze(0)


class Weibull(Positive):
    """p(x) = k / s (x / s)^(k - 1) exp(-(x / s)^k); log scale s = raw[0], log shape k = raw[1], k from 0.05 to 20.

    >>> Weibull((3,))(torch.zeros(5, 2, 3)).mean[0]
    tensor([1., 1., 1.])
    """

    name = "weibull"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.Weibull:
        log_scale, log_shape = self._raw(raw)
        return d.Weibull(positive(log_scale), positive(log_shape, LOG_POWER_BOUND), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        mean, square = _share(mean, scale)
        k = square.pow(-0.543).clamp(0.1, 15)  # a known approximation of the shape from the coefficient of variation
        log_scale = torch.log(mean) - torch.lgamma(1 + 1 / k)
        return torch.stack([unbounded(log_scale), unbounded(torch.log(k), LOG_POWER_BOUND)])


class Pareto(Positive):
    """p(x) = alpha low^alpha / x^(alpha + 1) for x >= low; log low = raw[0], log alpha = raw[1], alpha from 0.05 to 20.

    The support moves with the raw output.

    >>> Pareto((3,))(torch.zeros(5, 2, 3)).alpha[0]
    tensor([1., 1., 1.])
    """

    name = "pareto"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.Pareto:
        log_low, log_alpha = self._raw(raw)
        return d.Pareto(positive(log_low), positive(log_alpha, LOG_POWER_BOUND), validate_args=False)

    @property
    def finite_moments(self) -> float:
        return exp(-LOG_POWER_BOUND)


class Reciprocal(Positive):
    """p(x) = 1 / (x log(high / low)) on [low, high]; log low = raw[0], log log(high / low) = raw[1]: log-uniform.

    The support moves with the raw output; high / low lies between 1.05 and e^20.

    >>> Reciprocal((3,))(torch.zeros(5, 2, 3)).high[0]
    tensor([2.7183, 2.7183, 2.7183])
    """

    name = "reciprocal"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.Reciprocal:
        log_low, log_width = self._raw(raw)
        log_low = bounded(log_low)
        high = torch.exp(log_low + positive(log_width, LOG_POWER_BOUND))
        return d.Reciprocal(torch.exp(log_low), high, validate_args=False)


class Gompertz(Positive):
    """A hazard that grows by e every `scale` units; log concentration = raw[0] (0.05 to 20), log scale = raw[1].

    >>> Gompertz((3,))(torch.zeros(5, 2, 3)).concentration[0]
    tensor([1., 1., 1.])
    """

    name = "gompertz"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.Gompertz:
        log_concentration, log_scale = self._raw(raw)
        return d.Gompertz(positive(log_concentration, LOG_POWER_BOUND), positive(log_scale), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        mean = _share(mean, scale)[0]
        return torch.stack([torch.zeros_like(mean), unbounded(torch.log(mean / 0.59634736))])  # e E1(1)


class Gamma(Positive):
    """p(x) ~ x^(a - 1) exp(-rate x); log shape a = raw[0] (0.0025 to 403), log rate = raw[1].

    >>> Gamma((3,))(torch.zeros(5, 2, 3)).mean[0]
    tensor([1., 1., 1.])
    """

    name = "gamma"
    n_raw = 2

    def forward(self, raw: Tensor) -> _Gamma:
        log_shape, log_rate = self._raw(raw)
        return _Gamma(positive(log_shape, LOG_SHAPE_BOUND), positive(log_rate), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        mean, square = _share(mean, scale)
        shape = unbounded(-torch.log(square), LOG_SHAPE_BOUND)
        return torch.stack([shape, unbounded(bounded(shape, LOG_SHAPE_BOUND) - torch.log(mean))])


class Erlang(Positive):
    """The wait for `shape` events: a gamma whose shape is a fixed whole number; log rate = raw[0].

    Arguments:
        event_shape: shape of one row's cells.
        shape: how many events, a whole number from 1.

    >>> Erlang((3,), shape=4)(torch.zeros(5, 1, 3)).mean[0]
    tensor([4., 4., 4.])
    """

    name = "erlang"

    def __init__(self, event_shape: Sequence[int], shape: int = 2) -> None:
        super().__init__(event_shape)
        self.shape = whole("shape", shape)

    def forward(self, raw: Tensor) -> _Gamma:
        rate = positive(self._raw(raw)[0])
        return _Gamma(torch.full_like(rate, float(self.shape)), rate, validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return unbounded(torch.log(self.shape / _share(mean, scale)[0])).unsqueeze(0)


class ChiSquared(Positive):
    """Sum of df squared standard normals; log df = raw[0], df from 0.0025 to 403.

    >>> ChiSquared((3,))(torch.zeros(5, 1, 3)).mean[0]
    tensor([1., 1., 1.])
    """

    name = "chi-squared"

    def forward(self, raw: Tensor) -> _Chi2:
        return _Chi2(positive(self._raw(raw)[0], LOG_SHAPE_BOUND), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return unbounded(torch.log(_share(mean, scale)[0]), LOG_SHAPE_BOUND).unsqueeze(0)


class FisherSnedecor(Positive):
    """Ratio of two chi-squared over their degrees; log df1 = raw[0], log df2 = raw[1], each from 0.0025 to 403.

    >>> FisherSnedecor((3,))(torch.zeros(5, 2, 3)).df1[0]
    tensor([1., 1., 1.])
    """

    name = "fisher-snedecor"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.FisherSnedecor:
        one, two = (positive(part, LOG_SHAPE_BOUND) for part in self._raw(raw))
        return d.FisherSnedecor(one, two, validate_args=False)

    @property
    def finite_moments(self) -> float:
        return exp(-LOG_SHAPE_BOUND) / 2


class LogNormal(Positive):
    """log x ~ N(loc, scale^2); loc = raw[0] within 20, log scale = raw[1], scale from 0.05 to 20.

    >>> LogNormal((3,))(torch.zeros(5, 2, 3)).scale[0]
    tensor([1., 1., 1.])
    """

    name = "lognormal"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.LogNormal:
        loc, log_scale = self._raw(raw)
        return d.LogNormal(bounded(loc, LOG_LOC_BOUND), positive(log_scale, LOG_POWER_BOUND), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        mean, square = _share(mean, scale)
        variance = torch.log1p(square)
        loc = unbounded(torch.log(mean) - variance / 2, LOG_LOC_BOUND)
        return torch.stack([loc, unbounded(torch.log(variance) / 2, LOG_POWER_BOUND)])
