"""The best q for each row: of the encoder's own family, and of a richer one."""

from typing import Any

import torch
from torch.distributions import Distribution, Independent, Normal, constraints

from ..batch import Batch, Batches
from ..errors import AbilityError
from ..posteriors import Amortized, Posterior, Refined, RefinedFamily, RefinedFlow


def fitted(model: Any, posterior: Any, batch: Batch, n_steps: int, seed: int, richer: str) -> list[Distribution]:
    """q of the encoder; the best of its family for each row; and where there is one, the best of a richer family."""
    first = posterior(batch, model)
    if _is_normal(first):
        local = Refined(Fixed(first), n_steps=n_steps, seed=seed + 1)(batch, model)
        start = local
    else:
        own = _by_raw(posterior, first, n_steps, seed + 1)
        local = own(batch, model)
        start = _as_normal(local)
    if start is None:
        return [first, local]
    rich = Refined(Fixed(start), n_steps=n_steps, seed=seed + 2, full=True)(batch, model)
    if richer == "flow":
        rich = RefinedFlow(Fixed(rich), n_steps=n_steps, seed=seed + 6)(batch, model)
    return [first, local, rich]


def _is_normal(q: Distribution) -> bool:
    return isinstance(q, Independent) and isinstance(q.base_dist, Normal)


def _by_raw(posterior: Any, first: Distribution, n_steps: int, seed: int) -> RefinedFamily:
    """What moves the raw numbers of an encoder's q; raises `AbilityError` where nothing does."""
    if not isinstance(posterior, Amortized):
        raise AbilityError(
            f"A {type(posterior).__name__} posterior has no encoder whose q could be moved row by row ({type(first).__name__}). Use "
            "posteriors.Amortized, or a normal q."
        )
    own = RefinedFamily(posterior, n_steps=n_steps, seed=seed)
    own.check()
    return own


def _as_normal(q: Distribution) -> Distribution | None:
    """A normal of the same means and spreads, to begin a richer q with, standard where a row has none; None where z has
    bounds or is no vector, which is the same for all rows of a family.
    """
    inner: Any = q.support
    try:
        mean, variance = q.mean.detach(), q.variance.detach()
    except NotImplementedError:  # of torch's relaxed families
        return None
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    if mean.ndim != 2 or (inner is not constraints.real and inner is not constraints.real_vector):
        return None
    known = torch.isfinite(mean) & torch.isfinite(variance) & (variance > 0)
    loc, scale = torch.where(known, mean, 0.0), torch.where(known, variance, 1.0).sqrt()
    return Independent(Normal(loc, scale, validate_args=False), 1)


def may_be_richer(model: Any, posterior: Any, batches: Batches) -> bool:
    """Whether there is a richer family than that of q, by the first row."""
    row = next(iter(batches.in_order())).pick(slice(1))
    first = posterior(row, model)
    if _is_normal(first):
        return True
    _by_raw(posterior, first, 1, 0)  # refuses what cannot be moved before anything is
    return _as_normal(first) is not None


class Fixed(Posterior):
    """A posterior that is worked out already."""

    def __init__(self, q: Distribution) -> None:
        super().__init__()
        self.q = q

    def forward(self, batch: Batch, model: Any) -> Distribution:
        return self.q
