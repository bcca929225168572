"""Numbers of each row of the data, by its index; of several processes each keeps those of some rows."""

from torch import Tensor

from ..batch import Batch
from ..processes import Processes


class RowTable:
    """A table `(rows, width)`, of which this process holds the rows from `start` to `stop`.

    Which process a row's numbers are kept by and which one works on the row are two things: a batch is dealt out by place,
    anew in every epoch, and its numbers travel, in two sums over one batch's numbers.

    Arguments:
        n_rows: of the whole table.
        row: what every row begins with, `(width,)`.
        processes: among whom the rows are shared out.

    >>> import torch
    >>> table = RowTable(5, torch.zeros(2), Processes())
    >>> batch = Batch(torch.zeros(2, 1), torch.tensor([4, 1]))
    >>> table.put(batch, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> table.get(batch)[0]
    tensor([1., 2.])
    """

    def __init__(self, n_rows: int, row: Tensor, processes: Processes) -> None:
        self.processes, self.n_rows = processes, n_rows
        self.start, self.stop = (n_rows * (processes.rank + i) // processes.size for i in (0, 1))
        self.values = row.repeat(self.stop - self.start, 1)

    def get(self, batch: Batch) -> Tensor:
        """The numbers of a batch's rows, `(batch, width)`; to be called by all processes."""
        if not self.processes.many:
            return self.values.index_select(0, batch.index)
        place, mine = self._mine(batch)
        buffer = self.values.new_zeros(batch.n_together, self.values.shape[1])
        buffer[mine] = self.values[place[mine]]
        start = 0 if batch.place is None else batch.place.start
        return self.processes.sum_(buffer)[start : start + len(batch)].clone()

    def put(self, batch: Batch, values: Tensor) -> None:
        """Take new numbers of a batch's rows; to be called by all processes."""
        if not self.processes.many:
            self.values.index_copy_(0, batch.index, values)
            return
        place, mine = self._mine(batch)
        buffer = self._spread(batch, values)
        self.values[place[mine]] = buffer[mine]

    def _mine(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Where each row of the whole batch stands in this process's part, and whether it does."""
        place = self._spread(batch, batch.index) - self.start
        return place, (place >= 0) & (place < len(self.values))

    def _spread(self, batch: Batch, values: Tensor) -> Tensor:
        """What the processes have for their rows of a batch, put together; a row that was only lent is left out."""
        n, rank, size = batch.n_together, self.processes.rank, self.processes.size
        start, stop = n * rank // size, n * (rank + 1) // size
        buffer = values.new_zeros(n, *values.shape[1:])
        buffer[start:stop] = values[: stop - start]
        return self.processes.sum_(buffer)

    def whole(self) -> Tensor:
        """All rows, in every process; to be called by all."""
        if not self.processes.many:
            return self.values
        every = self.values.new_zeros(self.n_rows, self.values.shape[1])
        every[self.start : self.stop] = self.values
        return self.processes.sum_(every)

    def load(self, every: Tensor) -> None:
        """Take this process's rows out of a `whole` table."""
        self.values.copy_(every[self.start : self.stop])
