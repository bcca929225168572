"""Which rows are whose: every batch is dealt out to all processes, and each takes its part of it."""

from collections.abc import Iterator
from dataclasses import fields, replace

import torch
from torch import Tensor

from ..batch import Batch, Batches, Place
from .group import ALONE, Processes


def part_of(batch: Batch, processes: Processes) -> Batch:
    """This process's rows of a batch that all have; parts differ by one row at most, and may be empty.

    >>> batch = Batch(torch.arange(5.0), torch.arange(5))
    >>> [part_of(batch, Processes(rank, 3)).x.tolist() for rank in range(3)]
    [[0.0], [1.0, 2.0], [3.0, 4.0]]
    """
    if not processes.many:
        return batch
    n = len(batch)
    return _rows(batch, n * processes.rank // processes.size, n * (processes.rank + 1) // processes.size)


class Share(Batches):
    """One process's part of every batch; where the data are and in which order they come is `whole`'s business.

    A process without rows in a batch is lent the first one at a weight of zero, so that every process goes through the
    same arithmetic, and none of it counts.

    Arguments:
        whole: the data, the same in every process.
        processes: among whom.

    >>> from latentia.batch import TensorBatches
    >>> whole = TensorBatches(torch.arange(5.0).reshape(5, 1), batch_size=5)
    >>> batch = next(Share(whole, Processes(2, 3)))
    >>> len(batch), batch.place
    (2, Place(start=3, rows=5))
    """

    def __init__(self, whole: Batches, processes: Processes) -> None:
        self.whole, self.processes = whole, processes
        self.n_rows, self.batch_size = whole.n_rows, whole.batch_size
        self.dtype, self.device = whole.dtype, whole.device

    @property
    def epoch(self) -> int:  # type: ignore[override]
        return self.whole.epoch

    @property
    def row(self) -> int:  # type: ignore[override]
        return self.whole.row

    @property
    def n_indices(self) -> int:
        return self.whole.n_indices

    @property
    def mean_weight(self) -> float:
        return self.whole.mean_weight

    def weights(self) -> Tensor | None:
        """The weight of every row of the whole data set."""
        return self.whole.weights()

    @property
    def position(self) -> dict[str, int]:
        return self.whole.position

    def seek(self, position: dict[str, int]) -> None:
        self.whole.seek(position)

    def __next__(self) -> Batch:
        return self._mine(next(self.whole))

    def one_pass(self) -> Iterator[Batch]:
        """This process's part of every batch, in the data's own order."""
        return map(self._mine, self.whole.one_pass())

    def _mine(self, batch: Batch) -> Batch:
        mine = part_of(batch, self.processes)
        if len(mine):
            return mine
        return replace(_rows(batch, 0, 1), weight=batch.x.new_zeros(1))


def share(batches: Batches, processes: Processes) -> Batches:
    """The batches themselves for one process, else this process's part of them."""
    return Share(batches, processes) if processes.many else batches


def processes_of(batches: Batches) -> Processes:
    """Those among whom the batches are shared."""
    return getattr(batches, "processes", ALONE)


def whole_of(batches: Batches) -> Batches:
    """All the rows."""
    return getattr(batches, "whole", batches)


def _rows(batch: Batch, start: int, stop: int) -> Batch:
    columns = {f.name: getattr(batch, f.name) for f in fields(batch)}
    parts = {name: value[start:stop] for name, value in columns.items() if torch.is_tensor(value)}
    return replace(batch, **parts, place=Place(start, len(batch)))
