"""Families of shares in (0, 1), and the relaxed and straight-through versions of coins and categories."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .. import distributions as d
from ..errors import ParameterError
from .base import LOG_POWER_BOUND, LOG_SHAPE_BOUND, Family, at_least, positive, unbounded
from .cells import Bernoulli

LOGIT_BOUND = 1000.0
HUGE = 1e30  # a logit's size that no draw is told from infinity by, and that can still be divided by a temperature


class Share(Family):
    """A family of the open interval (0, 1)."""

    bounded_above = False
    values = "numbers between 0 and 1, the ends excluded"
    hint = "Use likelihood='continuous-bernoulli', whose density includes the ends, or likelihood='normal'."

    def _outside(self, x: np.ndarray) -> np.ndarray | None:
        return ~((x > 0) & (x < 1))


class Beta(Share):
    """p(x) ~ x^(a - 1) (1 - x)^(b - 1); log a = raw[0], log b = raw[1], each from 0.0025 to 403.

    >>> Beta((3,))(torch.zeros(5, 2, 3)).mean[0]
    tensor([0.5000, 0.5000, 0.5000])
    """

    name = "beta"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.Beta:
        a, b = (positive(part, LOG_SHAPE_BOUND) for part in self._raw(raw))
        return d.Beta(a, b, validate_args=False)

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        mean = mean.clamp(0.01, 0.99)
        total = (mean * (1 - mean) / scale.clamp_min(1e-2).square() - 1).clamp(0.1, 300)
        return unbounded(torch.log(torch.stack([mean * total, (1 - mean) * total])), LOG_SHAPE_BOUND)


class Kumaraswamy(Share):
    """p(x) = a b x^(a - 1) (1 - x^a)^(b - 1); log a = raw[0], log b = raw[1], each from 0.05 to 20.

    >>> Kumaraswamy((3,))(torch.zeros(5, 2, 3)).mean[0]
    tensor([0.5000, 0.5000, 0.5000])
    """

    name = "kumaraswamy"
    n_raw = 2

    def forward(self, raw: Tensor) -> d.Kumaraswamy:
        a, b = (positive(part, LOG_POWER_BOUND) for part in self._raw(raw))
        return d.Kumaraswamy(a, b, validate_args=False)


class RelaxedBernoulli(Share):
    """A coin relaxed to (0, 1) at a fixed temperature; its logit = raw[0].

    Arguments:
        event_shape: shape of one row's cells.
        temperature: positive; the draws harden as it falls to 0.

    >>> RelaxedBernoulli((3,), temperature=0.5)(torch.zeros(5, 1, 3)).temperature
    0.5
    """

    name = "relaxed-bernoulli"

    def __init__(self, event_shape: Sequence[int], temperature: float = 0.67) -> None:
        super().__init__(event_shape)
        self.temperature = at_least("temperature", temperature, 0.0)

    def forward(self, raw: Tensor) -> d.RelaxedBernoulli:
        return d.RelaxedBernoulli(self.temperature, self._raw(raw)[0], validate_args=False)


class StraightThroughBernoulli(Bernoulli):
    """A coin whose draws are 0 and 1 and whose gradient is that of the relaxed draw; its logit = raw[0].

    Arguments:
        event_shape: shape of one row's cells.
        temperature: of the relaxed draw, positive.

    >>> StraightThroughBernoulli((3,))(torch.zeros(5, 1, 3)).has_rsample
    True
    """

    name = "straight-through-bernoulli"

    def __init__(self, event_shape: Sequence[int], temperature: float = 0.67) -> None:
        super().__init__(event_shape)
        self.temperature = at_least("temperature", temperature, 0.0)

    def forward(self, raw: Tensor) -> d.StraightThroughBernoulli:
        return d.StraightThroughBernoulli(self.temperature, self._raw(raw)[0], validate_args=False)


class _OverCategories(Family):
    """Shared by the relaxed and the straight-through categories: the last axis of the event is the categories."""

    values = "shares of the categories"

    def __init__(self, event_shape: Sequence[int], temperature: float = 0.67) -> None:
        super().__init__(event_shape)
        if not self.event_shape or self.event_shape[-1] < 2:
            raise ParameterError(
                f"{self.name} needs at least 2 categories along the last axis; event_shape={self.event_shape} came. "
                "Use event_shape=(..., categories)."
            )
        self.temperature = at_least("temperature", temperature, 0.0)

    def _logits(self, raw: Tensor) -> Tensor:
        return self._raw(raw)[0].clamp(-HUGE, HUGE)


class RelaxedCategorical(_OverCategories):
    """Categories relaxed to the inside of the simplex at a fixed temperature; logits = raw[0], `(..., categories)`.

    Arguments:
        event_shape: shape of one row, its last axis the categories.
        temperature: positive; the draws harden as it falls to 0.

    >>> RelaxedCategorical((4, 3))(torch.zeros(5, 1, 4, 3)).event_shape
    torch.Size([3])
    """

    name = "relaxed-categorical"
    bounded_above = False

    def forward(self, raw: Tensor) -> d.RelaxedCategorical:
        return d.RelaxedCategorical(self.temperature, self._logits(raw), validate_args=False)


class StraightThroughCategorical(_OverCategories):
    """One-hot draws with the gradient of Gumbel-softmax at a fixed temperature; logits = raw[0], `(..., categories)`.

    Arguments:
        event_shape: shape of one row, its last axis the categories.
        temperature: of the relaxed draw, positive.

    >>> StraightThroughCategorical((4, 3))(torch.zeros(5, 1, 4, 3)).event_shape
    torch.Size([3])
    """

    name = "straight-through-categorical"

    def forward(self, raw: Tensor) -> d.StraightThroughCategorical:
        return d.StraightThroughCategorical(self.temperature, self._logits(raw), validate_args=False)
