"""Samples spent where the error is: a pilot, then as many per row as the wanted error of the mean needs."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..batch import Batch, Batches
from ..errors import ParameterError
from ..estimate import Estimate
from .rows import over_rows, pick, weights_of
from .running import RowNumbers, pooled_error
from .saying import stated
from .tail import HEAVY

PILOT = 50  # samples per row: enough for a tail index
LEAST = 100  # below, the tail index is so vague that the error grows by half for it
FAR = 100  # times the samples: nobody waits for them
GROWTH = 1.5  # of the samples of a round that missed, at least
SPARE = 0.9  # of the wanted error is aimed at, for the pilot's own error

Draws = Callable[[Batch, int, int], RowNumbers]  # of a batch, with so many samples, under a seed


def spend(batches: Batches, draws: Draws, method: str, error: float, n_samples: int, seed: int) -> Estimate:
    """The estimate whose mean has the wanted Monte Carlo error, or the best that `n_samples` per row allow.

    With c_i the standard deviation of row i's relative weights and v_i its share of the mean, sum_i k_i is least for a
    given sum_i v_i^2 c_i^2 / k_i where k_i is proportional to v_i c_i (Neyman 1934). A round that misses the error
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
    size = torch.full((rows,), PILOT)
    left, stage = n_samples * rows, 0
    while True:
        numbers = _round(batches, draws, size, seed + (stage << 40))
        spent = int(size.sum())
        left, reached = left - spent, pooled_error(numbers.error, weight)
        if stage and (reached <= error or left < spent):  # what is left buys no better answer than the one that is here
            break
        spread = _spread(numbers, size) * share
        wanted = spread * float(spread.sort().values.sum()) / (SPARE * error * float(share.sum())) ** 2
        if stage:
            wanted = wanted * max(1.0, GROWTH * spent / float(wanted.sum()))
        size, stage = _affordable(wanted, left), stage + 1
    missed = "" if reached <= error else _missed(error, reached, n_samples)
    return stated("lower", method, int(size.max()), numbers, weight, size, missed)


def _round(batches: Batches, draws: Draws, size: Tensor, seed: int) -> RowNumbers:
    """Fresh numbers of every row, from its own number of samples."""

    def columns(batch: Batch, first: int) -> list[Tensor]:
        mine = size[first : first + len(batch)]
        out = torch.zeros(4, len(batch), dtype=torch.float64)
        for k in mine.unique().tolist():
            rows = torch.nonzero(mine == k).squeeze(1)
            found = draws(batch if len(rows) == len(batch) else pick(batch, rows.to(batch.x.device)), k, seed)
            out[:, rows] = torch.stack(list(found)).double().cpu()
        return list(out)

    return RowNumbers(*over_rows(batches, 4, columns))


def _spread(numbers: RowNumbers, size: Tensor) -> Tensor:
    """Standard deviation of each row's relative weights; a row without mass counts as the hardest there can be.

    Where the tail is heavy, of what its error says. Elsewhere that error is wider only because few weights know their tail
    badly, and samples would go to rows that are easy.
    """
    plain = (size / numbers.ess.clamp_min(1.0) - 1).clamp_min(0).sqrt()
    heavy = torch.isfinite(numbers.error) & (numbers.tail > HEAVY) & (size > PILOT)
    return torch.where(heavy, numbers.error * size.sqrt(), plain)


def _affordable(wanted: Tensor, left: int) -> Tensor:
    """Whole numbers of samples, all scaled alike where they are more than `left` together."""
    scale = 1.0
    for _ in range(100):
        found = _in_steps(wanted * scale)
        if int(found.sum()) <= left:
            return found
        scale *= 0.95 if scale < 1 else min(0.95, left / float(found.sum()))
    return torch.full_like(found, max(1, left // len(found)))


def _in_steps(size: Tensor) -> Tensor:
    """Rounded up to 100 x 1.25^j, so that many rows are drawn for together."""
    steps = torch.ceil(torch.log(size.clamp_min(LEAST) / LEAST) / torch.log(size.new_tensor(1.25)) - 1e-9)
    return torch.round(LEAST * 1.25**steps).long()


def _missed(error: float, reached: float, n_samples: int) -> str:
    if not reached < float("inf"):
        return "Warning: the wanted error cannot be reached, for some rows have no mass at any sample."
    needed = n_samples * (reached / error) ** 2
    cure = (
        f"Allow about {needed:,.0f}, or use a better proposal" if needed < FAR * n_samples else "Use a better proposal"
    )
    return (
        f"Warning: {n_samples} samples per row were not enough for an error of {error:g} nats; it is {reached:.2g}. "
        f"{cure} (refined, or annealed evidence)."
    )
