"""Samples spent where the error is: a pilot, then as many per row as the wanted error of the mean needs."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..batch import Batch, Batches
from ..errors import ParameterError
from ..estimate import Estimate
from .allotment import FEW, LEAST, allotted
from .rows import numbers_of_rows, weights_of
from .running import RowNumbers, pooled_error
from .saying import stated, warning_of_missed
from .tail import index_error

PILOT = 50  # samples per row: enough for a tail index
DEEP = 12  # a pilot of a row has at least half this part of what the row is to get, or it is drawn anew with this part
GROWTH = 1.5  # of the samples of a round that missed, at least
SPARE = 0.95  # of the wanted error is aimed at, for the pilot's own error

Draws = Callable[[Batch, int, int], RowNumbers]  # of a batch, with so many samples, under a seed


def spend(batches: Batches, draws: Draws, method: str, error: float, n_samples: int, seed: int) -> Estimate:
    """The estimate whose mean has the wanted Monte Carlo error, or the best that `n_samples` per row allow.

    With c_i the standard deviation of row i's relative weights and v_i its share of the mean, sum_i k_i is least for a
    given sum_i v_i^2 c_i^2 / k_i where k_i is proportional to v_i c_i (Neyman 1934). A few samples of a hard row do not
    show how hard it is, so that rows which are to get many have a deeper pilot first. A round that misses the error
    becomes the pilot of the next, and what is reported comes from the last round's draws alone.

    Arguments:
        batches: the rows.
        draws: what is found of a batch.
        method: the estimate's.
        error: of the mean, nats.
        n_samples: the most that are spent per row, on average, the pilot and all rounds counted.
        seed: of the noise; every round has its own.

    Source: Neyman, "On the two different aspects of the representative method", 1934, section 5.
    """
    if not error > 0:
        raise ParameterError(f"error={error} cannot be reached. Ask for a Monte Carlo error above 0 nats.")
    if n_samples < PILOT + LEAST:
        raise ParameterError(
            f"n_samples={n_samples} leaves nothing to spend: the pilot takes {PILOT} per row and the answer at least "
            f"{LEAST}. Use at least {PILOT + LEAST}, or leave the error out."
        )
    rows, weight = batches.n_rows, weights_of(batches)
    share = torch.ones(rows, dtype=torch.float64) if weight is None else weight
    goal, rounds = (SPARE * error * float(share.sum())) ** 2, _Rounds(batches, draws, n_samples * rows, seed)
    numbers, size = rounds.pilot(share, goal)
    spent, reached = 0, float("inf")
    while not spent or (reached > error and rounds.left >= spent):  # else what is left buys no better answer
        spread = _heavy(numbers, size) if spent else _spread(numbers, size)
        size = allotted(spread, share, goal, rounds.left, int(GROWTH * spent))
        numbers = rounds.draw(size)
        spent, reached = int(size.sum()), pooled_error(numbers.error, weight, rounds.same)
    missed = "" if reached <= error else warning_of_missed(error, reached, n_samples)
    return stated("lower", method, int(size.max()), numbers, weight, size, missed, rounds.same)


class _Rounds:
    """Rounds of draws, each with noise of its own, and the samples that are left for more."""

    def __init__(self, batches: Batches, draws: Draws, left: int, seed: int) -> None:
        self.batches, self.draws, self.left, self.seed, self.stage = batches, draws, left, seed, 0
        self.same = torch.zeros(0)  # of the rows, as of `Estimate`

    def draw(self, size: Tensor) -> RowNumbers:
        """Fresh numbers of every row, from its own number of samples; zeros of a row without any."""
        seed = self.seed + (self.stage << 40)

        def columns(batch: Batch, first: int) -> list[Tensor]:
            mine = size[first : first + len(batch)]
            out = torch.zeros(4, len(batch), dtype=torch.float64)
            for k in filter(None, mine.unique().tolist()):
                rows = torch.nonzero(mine == k).squeeze(1)
                found = self.draws(batch if len(rows) == len(batch) else batch.pick(rows), k, seed)
                out[:, rows] = torch.stack(list(found)).double().cpu()
            return list(out)

        self.stage, self.left = self.stage + 1, self.left - int(size.sum())
        numbers, self.same = numbers_of_rows(self.batches, columns)
        return numbers

    def pilot(self, share: Tensor, goal: float) -> tuple[RowNumbers, Tensor]:
        """Numbers from few samples of easy rows and more of hard ones, and how many."""
        size = torch.full((self.batches.n_rows,), PILOT)
        numbers = self.draw(size)
        while True:
            planned = allotted(_spread(numbers, size), share, goal, self.left)
            deeper = torch.where(planned > 2 * DEEP * size, planned // DEEP, 0)
            if not deeper.any() or self.left - int(deeper.sum()) < LEAST * len(size):
                return numbers, size
            again, found = deeper > 0, self.draw(deeper)
            numbers = RowNumbers(*(torch.where(again, new, old) for new, old in zip(found, numbers)))
            size = torch.where(again, deeper, size)


def _spread(numbers: RowNumbers, size: Tensor) -> Tensor:
    """Standard deviation of each row's relative weights; a row without mass counts as the hardest there can be."""
    return (size / numbers.ess.clamp_min(1.0) - 1).clamp_min(0).sqrt()


def _heavy(numbers: RowNumbers, size: Tensor) -> Tensor:
    """The same, wider where the tail is heavy for certain, so that the error falls more slowly; a pilot is too small to tell.

    That is an index two standard errors down, of enough effective samples; the reported error takes it up, which is wide
    wherever few weights know their tail badly, and would send samples to rows that are easy.
    """
    tail = numbers.tail.nan_to_num(0.0)
    certain = (tail - 2 * index_error(tail, size) - 0.5).clamp(0, 0.5)
    return _spread(numbers, size) * torch.where(numbers.ess > FEW, size**certain, 1.0)
