"""Families on the real line: a location and a scale in the units of x, loc = raw[0], log scale = raw[1]."""

from collections.abc import Sequence
from math import log, pi, sqrt

import torch
from torch import Tensor
from torch.distributions import Cauchy as _Cauchy
from torch.distributions import Laplace as _Laplace

from .. import distributions as d
from .base import LOG_SHAPE_BOUND, Family, at_least, bounded, located, positive, unbounded


class _LocScale(Family):
    n_raw = 2
    bounded_above = False
    deviation = 1.0  # standard deviation of the distribution whose scale is one

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        log_scale = unbounded(torch.log(scale.clamp(1e-3, 1e3) / self.deviation))
        return torch.stack([mean, log_scale])


class Laplace(_LocScale):
    """p(x) = exp(-|x - loc| / scale) / (2 scale); loc = raw[0], log scale = raw[1].

    >>> Laplace((3,))(torch.zeros(5, 2, 3)).scale.shape
    torch.Size([5, 3])
    """

    name = "laplace"
    deviation = sqrt(2)

    def forward(self, raw: Tensor) -> _Laplace:
        loc, log_scale = self._raw(raw)
        return _Laplace(loc, positive(log_scale), validate_args=False)


class Logistic(_LocScale):
    """p(x) = exp(-y) / (scale (1 + exp(-y))^2), y = (x - loc) / scale; loc = raw[0], log scale = raw[1].

    >>> Logistic((3,))(torch.zeros(5, 2, 3)).mean.shape
    torch.Size([5, 3])
    """

    name = "logistic"
    deviation = pi / sqrt(3)

    def forward(self, raw: Tensor) -> d.Logistic:
        loc, log_scale = self._raw(raw)
        return d.Logistic(loc, positive(log_scale), validate_args=False)


class Gumbel(_LocScale):
    """p(x) = exp(-y - exp(-y)) / scale, y = (x - loc) / scale; loc (the mode) = raw[0], log scale = raw[1].

    >>> Gumbel((3,))(torch.zeros(5, 2, 3)).scale.shape
    torch.Size([5, 3])
    """

    name = "gumbel"
    deviation = pi / sqrt(6)

    def forward(self, raw: Tensor) -> d.Gumbel:
        loc, log_scale = self._raw(raw)
        return d.Gumbel(located(loc), positive(log_scale), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        raw = super().start(mean, scale)
        return torch.stack([mean - 0.5772156649 * positive(raw[1]), raw[1]])


class Cauchy(_LocScale):
    """p(x) = 1 / (pi scale (1 + y^2)), y = (x - loc) / scale; loc (the median) = raw[0], log scale = raw[1]. No mean.

    >>> Cauchy((3,)).finite_moments
    1.0
    """

    name = "cauchy"

    def forward(self, raw: Tensor) -> _Cauchy:
        loc, log_scale = self._raw(raw)
        return _Cauchy(located(loc), positive(log_scale), validate_args=False)

    @property
    def finite_moments(self) -> float:
        return 1.0


class StudentT(_LocScale):
    """Student's t: loc = raw[0], log scale = raw[1], degrees of freedom fixed or least_df + exp(bounded raw[2]).

    Arguments:
        event_shape: shape of one row's cells.
        df: degrees of freedom, a positive number, or "network".
        least_df: what the network's degrees of freedom stay above; above 2 the variance is finite.

    >>> StudentT((3,), df=4.0)(torch.zeros(5, 2, 3)).variance[0, 0]
    tensor(2.)
    """

    name = "student-t"

    def __init__(self, event_shape: Sequence[int], df: float | str = "network", least_df: float = 0.0) -> None:
        super().__init__(event_shape)
        self.df = df if df == "network" else at_least("df", df, 0.0)  # type: ignore[arg-type]
        self.least_df = at_least("least_df", least_df, 0.0, strictly=False)
        self.n_raw = 3 if df == "network" else 2

    def forward(self, raw: Tensor) -> d.StudentT:
        loc, log_scale, *rest = self._raw(raw)
        df = self.least_df + positive(rest[0], LOG_SHAPE_BOUND) if rest else torch.full_like(loc, float(self.df))
        return d.StudentT(df, located(loc), positive(log_scale), validate_args=False)

    @property
    def finite_moments(self) -> float:
        return self.least_df if self.df == "network" else float(self.df)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        raw = super().start(mean, scale)
        if self.n_raw == 2:
            return raw
        return torch.cat([raw, torch.full_like(raw[:1], unbounded(torch.tensor(log(10.0)), LOG_SHAPE_BOUND).item())])


def _resolved(width: Tensor, loc: Tensor) -> Tensor:
    """A width that the floats around loc can still tell from nothing."""
    return width + 16 * torch.finfo(loc.dtype).eps * loc.abs()


class Uniform(_LocScale):
    """p(x) = 1 / width on [low, low + width]; low = raw[0], log width = raw[1]. The support moves with the raw output.

    >>> Uniform((3,))(torch.zeros(5, 2, 3)).high[0]
    tensor([1., 1., 1.])
    """

    name = "uniform"

    def forward(self, raw: Tensor) -> d.Uniform:
        low, log_width = self._raw(raw)
        low = located(low)
        return d.Uniform(low, low + _resolved(positive(log_width), low), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        width = sqrt(12) * scale.clamp(1e-3, 1e3)
        return torch.stack([mean - width / 2, unbounded(torch.log(width))])


class Triangular(_LocScale):
    """A triangle over [low, low + width]; low = raw[0], log width = raw[1], the top at sigmoid(raw[2]) of the width.

    The support moves with the raw output. The top stays between 0.0025 and 0.9975 of the width.

    >>> Triangular((3,))(torch.zeros(5, 3, 3)).mean[0]
    tensor([0.5000, 0.5000, 0.5000])
    """

    name = "triangular"
    n_raw = 3

    def forward(self, raw: Tensor) -> d.Triangular:
        low, log_width, top = self._raw(raw)
        low = located(low)
        width = _resolved(positive(log_width), low)
        return d.Triangular(low, width, torch.sigmoid(bounded(top, 6.0)), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        width = sqrt(24) * scale.clamp(1e-3, 1e3)
        return torch.stack([mean - width / 2, unbounded(torch.log(width)), torch.zeros_like(mean)])
