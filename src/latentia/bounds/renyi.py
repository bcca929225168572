"""Renyi's bounds, between the ELBO and the evidence."""

from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any, ClassVar

from torch import nn

from ..batch import Batch
from ..errors import ParameterError
from .base import Terms
from .gradients import Gradient, LogMean, as_gradient
from .importance import check_weights, weighted


@dataclass(frozen=True)
class Renyi:
    """L_a = 1 / (1 - a) log E_q[w^(1 - a)], w = p(x, z) / q(z|x), from k samples.

    a = 0 is the importance-weighted bound, a -> 1 the ELBO; L_a falls as a grows. For a >= 0 the expectation of what is
    drawn is at most log p(x). For a < 0 the limit of many samples lies above log p(x) and few samples may lie on either
    side, which is no bound: refused.

    Arguments:
        n_samples: k, samples of z per row.
        alpha: a, from 0, not 1.
        gradient: as for `ImportanceWeighted`.

    Source: Li and Turner, "Renyi divergence variational inference", NeurIPS 2016, equations 7 and 13, theorem 2.

    >>> Renyi(n_samples=10, alpha=0.5).names
    ('log_weight', 'ess')
    """

    n_samples: int = 50
    alpha: float = 0.5
    gradient: str | Gradient = "auto"
    names: ClassVar[tuple[str, ...]] = ("log_weight", "ess")
    method: ClassVar[str] = "renyi"

    def __post_init__(self) -> None:
        if not isinstance(self.alpha, Real) or isinstance(self.alpha, bool):
            raise ParameterError(f"alpha={self.alpha!r} gives no bound. Use a number from 0, not 1.")
        if self.alpha == 1:
            raise ParameterError("alpha=1 is the ELBO. Use bounds.Elbo.")
        if not (isfinite(self.alpha) and self.alpha >= 0):
            raise ParameterError(f"alpha={self.alpha} gives no bound from few samples. Use a finite number from 0.")
        check_weights(self.n_samples, self.gradient)

    def auxiliaries(self, model: Any) -> nn.Module | None:
        """A new module of what the gradient learns beside p and q (a baseline); None where nothing is learnt."""
        return as_gradient(self.gradient, "importance", self.n_samples).auxiliaries(model)

    def __call__(self, model: Any, posterior: Any, batch: Batch, auxiliaries: nn.Module | None = None) -> Terms:
        reduce = LogMean(float(self.alpha))
        return weighted(self.n_samples, self.gradient, reduce, model, posterior, batch, auxiliaries)
