"""The mean of log p(x) over rows that come block by block and are not kept."""

from math import nan, sqrt
from typing import final

import torch
from torch import Tensor

from ..estimate import Estimate, Stated
from .saying import is_thin, warning_of, warning_of_missed, warning_of_values
from .tail import HEAVY


@final
class Totals(Stated):
    """What an `Estimate` of all rows would say, from the estimates of blocks of them, by `add`.

    Arguments:
        wanted: the Monte Carlo error of the mean that was asked for, nats; what misses it warns.

    Means and squares about them are merged pairwise, in float64. The median effective sample size is rounded to a whole
    number.

    >>> whole = Estimate(torch.tensor([-1.0, -3.0, -8.0], dtype=torch.float64), "exact", "exact")
    >>> totals = Totals()
    >>> for part in whole.values.split(2): totals.add(Estimate(part, "exact", "exact"))
    >>> totals.mean == whole.mean, abs(totals.row_error - whole.row_error) < 1e-12
    (True, True)
    """

    def __init__(self, wanted: float | None = None) -> None:
        self.wanted = wanted
        self.kind, self.method, self.scope, self.n_samples = "exact", "", "row", 0
        self._rows, self._weight, self._weight_squares = 0, 0.0, 0.0
        self._mean = self._spread = self._noise = 0.0
        self._sizes: Tensor | None = None  # how many rows have which effective sample size
        self._thin = self._heavy = self._lost = self._no_number = 0
        self._tail: float | None = None
        self._alike = Alike()

    def add(self, part: Estimate) -> None:
        """Take in the estimate of some rows; all parts must come from one method."""
        self.kind, self.method, self.scope = part.kind, part.method, part.scope
        self.n_samples = max(self.n_samples, part.n_samples)
        values = part.values.double()
        weight = torch.ones_like(values) if part.weight is None else part.weight.to(values)
        self._rows += len(values)
        self._weight_squares += float(weight.square().sum())
        if part.row_mc_error is not None:
            error = weight * part.row_mc_error
            self._noise += float(error.square().sum())
            if part.same is not None:
                self._alike.add(part.same, error)
        self._merge(values, weight)
        self._look_at_weights(part)

    def _merge(self, values: Tensor, weight: Tensor) -> None:
        count = float(weight.sum())
        if count == 0:
            return
        mean = float((weight * values).sum() / count)
        spread = float((weight * (values - mean).square()).sum())
        total, step = self._weight + count, mean - self._mean
        self._mean += step * count / total
        self._spread += spread + step * step * self._weight * count / total
        self._weight = total

    def _look_at_weights(self, part: Estimate) -> None:
        self._lost += int((part.values == -torch.inf).sum())
        self._no_number += int((torch.isnan(part.values) | (part.values == torch.inf)).sum())
        if part.ess is not None:
            sizes = torch.bincount(part.ess.round().long(), minlength=0 if self._sizes is None else len(self._sizes))
            if self._sizes is not None:
                sizes[: len(self._sizes)] += self._sizes
            self._sizes = sizes
            each = part.n_samples if part.row_samples is None else part.row_samples
            self._thin += int(is_thin(part.ess, each).sum())
        if part.pareto_k is not None:
            self._heavy += int((part.pareto_k > HEAVY).sum())
            self._tail = max(float(part.pareto_k.max()), -float("inf") if self._tail is None else self._tail)

    @property
    def n_rows(self) -> int:
        return self._rows

    @property
    def mean(self) -> float:
        return self._mean if self._weight else nan

    @property
    def mc_error(self) -> float:
        return sqrt(self._noise + self._alike.excess) / self._weight if self._weight else nan

    @property
    def row_error(self) -> float:
        if self._rows < 2 or not self._weight:
            return nan
        share = self._weight_squares / self._weight**2
        return sqrt(self._spread / self._weight * share * self._rows / (self._rows - 1))

    @property
    def total(self) -> float:
        return self._mean * self._weight

    @property
    def warning(self) -> str:  # type: ignore[override]
        """A sentence, where the number should not be trusted as it stands; else ""."""
        single = self.n_samples == 1
        words = [warning_of_values(self._lost, self._no_number, self._rows, single)]
        if (self._thin or self._heavy) and not single:
            words.insert(0, warning_of(self._thin, self._heavy, self._rows, self.n_samples, self._median, self.method))
        missed = self.wanted is not None and not self.mc_error <= self.wanted
        words.append(warning_of_missed(self.wanted or 0.0, self.mc_error, self.n_samples) if missed else "")
        return "\n".join(filter(None, words))

    @property
    def _median(self) -> float:
        assert self._sizes is not None
        return float(torch.searchsorted(self._sizes.cumsum(0), (self._rows + 1) // 2))

    def _weights_facts(self) -> dict[str, float]:
        facts = {} if self._sizes is None else {"ess_median": self._median}
        return facts if self._tail is None else {**facts, "pareto_k_max": self._tail}


@final
class Alike:
    """How much more a sum errs than its rows would if all had noise of their own: by what rows of the same content share.

    excess = sum over groups of ((sum of errors)^2 - sum of errors^2). Of more than `most` different rows a random half, a
    quarter, ... is kept, which stands for all.

    >>> alike = Alike()
    >>> for errors in ([3.0], [4.0]): alike.add(torch.tensor([1.0]), torch.tensor(errors))
    >>> alike.excess
    24.0
    """

    def __init__(self, most: int = 2**16) -> None:
        self.most, self.halvings = most, 0
        self.names = torch.zeros(0, dtype=torch.float64)
        self.sums = torch.zeros(2, 0, dtype=torch.float64)  # of errors, of their squares

    def add(self, same: Tensor, error: Tensor) -> None:
        """Take in some rows: their numbers as of `Estimate`, the errors of their parts of the sum."""
        error = torch.where(
            torch.isfinite(error), error, 0.0
        ).double()  # one that is not is not finite in the sum either
        self._merge(torch.cat([self.names, same]), torch.cat([self.sums, torch.stack([error, error.square()])], 1))
        while len(self.names) > self.most:
            self.halvings += 1
            self._merge(self.names, self.sums)

    def _merge(self, names: Tensor, sums: Tensor) -> None:
        kept = torch.remainder(names.long(), 1 << self.halvings) == 0  # the numbers are hashes
        self.names, place = names[kept].unique(return_inverse=True)
        self.sums = torch.zeros(2, len(self.names), dtype=torch.float64).index_add_(1, place, sums[:, kept])

    @property
    def excess(self) -> float:
        """What the square of the sum's error has to be raised by."""
        return float((self.sums[0].square() - self.sums[1]).clamp_min(0).sum()) * 2**self.halvings
