"""What a plan needs to know about the columns, from rows in memory or from one pass over rows on a disk."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, final

import numpy as np

from ..data.checks import check_rows
from ..data.sources import Block
from ..scaling import Scaling
from .column_moments import CELLS_AT_ONCE, ColumnMoments


class Facts(ABC):
    """What the columns hold.

    Attributes:
        low, high: least and largest value of each column, `(columns,)`, float64.
    """

    low: np.ndarray
    high: np.ndarray

    @property
    @abstractmethod
    def whole(self) -> bool:
        """Whether all values are whole numbers."""

    @property
    def kind(self) -> str:
        """ "binary", "grey" (whole numbers from 0 to at most 255) or "real"."""
        low, high = self.low.min(), self.high.max()
        if low < 0 or high > 255 or not self.whole:
            return "real"
        return "binary" if high <= 1 else "grey"

    @abstractmethod
    def moments(self, scaling: Scaling | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and standard deviation of each column, in the model's units where a scaling is given."""

    @abstractmethod
    def witnesses(self) -> np.ndarray:
        """Rows among which there is a value without a density wherever there is one in the data."""


@final
class ArrayFacts(Facts):
    """Of rows in memory `(rows, columns)` and their weights."""

    def __init__(self, x: np.ndarray, weight: np.ndarray | None = None) -> None:
        self.x, self.weight = x, weight
        self.low, self.high = (bound.astype(np.float64) for bound in (x.min(0), x.max(0)))

    @property
    def whole(self) -> bool:
        return self.x.dtype.kind != "f" or not bool((self.x != np.floor(self.x)).any())

    def moments(self, scaling: Scaling | None = None) -> tuple[np.ndarray, np.ndarray]:
        return self._moments.mean_and_sd(scaling)

    @cached_property
    def _moments(self) -> ColumnMoments:
        found = ColumnMoments(self.x.shape[1])
        found.add(self.x, self.weight)
        return found

    def witnesses(self) -> np.ndarray:
        return self.x


@final
class StreamFacts(Facts):
    """Of rows that come block by block, by `add`; in float64.

    Arguments:
        names: of the columns.
        name: what messages call the data.
    """

    def __init__(self, names: tuple[str, ...], name: str) -> None:
        self.names, self.name = names, name
        zero = np.zeros(len(names))
        self.low, self.high = zero + np.inf, zero - np.inf
        self._moments = ColumnMoments(len(names))
        self._broken = zero * np.nan  # a value of each column that is no whole number

    def add(self, block: Block) -> None:
        """Take in some rows; raises `DataError` where a cell is NaN or infinite."""
        self._check(block)
        at_once = max(1, CELLS_AT_ONCE // len(self.names))
        for start in range(0, len(block.x), at_once):
            self._add(block.pick(slice(start, start + at_once)))

    def _add(self, block: Block) -> None:
        x = block.x.astype(np.float64, copy=False)
        low, high = x.min(0), x.max(0)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        if block.x.dtype.kind == "f":
            self._look_for_fractions(x)
        self._moments.add(x, block.weight)

    def _check(self, block: Block) -> None:
        if block.x.dtype.kind != "f" or np.isfinite(block.x.sum()):
            return  # a sum of finite values may overflow, and is looked into then; one with a NaN is never finite
        name = f"{self.name}, among rows {block.index[0]} to {block.index[-1]}"
        check_rows(block.x, columns=self.names, name=name, numbers=block.index)

    def _look_for_fractions(self, x: np.ndarray) -> None:
        unknown = np.flatnonzero(np.isnan(self._broken))
        if not len(unknown):
            return
        part = x[:, unknown]
        fraction = part != np.floor(part)
        first = fraction.argmax(0)
        value = part[first, np.arange(len(unknown))]
        self._broken[unknown] = np.where(fraction.any(0), value, np.nan)

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all rows that came."""
        return self._moments.weight

    @property
    def whole(self) -> bool:
        return bool(np.isnan(self._broken).all())

    def moments(self, scaling: Scaling | None = None) -> tuple[np.ndarray, np.ndarray]:
        return self._moments.mean_and_sd(scaling)

    def witnesses(self) -> np.ndarray:
        """The extremes of each column, and a value that is no whole number where there is one."""
        return np.stack([self.low, self.high, np.where(np.isnan(self._broken), self.low, self._broken)])


def as_facts(x: Any, weight: np.ndarray | None = None) -> Facts:
    """Facts as they are, rows in memory as `ArrayFacts`."""
    return x if isinstance(x, Facts) else ArrayFacts(x, weight)
