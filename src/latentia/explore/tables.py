"""Columns of a table: which to show, and how two tables of the same columns compare."""

from dataclasses import dataclass

import numpy as np

MAX_COLUMNS = 24


def leading_columns(x: np.ndarray, limit: int = MAX_COLUMNS) -> np.ndarray:
    """Numbers of the columns of largest variance, at most `limit`, in the table's order.

    >>> leading_columns(np.array([[0.0, 0, 5], [0, 1, 9]]), limit=2).tolist()
    [1, 2]
    """
    variance = np.round(np.var(x, axis=0), 9)  # standardised columns tie, and then keep the table's order
    return np.sort(np.argsort(-variance, kind="stable")[:limit])


def correlations(x: np.ndarray) -> np.ndarray:
    """Correlation of each pair of columns, `(columns, columns)`; NaN where a column is constant.

    >>> correlations(np.array([[0.0, 0, 7], [1, 2, 7], [2, 4, 7]])).round(3).tolist()
    [[1.0, 1.0, nan], [1.0, 1.0, nan], [nan, nan, nan]]
    """
    constant = x.min(0) == x.max(0)
    z = x - x.mean(0)
    sd = z.std(0)
    z = z / np.where(constant | (sd == 0), np.nan, sd)
    return (z.T @ z) / len(x)


@dataclass(frozen=True)
class Bins:
    """Where a column is counted.

    Arguments:
        edges: of the bins, `(bins + 1,)`.
        discrete: whether each bin holds one single value of the column.
    """

    edges: np.ndarray
    discrete: bool

    def share(self, values: np.ndarray) -> np.ndarray:
        """Share of the values in each bin, `(bins,)`; what lies outside is counted in none."""
        return np.histogram(values, self.edges)[0] / len(values)


def bins_of(real: np.ndarray, sampled: np.ndarray, most: int = 30) -> Bins:
    """Bins for a column and its sampled twin: one for each whole number where there are few, else equal widths.

    The range is that of the real values, widened to 99 % of the sampled ones.

    >>> bins_of(np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0])).edges.tolist()
    [-0.5, 0.5, 1.5]
    """
    inner = np.nanpercentile(sampled, [0.5, 99.5]) if len(sampled) else real[:2]
    low, high = min(real.min(), inner[0]), max(real.max(), inner[1])
    whole = bool((real == np.round(real)).all()) and bool((sampled == np.round(sampled)).all())
    if whole and high - low < most:
        return Bins(np.arange(low - 0.5, high + 1), True)
    if not high > low:
        half = 0.5 * max(1.0, abs(low)) * 1e-3
        low, high = low - half, high + half
    return Bins(np.linspace(low, high, _n_bins(real, low, high) + 1), False)


def _n_bins(real: np.ndarray, low: float, high: float) -> int:
    """Freedman and Diaconis's width, between 8 and 40 bins."""
    spread = float(np.subtract(*np.percentile(real, [75, 25])))
    width = 2 * spread / max(1, len(real)) ** (1 / 3)
    return int(np.clip((high - low) / width, 8, 40)) if width > 0 else 20


def explained(x: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """1 - sum of squared residuals / sum of squares about the mean, of each column; NaN where a column is constant.

    >>> explained(np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]])).tolist()
    [1.0]
    """
    total = np.square(x - x.mean(0)).sum(0)
    constant = x.min(0) == x.max(0)
    return 1 - np.square(x - reconstructed).sum(0) / np.where(constant, np.nan, total)
