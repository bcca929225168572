"""Families of whole numbers: counts, counts with too many zeros, and the levels of 8-bit images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.distributions import NegativeBinomial as _NegativeBinomial
from torch.distributions import Poisson as _Poisson

from .. import distributions as d
from ..errors import ParameterError
from .base import LOG_SHAPE_BOUND, Counts, Family, bounded, located, positive, unbounded

LOG_LEVEL_BOUND = 4.0  # a logistic's scale stays between e^-4 and e^4 of an eighth of the range


class Poisson(Counts):
    """p(k) = rate^k exp(-rate) / k!; log rate = raw[0], events per cell.

    >>> Poisson((3,))(torch.zeros(5, 1, 3)).mean[0]
    tensor([1., 1., 1.])
    """

    name = "poisson"

    def forward(self, raw: Tensor) -> _Poisson:
        return _Poisson(positive(self._raw(raw)[0]), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return unbounded(torch.log(mean.clamp(1e-3, 1e4))).unsqueeze(0)


class NegativeBinomial(Counts):
    """A Poisson whose rate is gamma: log mean = raw[0], log size r = raw[1]; variance = mean + mean^2 / r.

    r lies between 0.0025 and 403; beyond that a Poisson is as good.

    >>> q = NegativeBinomial((3,))(torch.zeros(5, 2, 3))
    >>> q.mean[0, 0], q.variance[0, 0]
    (tensor(1.), tensor(2.))
    """

    name = "negative-binomial"
    n_raw = 2

    def forward(self, raw: Tensor) -> _NegativeBinomial:
        log_mean, log_size = self._raw(raw)
        log_size = bounded(log_size, LOG_SHAPE_BOUND)
        return _NegativeBinomial(torch.exp(log_size), logits=bounded(log_mean) - log_size, validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        mean = mean.clamp(1e-3, 1e4)
        size = mean.square() / (scale.square() - mean).clamp_min(1e-3)
        return torch.stack([unbounded(torch.log(mean)), unbounded(torch.log(size), LOG_SHAPE_BOUND)])


class ZeroInflated(Counts):
    """0 with probability sigmoid(raw[0]), else a draw of another family of counts, which reads raw[1:].

    Arguments:
        event_shape: shape of one row's cells.
        of: the other family: a name, or a family of the same event shape.

    >>> ZeroInflated((3,), of="negative-binomial").n_raw
    3
    """

    name = "zero-inflated"

    def __init__(self, event_shape: Sequence[int], of: str | Family = "poisson") -> None:
        super().__init__(event_shape)
        inner = of if isinstance(of, Family) else {"poisson": Poisson, "negative-binomial": NegativeBinomial}.get(of)
        if isinstance(inner, type):
            inner = inner(event_shape)
        if not isinstance(inner, Counts) or inner.event_shape != self.event_shape:
            raise ParameterError(
                f"of={of!r} is no family of counts of event_shape={self.event_shape}. Use 'poisson', "
                "'negative-binomial', or such a family."
            )
        self.inner, self.n_raw = inner, 1 + inner.n_raw

    def forward(self, raw: Tensor) -> d.ZeroInflated:
        axis = -1 - len(self.event_shape)
        gate, rest = raw.split([1, self.n_raw - 1], axis)
        return d.ZeroInflated(self.inner(rest), gate.squeeze(axis), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return torch.cat([torch.full((1, *self.event_shape), -2.0), self.inner.start(mean, scale)])


class DiscretisedLogisticMixture(Family):
    """A mixture of logistics read off at the levels low..high, cell by cell: logits, locations and log scales, in turn.

    With c the middle and h half of the range: loc = c + h raw, scale = h / 8 exp(bounded raw), in levels.

    Arguments:
        event_shape: shape of one row's cells.
        n_components: logistics per cell.
        low, high: the first and last level.

    Source: Salimans et al., "PixelCNN++", ICLR 2017, section 2.1.

    >>> DiscretisedLogisticMixture((4,), n_components=3)(torch.zeros(1, 9, 4)).log_prob(torch.full((1, 4), 255.0)).shape
    torch.Size([1, 4])
    """

    name = "discretised-logistic-mixture"

    def __init__(self, event_shape: Sequence[int], n_components: int = 5, low: int = 0, high: int = 255) -> None:
        super().__init__(event_shape)
        if n_components < 1 or not low < high:
            raise ParameterError(
                f"n_components={n_components} with levels {low}..{high} cannot be used. Use at least one component and "
                "low < high."
            )
        self.n_components, self.low, self.high = int(n_components), int(low), int(high)
        self.n_raw = 3 * self.n_components
        self.values = f"whole numbers from {self.low} to {self.high}"

    def forward(self, raw: Tensor) -> d.DiscretisedLogisticMixture:
        parts = raw.movedim(-1 - len(self.event_shape), -1).split(self.n_components, -1)
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        loc, scale = middle + half * located(parts[1]), half / 8 * positive(parts[2], LOG_LEVEL_BOUND)
        return d.DiscretisedLogisticMixture(
            located(parts[0]), loc, scale, low=self.low, high=self.high, validate_args=False
        )

    def _outside(self, x: np.ndarray) -> np.ndarray | None:
        return (x < self.low) | (x > self.high) | (x != np.floor(x))

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        raw = torch.zeros(3, self.n_components, *self.event_shape)
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        spread = torch.linspace(-1, 1, self.n_components) if self.n_components > 1 else torch.zeros(1)
        raw[1] = (mean - middle) / half + spread.reshape(-1, *[1] * len(self.event_shape)) * scale / half
        return raw.flatten(0, 1)
