"""What wake-sleep learners differentiate: p is fitted to draws of q that are held, q to draws that it did not make itself.

Each reports a bound on log p(x) in `Terms.value`. Its surrogate is the sum of p's own goal and q's own goal, which meet in
no parameter, so that one backward pass makes both moves.
"""

from dataclasses import dataclass, replace
from math import log
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..batch import Batch
from ..distributions import draw
from ..errors import ParameterError, choose
from .base import Terms
from .elbo import Elbo
from .importance import effective_sample_size

FITTED_TO = ("wake", "sleep", "both")


@dataclass(frozen=True)
class WakeSleepGoals:
    """Wake: E_q[log p(x, z)], q held. Sleep: E_p(x, z)[log q(z|x)], p held. The value is the ELBO.

    Arguments:
        n_samples: draws of z per row while awake; as many rows are dreamt as the batch has.

    Source: Hinton et al., "The wake-sleep algorithm for unsupervised neural networks", 1995.

    >>> WakeSleepGoals().names
    ('reconstruction', 'kl')
    """

    n_samples: int = 1
    names: ClassVar[tuple[str, ...]] = ("reconstruction", "kl")
    gradient: ClassVar[str] = "held draws"

    def __post_init__(self) -> None:
        _check(self.n_samples)

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms:
        with torch.no_grad():
            q = posterior(batch, model)
        awake = Elbo(self.n_samples)(model, lambda *_: q, batch)
        parts = {name: part.detach() for name, part in awake.parts.items()}
        return Terms(awake.value.detach(), awake.surrogate + dreamt(model, posterior, batch), parts)


@dataclass(frozen=True)
class ReweightedGoals:
    """sum_i v_i log p(x, z_i) for p, sum_i v_i log q(z_i|x) for q; z_i ~ q, v_i = w_i / sum w, w = p(x, z) / q(z|x).

    The value is the importance-weighted bound of the same draws, whose gradient for p this is.

    Arguments:
        n_samples: k, draws of z per row.
        fit: what q is fitted to: the weighted draws of the "wake" phase, the dreams of the "sleep" phase, or "both".

    Source: Bornschein and Bengio, "Reweighted wake-sleep", 2015, equations 5 to 9.

    >>> ReweightedGoals(n_samples=5).names
    ('log_weight', 'ess')
    """

    n_samples: int = 10
    fit: str = "wake"
    names: ClassVar[tuple[str, ...]] = ("log_weight", "ess")
    gradient: ClassVar[str] = "held draws"

    def __post_init__(self) -> None:
        _check(self.n_samples)
        choose("fit", self.fit, FITTED_TO)

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms:
        q = posterior(batch, model)
        with torch.no_grad():
            z = draw(q, self.n_samples)
        log_p, log_q = model.log_joint(batch.x, z, batch.observed), q.log_prob(z)
        log_weight = (log_p - log_q).detach()
        share = torch.softmax(log_weight, 0)
        surrogate = (share * log_p).sum(0)
        if self.fit != "sleep":
            surrogate = surrogate + (share * log_q).sum(0)
        if self.fit != "wake":
            surrogate = surrogate + dreamt(model, posterior, batch)
        return weighted_terms(log_weight, surrogate)


def weighted_terms(log_weight: Tensor, surrogate: Tensor) -> Terms:
    """Terms of the importance-weighted bound of log weights `(samples, batch)`, with a surrogate of its own."""
    value = torch.logsumexp(log_weight, 0) - log(len(log_weight))
    parts = {"log_weight": log_weight.mean(0), "ess": effective_sample_size(log_weight)}
    return Terms(value, surrogate, parts, log_weight)


def dreamt(model: Any, posterior: Any, batch: Batch) -> Tensor:
    """log q(z|x) for a draw (x, z) of the model in place of each row, p held, `(batch,)`; cells missing in a row stay so.

    Of several processes each dreams the whole batch, by the same random numbers, and keeps its own rows.
    """
    start = 0 if batch.place is None else batch.place.start
    with torch.no_grad():
        z = model.prior().sample(torch.Size((1, batch.n_together)))
        x = model.likelihood(z).sample().squeeze(0).to(batch.x.dtype)
    rows = slice(start, start + len(batch))
    q = posterior(replace(batch, x=x[rows]), model)
    return q.log_prob(z[:, rows]).squeeze(0)


def _check(n_samples: int) -> None:
    if n_samples < 1:
        raise ParameterError(f"n_samples={n_samples} is too small. Use 1 or more.")
