"""Rows of data, and how they are dealt out in minibatches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .errors import DataError


class Place(NamedTuple):
    """Where the rows of a batch stand in the one that several processes hold together.

    Arguments:
        start: position of its first row there.
        rows: rows there.
    """

    start: int
    rows: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of the data.

    Arguments:
        x: the values, in the user's units, `(batch, *event)`.
        index: position of each row in the data set, `(batch,)`.
        weight: how often each row counts, `(batch,)`; None is one each.
        observed: True where a cell was observed, `(batch, *event)`; None is everywhere.
        label: an integer label for each row, `(batch,)`.
        place: in the batch of all processes; None where these are all its rows.
    """

    x: Tensor
    index: Tensor
    weight: Tensor | None = None
    observed: Tensor | None = None
    label: Tensor | None = None
    place: Place | None = None

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def n_together(self) -> int:
        """Rows of the batch that all processes hold together, by which a loss is divided."""
        return self.x.shape[0] if self.place is None else self.place.rows

    def pick(self, rows: Tensor | slice) -> "Batch":
        """Some of its rows, by their positions in it, or by a mask; they have no place in a larger batch."""
        rows = rows if isinstance(rows, slice) else rows.to(self.x.device)
        take = lambda t: None if t is None else t[rows]  # noqa: E731
        return Batch(self.x[rows], self.index[rows], take(self.weight), take(self.observed), take(self.label))

    def weighted_sum(self, values: Tensor) -> Tensor:
        """Sum of weight x value over the rows; `values` is `(batch,)`."""
        return values.sum() if self.weight is None else (self.weight * values).sum()

    def total_weight(self) -> Tensor:
        """Sum of the row weights."""
        return self.x.new_tensor(float(len(self))) if self.weight is None else self.weight.sum()


class Batches(ABC):
    """Data, dealt out in shuffled minibatches without end, or once in its own order.

    The order of an epoch depends on `seed` and the epoch's number alone, so the position in the data is
    two integers, and a run can be taken up again anywhere.

    Attributes:
        n_rows: rows of the data set.
        batch_size: rows per batch; the last batch of an epoch may be shorter.
        dtype, device: of each batch's x.
        epoch, row: where the next batch starts.
    """

    n_rows: int
    batch_size: int
    dtype: torch.dtype
    device: torch.device
    epoch: int = 0
    row: int = 0

    @property
    def n_indices(self) -> int:
        """Every row's index is below this: the rows of the whole data set, those left out included."""
        return self.n_rows

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return -(-self.n_rows // self.batch_size)

    @property
    @abstractmethod
    def mean_weight(self) -> float:
        """Mean row weight of the data set."""

    @abstractmethod
    def weights(self) -> Tensor | None:
        """The weight of every row in the data's own order, `(rows,)`; None is one each."""

    @property
    def position(self) -> dict[str, int]:
        """Where the next batch starts."""
        return {"epoch": self.epoch, "row": self.row}

    def seek(self, position: dict[str, int]) -> None:
        """Go to a `position` that was read earlier."""
        self.epoch, self.row = position["epoch"], position["row"]

    def __iter__(self) -> Iterator[Batch]:
        return self

    @abstractmethod
    def __next__(self) -> Batch:
        """The next batch of the shuffled data."""

    @abstractmethod
    def one_pass(self) -> Iterator[Batch]:
        """Every row once, in the data's own order; counts as one epoch."""

    def in_order(self) -> Iterator[Batch]:
        """Every row once, in the data's own order, leaving the position where it is."""
        position = self.position
        yield from self.one_pass()
        self.seek(position)


class DealtBatches(Batches):
    """Rows in memory, dealt out by an order of their own for every epoch; where they are held is left open."""

    weight: Tensor | None

    @property
    def mean_weight(self) -> float:
        return 1.0 if self.weight is None else float(self.weight.mean(dtype=torch.float64))

    def weights(self) -> Tensor | None:
        return self.weight

    def __next__(self) -> Batch:
        rows = self._epoch_order()[self.row : self.row + self.batch_size]
        self.row += self.batch_size
        if self.row >= self.n_rows:
            self.epoch, self.row = self.epoch + 1, 0
        return self._take(rows)

    def one_pass(self) -> Iterator[Batch]:
        for start in range(0, self.n_rows, self.batch_size):
            stop = min(start + self.batch_size, self.n_rows)
            yield self._slice(start, stop)
        self.epoch, self.row = self.epoch + 1, 0

    @abstractmethod
    def _epoch_order(self) -> Any:
        """Numbers of all rows, in the order of this epoch."""

    @abstractmethod
    def _take(self, rows: Any) -> Batch:
        """The batch of the rows of these numbers."""

    @abstractmethod
    def _slice(self, start: int, stop: int) -> Batch:
        """The batch of rows that follow one another."""


class TensorBatches(DealtBatches):
    """Rows held as one tensor on one device.

    Arguments:
        x: all rows, `(rows, *event)`, any dtype; each batch is cast to `dtype`.
        batch_size: rows per batch; the last batch of an epoch may be shorter.
        weight, observed, label: see `Batch`, for all rows.
        seed: of the order of the rows.
        transform: applied to each batch's x as `transform(x, noise_seed)` (stochastic binarisation).
        noise_seed: None draws the transform's noise anew in every epoch; a seed ties it to each row's content.

    >>> batches = TensorBatches(torch.arange(5.).reshape(5, 1), batch_size=2, seed=0)
    >>> [len(next(batches)) for _ in range(4)], batches.epoch
    ([2, 2, 1, 2], 1)
    """

    def __init__(
        self,
        x: Tensor,
        *,
        batch_size: int = 128,
        weight: Tensor | None = None,
        observed: Tensor | None = None,
        label: Tensor | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        transform: Callable[[Tensor, int | None], Tensor] | None = None,
        noise_seed: int | None = None,
    ) -> None:
        if x.shape[0] == 0:
            raise DataError("The data have no rows. At least one row is needed.")
        self.x, self.weight, self.observed, self.label = x, weight, observed, label
        self.batch_size = max(1, min(int(batch_size), x.shape[0]))
        self.seed, self.dtype, self.transform = int(seed), dtype, transform
        self.noise_seed = noise_seed
        self.n_rows, self.device = x.shape[0], x.device
        self.epoch, self.row = 0, 0
        self._order: Tensor | None = None
        self._order_epoch = -1

    def _epoch_order(self) -> Tensor:
        if self._order is None or self._order_epoch != self.epoch:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % 2**63)
            self._order = torch.randperm(self.n_rows, generator=generator).to(self.device)
            self._order_epoch = self.epoch
        return self._order

    def _take(self, rows: Tensor) -> Batch:
        pick = lambda t: None if t is None else t.index_select(0, rows)  # noqa: E731
        batch = Batch(self.x.index_select(0, rows), rows, pick(self.weight), pick(self.observed), pick(self.label))
        return self._finish(batch)

    def _slice(self, start: int, stop: int) -> Batch:
        part = lambda t: None if t is None else t[start:stop]  # noqa: E731
        index = torch.arange(start, stop, device=self.device)
        return self._finish(Batch(self.x[start:stop], index, part(self.weight), part(self.observed), part(self.label)))

    def _finish(self, batch: Batch) -> Batch:
        x = batch.x.to(self.dtype)
        if self.transform is not None:
            x = self.transform(x, self.noise_seed)
        weight = None if batch.weight is None else batch.weight.to(self.dtype)
        return replace(batch, x=x, weight=weight)


def as_batches(data: Any, **options: Any) -> Batches:
    """`Batches` from a tensor, an array or `data.Shards`; `Batches` are returned as they are.

    >>> as_batches([[0.0, 1.0]], batch_size=8).n_rows
    1
    """
    if isinstance(data, Batches):
        return data
    if hasattr(data, "batches"):
        return data.batches(**options)
    if not isinstance(data, Tensor):
        data = torch.as_tensor(data)
    return TensorBatches(data, **options)
