"""Rate and distortion: how many nats z carries about x, and how many are then missing to reproduce it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical

from ..batch import Batch, Batches
from ..bounds import Elbo
from ..bounds.evaluate import evaluating
from ..distributions import draw
from ..errors import ParameterError
from ..randomness import row_noise
from .rows import at_least_one, over_rows, require_density, rows_of, weights_of
from .shared import refuse_shared

POOR_ESS = 0.1
LOST = "the model gives them no mass at any draw, or their cells are no numbers"


@dataclass(frozen=True)
class RatePoint:
    """A point of the plane of rate and distortion; rate + distortion >= -log p(x) on average.

    Arguments:
        rate: mean KL(q(z|x) || p(z)), nats per row.
        distortion: mean -E_q[log p(x|z)], nats per row; it may be negative for densities.
        rate_error, distortion_error: their standard errors over rows.
        kl_weight: b of q_b(z|x) ~ p(z) p(x|z)^(1/b), the q that the point belongs to; None for a q that is given.
        warning: a sentence, where the number should not be trusted as it stands; else "".
    """

    rate: float
    distortion: float
    rate_error: float
    distortion_error: float
    kl_weight: float | None = None
    warning: str = ""

    @property
    def elbo(self) -> float:
        """-(rate + distortion), nats per row."""
        return -(self.rate + self.distortion)

    def __str__(self) -> str:
        text = f"rate {self.rate:.3f} +- {self.rate_error:.3f}, distortion {self.distortion:.3f} +- {self.distortion_error:.3f}"
        return f"{text} nats per row; ELBO {self.elbo:.3f}"


def rate_distortion(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    n_samples: int = 16,
    seed: int = 0,
    weight: Tensor | None = None,
    chunk: int = 1024,
) -> RatePoint:
    """R = E[KL(q(z|x) || p(z))] and D = -E[E_q log p(x|z)], with ELBO = -(R + D).

    Two models of one ELBO may stand far apart on that line: at R = 0 nothing is encoded.

    Arguments: as for `evidence.elbo`.

    Source: Alemi et al., "Fixing a broken ELBO", 2018, section 2.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> point = rate_distortion(ProbabilisticPCA(3, 1), Exact(), torch.zeros(2, 3, dtype=torch.float64))
    >>> point.rate >= 0
    True
    """
    require_density(model)
    refuse_shared(model, "a rate")
    at_least_one(n_samples)
    batches = rows_of(model, data, weight, chunk)
    bound = Elbo(n_samples)

    def columns(batch: Batch, _: int) -> tuple[Tensor, Tensor]:
        with row_noise(batch.x, seed):
            parts = bound(model, posterior, batch).parts
        return parts["kl"], -parts["reconstruction"]

    with evaluating(model, posterior):
        rate, distortion = over_rows(batches, 2, columns)
    return _point(rate, distortion, weights_of(batches))


def rate_distortion_curve(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    kl_weights: Sequence[float] = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25),
    n_samples: int = 512,
    seed: int = 0,
    weight: Tensor | None = None,
    chunk: int = 256,
) -> list[RatePoint]:
    """What this prior and this likelihood could do at other rates, with the best q for each KL weight b.

    q_b(z|x) ~ p(z) p(x|z)^(1/b) minimises D + b R for the decoder as it is. Rate and distortion under it are averages
    over draws of the prior and of q, half and half, with the weights p(z) p(x|z)^(1/b) / (p(z)/2 + q(z|x)/2),
    normalised: the prior's half serves low rates, q's the others. A finite z is summed over. At b = 1 R + D is -log
    p(x), and the point of `rate_distortion` lies above the curve by KL(q || p(z|x)).

    Arguments:
        kl_weights: b, each above zero.
        others: as for `evidence.importance`.

    Returns one point for each KL weight, with a warning where the effective sample size is poor in one row or more.

    Raises: `ParameterError` for KL weights that are not above zero.

    Sources: Alemi et al., "Fixing a broken ELBO", 2018; Huang et al., "Evaluating lossy compression rates of deep
    generative models", 2020, section 3.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> x = torch.ones(2, 3, dtype=torch.float64)
    >>> low, high = rate_distortion_curve(ProbabilisticPCA(3, 1), Exact(), x, kl_weights=(4, 1))
    >>> low.rate < high.rate and low.distortion > high.distortion
    True
    """
    require_density(model)
    refuse_shared(model, "a rate")
    if n_samples < 2:
        raise ParameterError(f"n_samples={n_samples} is too small. One draw of the prior and one of q are needed.")
    if not kl_weights or any(not b > 0 for b in kl_weights):
        raise ParameterError(f"kl_weights={tuple(kl_weights)} cannot be used. Use one or more, each above zero.")
    batches: Batches = rows_of(model, data, weight, chunk)

    def columns(batch: Batch, _: int) -> list[Tensor]:
        log_base, log_lik = _candidates(model, posterior, batch, n_samples, seed)
        found = [_tempered(log_base, log_lik, 1 / b) for b in kl_weights]
        return [column for triple in found for column in triple]

    with evaluating(model, posterior):
        rows = over_rows(batches, 3 * len(kl_weights), columns)
    points = []
    for i, b in enumerate(kl_weights):
        rate, distortion, share = rows[3 * i : 3 * i + 3]
        poor = 0 if isinstance(model.prior(), Categorical) else int((share < POOR_ESS).sum())
        points.append(_point(rate, distortion, weights_of(batches), float(b), _sentence(poor, len(rate), b)))
    return points


def _candidates(model: Any, posterior: Any, batch: Batch, n_samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """log of p(z) / (proposal's density x number of draws), and log p(x|z), `(draws, batch)` in float64."""
    prior = model.prior()
    if isinstance(prior, Categorical):
        z = torch.arange(prior.logits.shape[-1], device=batch.x.device).unsqueeze(1)
        log_lik = model.log_likelihood(batch.x, z, batch.observed).double()
        return prior.log_prob(z).double().expand_as(log_lik), log_lik
    q = posterior(batch, model)
    n_q = n_samples // 2
    with row_noise(batch.x, seed):
        z = torch.cat([draw(q, n_q), draw(prior.expand((len(batch),)), n_samples - n_q).to(batch.x.dtype)])
    log_p, log_q = prior.log_prob(z).double(), q.log_prob(z).double()
    log_mixture = torch.logaddexp(log_q + log(n_q), log_p + log(n_samples - n_q))
    return log_p - log_mixture, model.log_likelihood(batch.x, z, batch.observed).double()


def _tempered(log_base: Tensor, log_lik: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """Rate, distortion and the share of draws that count, of each row, `(batch,)`."""
    log_weight = log_base + beta * log_lik
    log_norm = torch.logsumexp(log_weight, 0)
    share = torch.exp(log_weight - log_norm)
    mean = torch.where(share > 0, share * log_lik, torch.zeros_like(share)).sum(0)
    mean = mean.masked_fill(log_norm == -torch.inf, -torch.inf)  # no draw has mass
    return beta * mean - log_norm, -mean, 1 / (share.square().sum(0) * len(share))


def _sentence(poor: int, n_rows: int, b: float) -> str:
    if not poor:
        return ""
    return (
        f"Warning: {poor} of {n_rows} rows have an effective sample size below a tenth at the KL weight {b:g}; their rates "
        "are too small. Use more samples."
    )


def _point(
    rate: Tensor, distortion: Tensor, weight: Tensor | None, b: float | None = None, text: str = ""
) -> RatePoint:
    share = torch.ones_like(rate) if weight is None else weight
    share = share / share.sum()
    means = [float((share * t).sum()) for t in (rate, distortion)]
    errors = [_error(t, share, m) for t, m in zip((rate, distortion), means)]
    lost = int((~torch.isfinite(rate + distortion)).sum())
    words = [f"Warning: {lost} of {len(rate)} rows have no finite rate or distortion: {LOST}." if lost else "", text]
    return RatePoint(*means, *errors, kl_weight=b, warning="\n".join(filter(None, words)))


def _error(values: Tensor, share: Tensor, mean: float) -> float:
    n = len(values)
    if n < 2:
        return float("nan")
    spread = float((share * (values - mean).square()).sum())
    return sqrt(spread * float(share.square().sum()) * n / (n - 1))
