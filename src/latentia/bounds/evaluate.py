"""The bound of held-out rows under fixed noise."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ..batch import Batches
from ..processes import current, part_of
from ..randomness import row_noise
from .base import Bound


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Inside, modules are in evaluation mode and no gradient is kept; their modes are given back on every exit."""
    modes = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in zip(modules, modes):
            module.train(mode)


def held_out_bound(
    model: nn.Module, posterior: nn.Module, bound: Bound, batches: Batches, seed: int
) -> dict[str, float]:
    """Weighted mean of the bound and its parts over all rows, nats per row, with each row's own noise.

    Within `processes.joined` every process takes its part of the rows.
    """
    processes = current()
    total = torch.zeros(2 + len(bound.names), dtype=torch.float64, device=batches.device)
    with evaluating(model, posterior):
        for whole in batches.in_order():
            batch = part_of(whole, processes)
            if not len(batch):
                continue
            with row_noise(batch.x, seed):
                terms = bound(model, posterior, batch)
            values = [terms.value, *(terms.parts[name] for name in bound.names if name in terms.parts)]
            sums = [batch.weighted_sum(value.double()) for value in values]
            total[: len(sums)] += torch.stack(sums)
            total[-1] += batch.total_weight().double()
    (total,) = processes.all_sum(total.cpu())  # read once, not batch by batch
    mean = (total / total[-1]).tolist()
    return dict(zip(("bound", *bound.names), mean))
