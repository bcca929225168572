"""Mean and standard deviation of columns, block by block."""

from typing import final

import numpy as np
import torch

from ..scaling import Scaling

CELLS_AT_ONCE = 2**18  # of a block, looked at in float64


@final
class ColumnMoments:
    """Of rows that are added block by block, weighted; in float64, whatever came.

    Means and squares about them are merged pairwise, so that a large offset cancels nothing (Chan, Golub and LeVeque,
    "Algorithms for computing the sample variance", 1983).

    Attributes:
        weight: of all rows that came, in sum.

    >>> found = ColumnMoments(1)
    >>> found.add(np.array([[1.0], [3.0]]))
    >>> found.mean_and_sd()
    (array([2.]), array([1.]))
    """

    def __init__(self, n_columns: int) -> None:
        zero = np.zeros(n_columns)
        self.weight, self._mean, self._square = 0.0, zero, zero
        self._low, self._high = zero + np.inf, zero - np.inf

    def add(self, x: np.ndarray, weight: np.ndarray | None = None) -> None:
        """Take in rows `(rows, columns)`; those that weigh nothing are left out."""
        at_once = max(1, CELLS_AT_ONCE // max(1, len(self._mean)))
        for start in range(0, len(x), at_once):
            part = slice(start, start + at_once)
            self._add(x[part].astype(np.float64, copy=False), None if weight is None else weight[part])

    def _add(self, x: np.ndarray, weight: np.ndarray | None) -> None:
        if weight is not None:
            keep = weight > 0
            x, weight = x[keep], weight[keep]
        if not len(x):
            return
        self._low, self._high = np.minimum(self._low, x.min(0)), np.maximum(self._high, x.max(0))
        count = float(len(x)) if weight is None else float(weight.sum())
        mean = np.average(x, axis=0, weights=weight)
        centred = x - mean
        square = np.einsum("ij,ij->j", centred, centred) if weight is None else weight @ np.square(centred)
        total = self.weight + count
        step = mean - self._mean
        self._mean = self._mean + step * (count / total)
        self._square = self._square + square + np.square(step) * (self.weight * count / total)
        self.weight = total

    def mean_and_sd(self, scaling: Scaling | None = None) -> tuple[np.ndarray, np.ndarray]:
        """In the model's units where a scaling is given; a standard deviation of 0 exactly where a column is constant."""
        constant = self._low == self._high
        mean = np.where(constant, self._low, np.clip(self._mean, self._low, self._high))
        sd = np.where(constant, 0.0, np.sqrt(self._square / self.weight))
        if scaling is None or scaling.identity:
            return mean, sd
        return scaling.to_model(torch.from_numpy(mean)).numpy(), sd / scaling.scale.cpu().numpy()
