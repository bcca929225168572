"""The rows that an estimator is to learn from: in memory, or on a disk."""

from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
import torch

from ..binarise import Binarise
from ..data import Shards
from ..data.checks import check_weight
from ..data.sources import Block
from ..errors import DataError, ParameterError
from .facts import Facts, StreamFacts
from .rows import checked_rows

MAX_HELD_OUT = 65536  # rows of a stream that are held out at most, and
HELD_OUT_BYTES = 2**26  # bytes that they take at most: they are kept in memory


class Given(ABC):
    """Rows to learn from, of which some are held out.

    Attributes:
        n_rows, n_features: of all of them.
        weight: of each row in memory, `(rows,)`, or None.
        held_out: numbers of the rows held out, rising, or None.
    """

    n_rows: int
    n_features: int
    weight: np.ndarray | None = None
    held_out: np.ndarray | None = None

    @abstractmethod
    def split(self, estimator: Any) -> None:
        """Choose the rows to hold out, by the estimator's seed."""

    @abstractmethod
    def facts(self, transform: Binarise | None = None) -> np.ndarray | Facts:
        """What a plan is made from: the rows as the model will see them, or what is known about them."""

    @abstractmethod
    def parts(self) -> tuple[Any, Any, Any]:
        """What to learn from, what is held out (or None), and the weights of the former (or None)."""


@final
class InMemory(Given):
    """An array, a tensor or a data frame."""

    def __init__(self, estimator: Any, X: Any, sample_weight: Any) -> None:
        self.x = checked_rows(estimator, X, reset=True)
        self.n_rows, self.n_features = self.x.shape
        self.weight = None if sample_weight is None else check_weight(sample_weight, self.n_rows, name="sample_weight")
        self.train: np.ndarray | None = None

    def split(self, estimator: Any) -> None:
        self.train, self.held_out = split_rows(estimator, self.n_rows, estimator.seed_)

    def facts(self, transform: Binarise | None = None) -> np.ndarray | Facts:
        return self.x if transform is None else transform(torch.as_tensor(self.x).double(), 0).numpy()

    def parts(self) -> tuple[Any, Any, Any]:
        if self.train is None:
            return torch.as_tensor(self.x), None, self.weight
        weight = None if self.weight is None else self.weight[self.train]
        return torch.as_tensor(self.x[self.train]), torch.as_tensor(self.x[self.held_out]), weight


@final
class OnDisk(Given):
    """Shards; what is known about them, and the rows held out, come from one pass."""

    def __init__(self, estimator: Any, shards: Shards, sample_weight: Any) -> None:
        if sample_weight is not None:
            raise ParameterError("The weights of shards are one of their columns. Use open_shards(..., weight='name').")
        self.shards, self.n_rows, self.n_features = shards, shards.n_rows, len(shards.columns)
        if self.n_rows < estimator._min_rows:
            raise DataError(f"{shards.name}: {self.n_rows} rows came, at least {estimator._min_rows} are needed.")
        estimator.n_features_in_ = self.n_features
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        if shards.image_shape is not None:
            estimator.image_shape_ = shards.image_shape
        self._facts: StreamFacts | None = None
        self._kept: list[Block] = []

    def split(self, estimator: Any) -> None:
        self.held_out = held_out_rows(estimator, self.shards)

    def facts(self, transform: Binarise | None = None) -> Facts:
        if transform is not None:
            return self._pass(transform)
        if self._facts is None:
            self._facts = self._pass(None)
        return self._facts

    def _pass(self, transform: Binarise | None) -> StreamFacts:
        facts = StreamFacts(self.shards.columns, self.shards.name)
        collect = self.held_out is not None and not self._kept
        for block in self.shards.blocks():
            if transform is None:
                facts.add(block)
            else:
                x = transform(torch.from_numpy(block.x).double(), 0).numpy()
                facts.add(Block(x, block.index, block.weight))
            if collect and self.held_out is not None:
                self._kept.append(block.pick(np.isin(block.index, self.held_out, assume_unique=True)))
        if not facts.total_weight > 0:
            raise DataError(f"{self.shards.name}: all row weights are zero, so that no row counts. Give some a weight.")
        return facts

    def parts(self) -> tuple[Any, Any, Any]:
        if self.held_out is None:
            return self.shards, None, None
        if not self._kept:
            self.facts()
        return self.shards.leave_out(self.held_out), torch.from_numpy(Block.joined(self._kept).x), None


def held_out_rows(estimator: Any, shards: Shards) -> np.ndarray | None:
    """Numbers of the rows of a stream that a fit holds out, drawn by its seed; at most 65,536, and 64 MiB of them."""
    most = min(MAX_HELD_OUT, HELD_OUT_BYTES // shards.row_bytes)
    n_held_out = min(_share(estimator, shards.n_rows), most)
    return shards.draw(n_held_out, estimator.seed_) if n_held_out >= 2 else None


def take_in(estimator: Any, X: Any, sample_weight: Any) -> Given:
    """The rows that `fit` was given; what they are like is written on the estimator."""
    if isinstance(X, Shards):
        estimator.columns_ = X.columns
        return OnDisk(estimator, X, sample_weight)
    if hasattr(estimator, "_take_in"):  # rows that are no numbers
        return estimator._take_in(X, sample_weight)
    given = InMemory(estimator, X, sample_weight)
    estimator.columns_ = estimator.columns_ or tuple(getattr(estimator, "feature_names_in_", ())) or None
    return given


def split_rows(estimator: Any, n_rows: int, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Rows to learn from and rows to hold out; None and None where none are held out."""
    n_held_out = _share(estimator, n_rows)
    if n_held_out < 2:
        return None, None
    order = np.random.default_rng(seed).permutation(n_rows)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def _share(estimator: Any, n_rows: int) -> int:
    """How many rows the estimator wants held out; 0 where they or the rest would be fewer than two."""
    share = getattr(estimator, "validation_fraction", 0.0) or 0.0
    if not 0 <= share < 1:
        raise ParameterError(f"validation_fraction={share} cannot be used. Use a number from 0 to below 1.")
    n_held_out = round(share * n_rows)
    return 0 if n_held_out < 2 or n_rows - n_held_out < 2 else n_held_out
