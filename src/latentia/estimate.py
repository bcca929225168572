"""A number about log p(x) that knows what it is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import torch
from torch import Tensor

KINDS = ("exact", "lower", "upper", "error")  # an error is log p(x|z) at one z: a reconstruction, no log p(x)
_SIGN = {"exact": "= ", "lower": ">= ", "upper": "<= ", "error": "= "}


class Stated(ABC):
    """A mean over rows that says what it is; what `Estimate` and sums over rows that were not kept have in common."""

    __slots__ = ()

    kind: str
    method: str
    n_samples: int
    scope: str
    warning: str

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """How many rows there are."""

    @property
    @abstractmethod
    def mean(self) -> float:
        """Weighted mean over the rows, nats per row."""

    @property
    @abstractmethod
    def mc_error(self) -> float:
        """Monte Carlo standard error of the mean; what more samples of z would make smaller."""

    @property
    @abstractmethod
    def row_error(self) -> float:
        """Standard error of the mean over rows; what more rows would make smaller."""

    @property
    @abstractmethod
    def total(self) -> float:
        """Weighted sum over the rows, nats per data set."""

    def bits_per_dimension(self, n_cells: int) -> float:
        """-mean / (n_cells log 2): bits per dimension, lower is better; only for probabilities of integers."""
        return -self.mean / (n_cells * log(2))

    def as_dict(self) -> dict[str, Any]:
        """What is worth writing down, ready for JSON."""
        out: dict[str, Any] = {
            "mean": self.mean,
            "unit": f"nats per {self.scope}",
            "kind": self.kind,
            "method": self.method,
            "n_samples": self.n_samples,
            "mc_error": self.mc_error,
            "row_error": self.row_error,
            "rows": self.n_rows,
            **self._weights_facts(),
        }
        return {**out, "warning": self.warning} if self.warning else out

    def _weights_facts(self) -> dict[str, float]:
        """What is known about importance weights."""
        return {}

    def __str__(self) -> str:
        details = [self.method if not self.n_samples else f"{self.method}, {self.n_samples} samples"]
        if self.n_samples:
            details.append(f"Monte Carlo +- {self.mc_error:.3f}")
        if self.n_rows > 1:
            details.append(f"rows +- {self.row_error:.3f}, {self.n_rows} rows")
        what = "reconstruction, log p(x|z)" if self.kind == "error" else "log p(x)"
        text = f"{what} {_SIGN[self.kind]}{self.mean:.3f} nats per {self.scope} ({'; '.join(details)})"
        return f"{text}\n{self.warning}" if self.warning else text


@dataclass(frozen=True, slots=True)
class Estimate(Stated):
    """log p(x) of some rows, or a bound on it: nats per row, higher is better, constants kept.

    Arguments:
        values: one number per row, nats, `(rows,)`, float64.
        kind: "exact", "lower" or "upper": how the expectation of the number stands to log p(x); "error": a reconstruction.
        method: how it was computed, for instance "importance".
        n_samples: samples of z per row; 0 for a closed form.
        row_mc_error: Monte Carlo standard error of each row's value, `(rows,)`; None where there is none.
        ess: effective sample size of the importance weights of each row, 1 to n_samples, `(rows,)`.
        pareto_k: tail index of each row's importance weights, `(rows,)`: above 0.7 neither value nor error can be believed.
        weight: row weights, `(rows,)`; None is one each.
        scope: "row", or "data set" where the evidence belongs to all rows together.
        warning: a sentence, where the number should not be trusted as it stands; else "".
        row_samples: samples of z of each row, `(rows,)`, where they differ; n_samples is the most of them then.
        same: a number that rows of the same content share, `(rows,)`: they have the same noise, and err together. None: no two do.

    >>> print(Estimate(torch.tensor([-1.0, -3.0]), "exact", "closed form"))
    log p(x) = -2.000 nats per row (closed form; rows +- 1.000, 2 rows)
    """

    values: Tensor
    kind: str
    method: str
    n_samples: int = 0
    row_mc_error: Tensor | None = None
    ess: Tensor | None = None
    pareto_k: Tensor | None = None
    weight: Tensor | None = None
    scope: str = "row"
    warning: str = ""
    row_samples: Tensor | None = None
    same: Tensor | None = None

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Weighted mean over the rows, nats per row."""
        return float((self._share * self.values).sum())

    @property
    def mc_error(self) -> float:
        """Monte Carlo standard error of the mean; what more samples of z would make smaller."""
        if self.row_mc_error is None:
            return 0.0
        return sqrt(pooled_square(self._share * self.row_mc_error, self.same))

    @property
    def row_error(self) -> float:
        """Standard error of the mean over rows; what more rows would make smaller."""
        n = len(self.values)
        if n < 2:
            return float("nan")
        spread = (self._share * (self.values - self.mean).square()).sum()
        return sqrt(float(spread) * float(self._share.square().sum()) * n / (n - 1))

    @property
    def total(self) -> float:
        """Weighted sum over the rows, nats per data set."""
        weight = torch.ones_like(self.values) if self.weight is None else self.weight
        return float((weight * self.values).sum())

    def _weights_facts(self) -> dict[str, float]:
        facts = {} if self.row_samples is None else {"n_samples_mean": float(self.row_samples.double().mean())}
        facts = facts if self.ess is None else {**facts, "ess_median": float(self.ess.median())}
        return facts if self.pareto_k is None else {**facts, "pareto_k_max": float(self.pareto_k.max())}

    @property
    def _share(self) -> Tensor:
        if self.weight is None:
            return torch.full_like(self.values, 1.0 / len(self.values))
        return self.weight.to(self.values) / self.weight.to(self.values).sum()


def pooled_square(error: Tensor, same: Tensor | None) -> float:
    """Square of the error of a sum: errors of rows that share their noise add up, those of others their squares do.

    Arguments:
        error: of each row's part of the sum, `(rows,)`.
        same: a number that rows of the same noise share, `(rows,)`.

    >>> pooled_square(torch.tensor([3.0, 4.0]), None), pooled_square(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 1.0]))
    (25.0, 49.0)
    """
    if same is None:
        return float(error.square().sum())
    names, place = same.unique(return_inverse=True)
    if len(names) == len(same):
        return float(error.square().sum())
    return float(torch.zeros(len(names), dtype=error.dtype).index_add_(0, place, error).square().sum())
