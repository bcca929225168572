"""Shuffled minibatches from a disk, at constant memory."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch, Batches
from .ahead import ahead
from .shards import Shards
from .sources import Block, Group

BUFFER_BYTES = 2**26


class _Buffer(NamedTuple):
    """Rows `start` to `stop` of an epoch's order."""

    start: int
    stop: int
    groups: tuple[Group, ...]


class _Rows(NamedTuple):
    """Rows on the device, in the order in which they are dealt: batches are slices."""

    x: Tensor
    index: Tensor
    weight: Tensor | None

    def part(self, start: int, stop: int) -> "_Rows":
        return _Rows(
            self.x[start:stop], self.index[start:stop], None if self.weight is None else self.weight[start:stop]
        )


class _Cursor:
    """Goes through buffers, in which rising rows of one order lie."""

    def __init__(self, stream: Iterator[tuple[_Buffer, _Rows]]) -> None:
        self.stream = stream
        self.now: tuple[_Buffer, _Rows] | None = None

    def rows(self, start: int, stop: int) -> list[_Rows]:
        """Rows `start` to `stop` of the order; they may lie in several buffers."""
        parts = []
        while start < stop:
            if self.now is None or start >= self.now[0].stop:
                self.now = None
                self.now = next(self.stream)
            buffer, rows = self.now
            end = min(stop, buffer.stop)
            parts.append(rows.part(start - buffer.start, end - buffer.start))
            start = end
        return parts

    def forget(self) -> None:
        """Go on with the next buffer, whose rows are counted from zero."""
        self.now = None


@final
class ShardBatches(Batches):
    """Rows that stay on the disk, dealt out in minibatches.

    An epoch's order comes from the seed and the epoch's number alone: the row groups are shuffled, neighbours in that
    order are gathered into buffers of about `buffer_bytes`, and each buffer is shuffled. A table that fits into one
    buffer is shuffled as a whole; in a larger one, rows of a row group are dealt within one buffer's time, so that shards
    sorted by what they hold should have row groups that are small beside the buffer. Every batch but an epoch's last is
    full. The next buffer is read in the background; at most three are in memory. A `seek` reads nothing but the buffer
    in which the position lies.

    Arguments:
        shards: the rows; `Batch.index` is the number of a row in the whole table.
        batch_size: rows per batch; the last batch of an epoch may be shorter.
        seed: of the order of the rows.
        dtype, device: of each batch's x.
        transform, noise_seed: see `TensorBatches`.
        weight: must be None; the weights are a column of the shards.
        buffer_bytes: of a buffer, in the type that the shards are stored in; at least one row group is read.
    """

    def __init__(
        self,
        shards: Shards,
        *,
        batch_size: int = 128,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        transform: Callable[[Tensor, int | None], Tensor] | None = None,
        noise_seed: int | None = None,
        weight: None = None,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        if weight is not None:
            raise TypeError("The weights of shards are one of their columns: open_shards(..., weight='name').")
        self.shards, self.n_rows = shards, shards.n_rows
        self.batch_size, self.seed = max(1, min(int(batch_size), self.n_rows)), int(seed)
        self.dtype, self.device = dtype, torch.device(device)
        self.transform, self.noise_seed, self.buffer_bytes = transform, noise_seed, int(buffer_bytes)
        self.epoch, self.row = 0, 0
        self._cursor: _Cursor | None = None
        self._at: dict[str, int] = {}

    @property
    def n_indices(self) -> int:
        return self.shards.n_all

    @property
    def mean_weight(self) -> float:
        return self.shards.total_weight / self.n_rows

    def weights(self) -> Tensor | None:
        weight = self.shards.weights()
        return None if weight is None else torch.from_numpy(weight).to(self.device)

    def __next__(self) -> Batch:
        if self._cursor is None or self._at != self.position:
            self._cursor = _Cursor(self._buffers())
        stop = min(self.row + self.batch_size, self.n_rows)
        batch = self._finish(self._cursor.rows(self.row, stop))
        self.row = stop
        if stop >= self.n_rows:
            self.epoch, self.row = self.epoch + 1, 0
            self._cursor.forget()
        self._at = self.position
        return batch

    def one_pass(self) -> Iterator[Batch]:
        buffers = self._plan(self.shards.source.groups, min(self.buffer_bytes // 4, self.shards.block_bytes))
        cursor = _Cursor(ahead(partial(self._read, buffer, None) for buffer in buffers))
        for start in range(0, self.n_rows, self.batch_size):
            yield self._finish(cursor.rows(start, min(start + self.batch_size, self.n_rows)))
        self.epoch, self.row = self.epoch + 1, 0

    def _buffers(self) -> Iterator[tuple[_Buffer, _Rows]]:
        """The buffers from the position on, without end."""
        tasks = (
            partial(self._read, buffer, (epoch, number))
            for epoch in count(self.epoch)
            for number, buffer in enumerate(self._epoch_plan(epoch))
            if epoch > self.epoch or buffer.stop > self.row
        )
        return ahead(tasks)

    def _epoch_plan(self, epoch: int) -> list[_Buffer]:
        groups = self.shards.source.groups
        order = torch.randperm(len(groups), generator=_generator(self.seed, epoch))
        return self._plan([groups[i] for i in order.tolist()], self.buffer_bytes)

    def _plan(self, groups: "list[Group] | tuple[Group, ...]", n_bytes: int) -> list[_Buffer]:
        found, start = [], 0
        for run in self.shards.runs(n_bytes, groups):
            stop = start + sum(map(self.shards.rows_of, run))
            if stop > start:
                found.append(_Buffer(start, stop, run))
            start = stop
        return found

    def _read(self, buffer: _Buffer, place: tuple[int, int] | None) -> tuple[_Buffer, _Rows]:
        block: Block = self.shards.read(buffer.groups)
        x, index = _tensor(block.x), torch.from_numpy(block.index)
        weight = None if block.weight is None else torch.from_numpy(block.weight)
        if place is not None:
            order = torch.randperm(len(x), generator=_generator(self.seed, *place))
            x, index = x.index_select(0, order), index.index_select(0, order)
            weight = None if weight is None else weight.index_select(0, order)
        weight = None if weight is None else weight.to(self.device)
        return buffer, _Rows(x.to(self.device), index.to(self.device), weight)

    def _finish(self, parts: list[_Rows]) -> Batch:
        x = _join([part.x for part in parts]).to(self.dtype)
        if self.transform is not None:
            x = self.transform(x, self.noise_seed)
        weights = [part.weight for part in parts if part.weight is not None]
        return Batch(x, _join([part.index for part in parts]), _join(weights).to(self.dtype) if weights else None)


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _tensor(x: np.ndarray) -> Tensor:
    """torch knows no unsigned types but uint8 well enough to cast and index them."""
    return torch.from_numpy(x.astype(np.float64) if x.dtype.kind == "u" and x.dtype.itemsize > 1 else x)


def _generator(*place: int) -> torch.Generator:
    state = np.random.SeedSequence([number % 2**63 for number in place]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)
