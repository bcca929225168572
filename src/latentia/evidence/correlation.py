"""What the KL is made of, and where the prior is empty: total correlation, units, holes."""

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from ..batch import Batch
from ..bounds.evaluate import evaluating
from ..distributions import draw
from ..errors import AbilityError, ParameterError
from ..randomness import Stream, row_noise
from .rows import refuse_no_numbers, rows_of

DENSITIES_AT_ONCE = 2**21


@dataclass(frozen=True)
class Decomposition:
    """KL(q(z|x) || p(z)) on average = information + total correlation + sum of the units' KLs; nats.

    Arguments:
        information: I_q(x, z), at most log n_reference.
        total_correlation: KL(q(z) || prod_j q(z_j)): dependence between units.
        unit_kl: KL(q(z_j) || p(z_j)) of each unit, `(units,)`.
        information_error, total_correlation_error: standard errors over probes and draws.
        n_reference, n_probes: rows in q(z), and rows drawn from.
    """

    information: float
    total_correlation: float
    unit_kl: Tensor
    information_error: float
    total_correlation_error: float
    n_reference: int
    n_probes: int

    @property
    def ceiling(self) -> float:
        """log n_reference: the most that the information could be."""
        return log(self.n_reference)

    @property
    def kl(self) -> float:
        """The sum of all parts, nats per row."""
        return self.information + self.total_correlation + float(self.unit_kl.sum())


def decompose(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    n_reference: int = 5000,
    n_probes: int = 500,
    n_samples: int = 1,
    seed: int = 0,
) -> Decomposition:
    """E[KL(q(z|x) || p(z))] = I_q(x, z) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j)).

    q(z) is the mixture of the posteriors of all reference rows, each with the weight 1/M: no mini-batch stands for the
    data, so that nothing has to be reweighted (see `stratified_log_weights` for where it has to). With few reference
    rows and narrow posteriors the mixture is a set of spikes, and information and total correlation say so.

    Arguments:
        model, posterior: p and q, both of units that are independent of each other given x, or a normal q.
        data: rows in the user's units; the first `n_reference` evenly spaced ones are used.
        n_reference: M, rows in the mixture at most.
        n_probes: rows drawn from at most, evenly spaced among them.
        n_samples: draws of z per probe.
        seed: of the noise.

    Raises: `AbilityError` where q or p has no marginals in closed form.

    Source: Chen et al., "Isolating sources of disentanglement in VAEs", 2018, equation 2.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> parts = decompose(ProbabilisticPCA(3, 1), Exact(), torch.zeros(9, 3, dtype=torch.float64))
    >>> round(parts.total_correlation, 9)  # a single unit has nothing to depend on
    0.0
    """
    for name, value in (("n_reference", n_reference), ("n_probes", n_probes), ("n_samples", n_samples)):
        if value < 1:
            raise ParameterError(f"{name}={value} is too small. At least one is needed.")
    with evaluating(model, posterior):
        rows = _rows(model, data, n_reference)
        q, p = posterior(rows, model), model.prior()
        units, prior = marginals(q), marginals(p)
        probes = _spaced(len(rows), n_probes)
        own = posterior(rows.pick(probes), model)
        with row_noise(rows.x[probes], seed):
            z = draw(own, n_samples)
        log_own = own.log_prob(z).double().flatten()
        flat = z.flatten(0, 1)
        joint, single = log_mixtures(flat, q, units)
        on_prior = prior.log_prob(flat).double().flatten(1)
    information, correlation = log_own - joint, joint - single.sum(1)
    error = lambda t: float(t.std()) / sqrt(len(t)) if len(t) > 1 else float("nan")  # noqa: E731
    return Decomposition(
        float(information.mean()),
        float(correlation.mean()),
        (single - on_prior).mean(0).cpu(),
        error(information),
        error(correlation),
        len(rows),
        len(probes),
    )


def log_mixtures(z: Tensor, q: Distribution, units: Distribution) -> tuple[Tensor, Tensor]:
    """log 1/M sum_m q(z|x_m), `(n,)`, and the same of each unit, `(n, units)`, for z `(n, *latent)`; float64."""
    n_rows, n_cells = q.batch_shape[0], max(1, z[0].numel())
    step = max(1, DENSITIES_AT_ONCE // (n_rows * n_cells))
    joint, single = [], []
    for part in z.split(step):
        each = part.unsqueeze(1)
        joint.append(torch.logsumexp(q.log_prob(each).double(), 1))
        single.append(torch.logsumexp(units.log_prob(each).double().flatten(2), 1))
    return torch.cat(joint) - log(n_rows), torch.cat(single) - log(n_rows)


def marginals(q: Distribution) -> Distribution:
    """The distributions of single units, whose log_prob is one number per unit; raises `AbilityError` without them."""
    if isinstance(q, MultivariateNormal):
        return Normal(q.mean, q.stddev, validate_args=False)
    if isinstance(q, Independent) and not q.base_dist.event_shape:
        return q.base_dist
    raise AbilityError(
        f"The units of {type(q).__name__} have no densities of their own. Total correlation needs a factorised or a normal "
        "distribution; bounds.mutual_information does without."
    )


def stratified_log_weights(batch_size: int, n_rows: int) -> Tensor:
    """log weights `(batch_size, batch_size)` of log q(z_i) ~ logsumexp_j(weight_ij + log q(z_i|x_j)) from a mini-batch.

    The row that z_i was drawn from is in the mini-batch for certain and any other by chance: its own density gets 1/N,
    the B - 1 others share (N - 1)/N. The mean over mini-batches is q(z_i) then, while equal weights would be too large
    for it, by nearly the factor N/B. The log of the estimate is still too small on average.

    Arguments:
        batch_size: B, rows in the mini-batch, at least two.
        n_rows: N, rows of the data, at least B.

    Raises: `ParameterError` for sizes that do not fit.

    >>> stratified_log_weights(2, 10).exp()
    tensor([[0.1000, 0.9000],
            [0.9000, 0.1000]])
    """
    if not 2 <= batch_size <= n_rows:
        raise ParameterError(
            f"batch_size={batch_size} of n_rows={n_rows} cannot be used. Two rows or more, of N at most."
        )
    others = (n_rows - 1) / (n_rows * (batch_size - 1))
    weights = torch.full((batch_size, batch_size), others)
    return weights.fill_diagonal_(1 / n_rows).log()


@dataclass(frozen=True)
class Holes:
    """How much of the prior lies where no row is encoded.

    Arguments:
        share: of the prior's mass where q(z) < threshold p(z).
        error: standard error of the share over draws.
        log_ratio: mean of log p(z) - log q(z) under the prior, nats: KL(p(z) || q(z)).
        log_ratio_error: its standard error.
        threshold, n_reference: what they were found with.
    """

    share: float
    error: float
    log_ratio: float
    log_ratio_error: float
    threshold: float
    n_reference: int


def prior_holes(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    threshold: float = 0.1,
    n_draws: int = 2000,
    n_reference: int = 5000,
    seed: int = 0,
) -> Holes:
    """P_{z ~ p(z)}[q(z) < threshold p(z)], q(z) the mixture of the reference rows' posteriors.

    A sample of the model that starts in a hole is decoded from a z that learning never saw.

    Arguments:
        threshold: of q(z) / p(z), above zero.
        n_draws: of the prior.
        n_reference: rows in the mixture at most.
        seed: of the draws.

    Raises: `ParameterError` for a threshold or counts that cannot be used.

    Source: Rosca, Lakshminarayanan, Mohamed, "Distribution matching in variational inference", 2018, section 4.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> prior_holes(ProbabilisticPCA(3, 1), Exact(), torch.zeros(9, 3, dtype=torch.float64)).n_reference
    9
    """
    if not threshold > 0 or n_draws < 2 or n_reference < 1:
        raise ParameterError(
            f"threshold={threshold}, n_draws={n_draws}, n_reference={n_reference} cannot be used. Use a threshold above "
            "zero, two draws and one reference row or more."
        )
    with evaluating(model, posterior):
        rows = _rows(model, data, n_reference)
        q, p = posterior(rows, model), model.prior()
        with Stream(seed, rows.x.device):
            z = p.sample(torch.Size((n_draws,)))
        step = max(1, DENSITIES_AT_ONCE // (len(rows) * max(1, z[0].numel())))
        mixture = torch.cat([torch.logsumexp(q.log_prob(t.unsqueeze(1)).double(), 1) for t in z.split(step)])
        ratio = p.log_prob(z).double() - (mixture - log(len(rows)))
    empty = (ratio > -log(threshold)).double()
    errors = [float(t.std()) / sqrt(n_draws) for t in (empty, ratio)]
    return Holes(float(empty.mean()), errors[0], float(ratio.mean()), errors[1], threshold, len(rows))


def _rows(model: Any, data: Any, most: int) -> Batch:
    """Evenly spaced rows in one batch."""
    batches = rows_of(model, data, None, 4096)
    kept = _spaced(batches.n_rows, most)
    parts, first = [], 0
    for batch in batches.in_order():
        mine = kept[(kept >= first) & (kept < first + len(batch))] - first
        if len(mine):
            parts.append(batch.pick(mine))
        first += len(batch)
    join = lambda name: torch.cat([getattr(part, name) for part in parts])  # noqa: E731
    observed = None if parts[0].observed is None else join("observed")
    return refuse_no_numbers(Batch(join("x"), join("index"), None, observed))


def _spaced(n_rows: int, most: int) -> Tensor:
    m = min(n_rows, most)
    return torch.arange(m) * n_rows // m
