"""Which latent units carry anything."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, kl_divergence

from ..batch import Batches
from ..bounds.evaluate import evaluating
from .rows import rows_of

ACTIVE = 0.01


@dataclass(frozen=True)
class Units:
    """What each latent unit does, over the rows of a data set.

    Arguments:
        activity: variance over rows of the posterior mean, `(units,)`.
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
            q = posterior(batch, model)
            means.append(q.mean.double().cpu().flatten(1))
            if isinstance(q, Independent) and isinstance(prior, Independent):
                kls.append(kl_divergence(q.base_dist, prior.base_dist).double().cpu().flatten(1))
    activity = torch.cat(means).var(0, correction=0)
    return Units(activity, torch.cat(kls).mean(0) if kls else None)
