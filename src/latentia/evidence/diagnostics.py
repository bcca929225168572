"""Which latent units carry anything."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..batch import Batches
from ..bounds.evaluate import evaluating
from ..bounds.units import unit_kl
from ..distributions import kl
from ..errors import AbilityError
from ..families.columns import moments, n_columns, unit_size
from ..randomness import row_noise
from .rows import refuse_no_numbers, rows_of

ACTIVE = 0.01


@dataclass(frozen=True)
class Units:
    """What each latent unit does, over the rows of a data set.

    Arguments:
        activity: variance over rows of the posterior mean, `(units,)`; of a unit of several columns (a choice among
            categories, a point on a sphere) the sum over them.
        kl: mean KL(q || p) of each unit, nats per row, `(units,)`; None where q and p do not factorise.
    """

    activity: Tensor
    kl: Tensor | None

    @property
    def n_active(self) -> int:
        """Units whose activity exceeds 0.01 (Burda et al. 2016, section 5.2)."""
        return int((self.activity > ACTIVE).sum())


def active_units(model: Any, posterior: Any, data: Any, *, chunk: int = 4096) -> Units:
    """Activity and KL of each latent unit.

    activity_u = Var_x(E_q[z_u | x]).

    Source: Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", 2016, section 5.2.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> active_units(ProbabilisticPCA(3, 1), Exact(), torch.zeros(2, 3, dtype=torch.float64)).n_active
    0
    """
    batches: Batches = rows_of(model, data, None, chunk)
    means, kls = [], []
    with evaluating(model, posterior):
        prior = model.prior()
        for batch in batches.in_order():
            q = posterior(refuse_no_numbers(batch), model)
            with row_noise(batch.x, 0):
                means.append(moments(q)[0].double().cpu())
            divergence = _by_unit(q, prior)
            kls += [] if divergence is None else [divergence.double().cpu()]
    activity = torch.cat(means).var(0, correction=0).reshape(-1, unit_size(prior)).sum(1)
    by_unit = torch.cat(kls).mean(0) if kls else None
    return Units(activity, by_unit if by_unit is not None and by_unit.shape == activity.shape else None)


def _by_unit(q: Distribution, p: Distribution) -> Tensor | None:
    """KL of each unit, `(rows, units)`, where q and p factorise and the pair has a closed form."""
    try:
        if n_columns(p) == unit_size(p):  # one unit, whatever it is made of
            return kl(q, p).unsqueeze(1)
        return unit_kl(q, p)
    except (AbilityError, NotImplementedError):
        return None
