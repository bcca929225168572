"""Every value of a finite latent."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent


def count_values(q: Distribution) -> float:
    """How many values one z has: of a group of coins or categories all combinations; infinity where it is no such group.

    >>> count_values(Independent(Bernoulli(logits=torch.zeros(5, 3)), 1))
    8
    """
    base, cells = _cells(q)
    if isinstance(base, Bernoulli):
        return 2 ** cells.numel()
    return base.logits.shape[-1] ** cells.numel() if isinstance(base, Categorical) else float("inf")


def every_value(q: Distribution) -> Tensor:
    """All values of one z, `(values, *latent)`, for a q of which `count_values` is finite.

    >>> every_value(Independent(Bernoulli(logits=torch.zeros(5, 2)), 1)).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    base, cells = _cells(q)
    coins = isinstance(base, Bernoulli)
    one = torch.arange(2 if coins else base.logits.shape[-1], device=base.logits.device)
    one = one.to(base.logits.dtype) if coins else one
    return torch.cartesian_prod(*[one] * cells.numel()).reshape(-1, *cells)


def _cells(q: Distribution) -> tuple[Any, torch.Size]:
    """What each cell is drawn from, and the shape of the cells of one z, rows left out."""
    base = q.base_dist if isinstance(q, Independent) else q
    return base, base.batch_shape[1:] if isinstance(q, Independent) else torch.Size()
