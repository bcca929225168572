"""The families of the first hour: normal, Bernoulli, continuous Bernoulli, categorical, and a reconstruction error."""

from collections.abc import Sequence
from math import inf, log

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli as _Bernoulli
from torch.distributions import Categorical as _Categorical
from torch.distributions import Normal as _Normal

from ..distributions import ContinuousBernoulli as _ContinuousBernoulli
from ..distributions import CrossEntropy as _CrossEntropy
from ..errors import DataError, ParameterError
from .base import Family, at_least, bounded, first_cell, whole


class Normal(Family):
    """N(loc, scale^2 + floor^2), loc = raw[0]; log scale = raw[1], or one that is fixed or learnt.

    The scale is fixed (a number), learnt as one number ("one"), learnt for each cell ("per-feature") or output by
    the network ("network", log scale = raw[1]). Log scales are bounded smoothly, so that no input makes them
    overflow. A Gaussian on noiseless values has no finite optimum: `floor` is the least scale, in model units. Under a
    `ceiling` 1 / scale^2 grows by 1 / ceiling^2, so that the scale stays below it.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, appendix C.2.

    >>> q = Normal((3,), scale="network")(torch.zeros(5, 2, 3))
    >>> q.loc.shape, q.scale[0, 0].item()
    (torch.Size([5, 3]), 1.0)
    """

    name = "normal"
    bounded_above = False

    def __init__(
        self, event_shape: Sequence[int], scale: float | str = "network", floor: float = 0.0, ceiling: float = inf
    ) -> None:
        super().__init__(event_shape)
        self.scale, self.floor = scale, float(at_least("floor", floor, 0.0, strictly=False))
        self.ceiling = ceiling if ceiling == inf else float(at_least("ceiling", ceiling, self.floor))
        if isinstance(scale, str) and scale not in ("network", "one", "per-feature"):
            raise ParameterError(
                f"noise={scale!r} (scale={scale!r} of a family) is not known. Use a positive number, 'one', 'per-feature' or 'network'."
            )
        if not isinstance(scale, str) and not (isinstance(scale, (int, float)) and 0 < scale < float("inf")):
            raise ParameterError(
                f"noise={scale!r} (scale={scale!r} of a family) is no standard deviation. Use a positive number."
            )
        self.n_raw = 2 if scale == "network" else 1
        shape = self.event_shape if scale == "per-feature" else ()
        if scale in ("one", "per-feature"):
            self.raw_scale = nn.Parameter(torch.zeros(shape))

    def forward(self, raw: Tensor) -> _Normal:
        parts = self._raw(raw)
        return _Normal(parts[0], self._scale(parts), validate_args=False)

    def _scale(self, parts: tuple[Tensor, ...]) -> Tensor:
        loc = parts[0]
        if isinstance(self.scale, str):
            log_scale = bounded(parts[1] if self.scale == "network" else self.raw_scale)
            free = torch.exp(log_scale)
        else:
            free = loc.new_tensor(float(self.scale))
        if self.ceiling < inf:
            free = torch.rsqrt(free.square().reciprocal() + self.ceiling**-2)
        if self.floor:
            free = torch.sqrt(free.square() + self.floor**2)
        return free if free.shape == loc.shape and free.dtype == loc.dtype else free.to(loc.dtype).expand_as(loc)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        raw_scale = torch.log(scale.clamp(1e-3, 1e3))
        if self.scale in ("one", "per-feature"):
            with torch.no_grad():
                self.raw_scale.copy_(raw_scale.mean() if self.scale == "one" else raw_scale)
        return torch.stack([mean, raw_scale]) if self.n_raw == 2 else mean.unsqueeze(0)


class Bernoulli(Family):
    """P(x = 1) = sigmoid(raw[0]), for x of 0 and 1 only.

    >>> Bernoulli((2,))(torch.zeros(1, 1, 2)).probs
    tensor([[0.5000, 0.5000]])
    """

    name = "bernoulli"
    values = "zeros and ones"

    def forward(self, raw: Tensor) -> _Bernoulli:
        return _Bernoulli(logits=self._raw(raw)[0], validate_args=False)

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        found = first_cell(x, (x != 0) & (x != 1), columns)
        if found is None:
            return
        hint = "Grey pixels are not coin flips. " if ((x >= 0) & (x <= 1)).all() else ""
        raise DataError(
            f"A Bernoulli likelihood needs values of 0 and 1; {found}. {hint}"
            "Use likelihood='continuous-bernoulli' (a density on [0, 1]), binarize='stochastic' (a coin flip with "
            "the grey level as its probability), or likelihood='cross-entropy' (a reconstruction error, no density)."
        )

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return torch.logit(mean.clamp(0.001, 0.999)).unsqueeze(0)


class _OnUnitInterval(Family):
    values = "numbers between 0 and 1"

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        found = first_cell(x, (x < 0) | (x > 1), columns)
        if found is not None:
            raise DataError(
                f"A {self.name} likelihood needs values between 0 and 1; {found}. "
                "Use scale='unit', or likelihood='normal'."
            )

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return torch.logit(mean.clamp(0.001, 0.999)).unsqueeze(0)


class ContinuousBernoulli(_OnUnitInterval):
    """p(x) proportional to exp(raw[0] x) on [0, 1]: a density for grey levels.

    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", NeurIPS 2019.

    >>> ContinuousBernoulli((2,))(torch.zeros(1, 1, 2)).mean
    tensor([[0.5000, 0.5000]])
    """

    name = "continuous-bernoulli"
    bounded_above = False

    def forward(self, raw: Tensor) -> _ContinuousBernoulli:
        return _ContinuousBernoulli(bounded(self._raw(raw)[0], 1000.0), validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        m = mean.clamp(0.001, 0.999)
        return torch.clamp(1 / (1 - m) - 1 / m, -1000, 1000).unsqueeze(0)  # exact at both ends and in the middle


class CrossEntropy(_OnUnitInterval):
    """-(binary cross-entropy) of grey x: a reconstruction error and no density, so that evidence is refused.

    >>> CrossEntropy((2,)).is_density
    False
    """

    name = "cross-entropy"
    is_density = False

    def forward(self, raw: Tensor) -> _CrossEntropy:
        return _CrossEntropy(self._raw(raw)[0], validate_args=False)


class Categorical(Family):
    """P(x = k) = softmax(raw)[k], for x of 0, 1, ..., n_categories - 1.

    Arguments:
        event_shape: shape of one row's cells.
        n_categories: number of levels of each cell.

    >>> Categorical((2,), n_categories=4)(torch.zeros(1, 4, 2)).probs.shape
    torch.Size([1, 2, 4])
    """

    name = "categorical"
    values = "whole numbers from 0"

    def __init__(self, event_shape: Sequence[int], n_categories: int = 2) -> None:
        super().__init__(event_shape)
        self.n_raw = whole("n_categories", n_categories)

    def forward(self, raw: Tensor) -> _Categorical:
        logits = raw.movedim(-1 - len(self.event_shape), -1)
        return _Categorical(logits=logits, validate_args=False)

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        found = first_cell(x, (x < 0) | (x >= self.n_raw) | (x != np.floor(x)), columns)
        if found is not None:
            raise DataError(
                f"A categorical likelihood of {self.n_raw} levels needs whole numbers from 0 to {self.n_raw - 1}; "
                f"{found}. Number the categories from 0, or use likelihood='normal'."
            )

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        return torch.full((self.n_raw, *self.event_shape), -log(self.n_raw))
