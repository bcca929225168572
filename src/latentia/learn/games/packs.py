"""Rows side by side: batches cut to whole packs, shared out pack by pack, and what a pack weighs."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from torch import Tensor

from ...batch import Batch, Batches, Place
from ...errors import AbilityError
from ...processes import Processes, processes_of
from ...processes.share import whole_of
from ...randomness import PartNoise, current_part


def next_packs(batches: Batches, pack: int) -> Batch:
    """The next batch that holds a whole pack, cut to whole packs; of several processes, this one's packs of it."""
    processes = processes_of(batches)
    apart = processes.many and pack > 1  # a part of rows, cut by itself, would leave out others than one process does
    while True:
        batch = whole_packs(next(whole_of(batches) if apart else batches), pack)
        if batch is not None:
            return _packs_of(batch, pack, processes) if apart else batch


def whole_packs(batch: Batch, pack: int) -> Batch | None:
    """The rows of a batch that make whole packs; None where there is not one."""
    if batch.observed is not None:
        raise AbilityError(
            "A critic sees whole rows; these have missing cells. Fill them first, or leave such rows out, or use a VAE."
        )
    n = len(batch) - len(batch) % pack
    if n == len(batch):
        return batch
    return batch.pick(slice(0, n)) if n else None


def _packs_of(batch: Batch, pack: int, processes: Processes) -> Batch:
    """This process's packs; where it has none, the first one at a weight of zero, as `Share` lends a row."""
    packs, rank, size = len(batch) // pack, processes.rank, processes.size
    start, stop = (pack * (packs * r // size) for r in (rank, rank + 1))
    if start < stop:
        return replace(batch.pick(slice(start, stop)), place=Place(start, len(batch)))
    return replace(batch.pick(slice(0, pack)), weight=batch.x.new_zeros(pack), place=Place(0, len(batch)))


def pack_weight(batch: Batch, pack: int) -> Tensor | None:
    """The product of the weights of each pack's rows, `(packs,)`: how often the pack counts; None is one each."""
    if batch.weight is None or pack == 1:
        return batch.weight
    return batch.weight.reshape(-1, pack).prod(1)


def entries(part: Tensor, n: int) -> Tensor:
    """A number of all packs, or of each, as n entries alike for every pack, `(n,)`."""
    part = part.detach()
    if part.ndim == 0 or len(part) == n:
        return part.expand(n)
    return part.repeat_interleave(n // len(part))


def part_of_noise(n: int, axis: int) -> AbstractContextManager[Any]:
    """Inside, noise for n rows (or packs) along `axis` is this process's part of that for the whole batch."""
    part = current_part()
    if part is None:
        return nullcontext()
    pack = (part[1] - part[0]) // n
    return PartNoise(*(edge // pack for edge in part), axis=axis)
