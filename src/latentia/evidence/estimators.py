"""Estimators of log p(x): exact, elbo, importance.

Each goes over the rows in chunks and over the samples in chunks; a row's noise belongs to the row and the seed, and
its terms are added up in float64, so that the answer is the same in any chunking and any order.
"""

from collections.abc import Callable, Iterator, Sequence
from math import log
from typing import Any

import torch
from torch import Tensor

from ..abilities import HasLogProb, require
from ..batch import Batch, Batches, as_batches
from ..bounds import Bound, Elbo, ImportanceWeighted
from ..bounds.evaluate import evaluating
from ..errors import AbilityError, ParameterError, choose
from ..estimate import Estimate
from ..processes import current, part_of
from ..randomness import row_noise
from .tail import HEAVY, Tail

METHODS = ("elbo", "importance", "exact")
CELLS_AT_ONCE = 2**21  # cells of x for all samples of a chunk: 8 MB in float32, which stay in the cache and in the heap
POOR_ESS = 0.1


def exact(model: Any, data: Any, *, weight: Tensor | None = None, chunk: int = 4096) -> Estimate:
    """log p(x) of each row in closed form or by enumeration.

    Arguments:
        model: one that knows its log p(x).
        data: rows in the user's units, an array, a tensor, `data.Shards` or `Batches`.
        weight: of the rows, for the mean.
        chunk: rows at once.

    Raises:
        AbilityError: the model does not know its log p(x), or has no density.

    >>> from latentia.models import ProbabilisticPCA
    >>> exact(ProbabilisticPCA(3, 1), torch.zeros(2, 3, dtype=torch.float64)).kind
    'exact'
    """
    _require_density(model)
    require(model, HasLogProb, "exact evidence", "evidence.importance (a lower bound) or evidence.elbo")
    batches = _rows(model, data, weight, chunk)
    with evaluating(model):
        (values,) = _over_rows(batches, 1, lambda batch: [model.log_prob(batch.x, batch.observed)])
    return Estimate(values, "exact", "exact", weight=_weights(batches))


def elbo(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    n_samples: int = 64,
    seed: int = 0,
    weight: Tensor | None = None,
    chunk: int = 1024,
    bound: Elbo | None = None,
) -> Estimate:
    """E_q[log p(x|z)] - KL(q || p) of each row, from `n_samples` draws; the KL in closed form where there is one.

    Arguments:
        model, posterior: p and q.
        data: rows in the user's units.
        n_samples: draws of z per row.
        seed: of the noise.
        weight: of the rows, for the mean.
        chunk: rows at once.
        bound: an `Elbo` to use instead, for its choice of the KL's estimator.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> elbo(ProbabilisticPCA(3, 1), Exact(), torch.zeros(2, 3, dtype=torch.float64)).kind
    'lower'
    """
    make = lambda k: Elbo(k, kl=(bound or Elbo()).kl)  # noqa: E731
    return _sampled(model, posterior, data, make, n_samples, seed, weight, chunk)


def importance(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    n_samples: int = 1000,
    seed: int = 0,
    weight: Tensor | None = None,
    chunk: int = 1024,
) -> Estimate:
    """log 1/k sum_i p(x, z_i) / q(z_i|x) of each row: a lower bound in expectation, log p(x) as k grows.

    The Monte Carlo error of a row is the delta method's, sd(w) / (mean(w) sqrt(k)), times k^(t - 1/2) where the tail
    index of its weights, taken one standard error up, is t > 1/2: their variance may be infinite then, and their mean
    settles like k^(t - 1). With a poor effective sample size, or an index above 0.7, neither error nor value can be
    believed, and the estimate says so.

    Arguments:
        model, posterior: p and q.
        data: rows in the user's units.
        n_samples: k, draws of z per row.
        seed, weight, chunk: as for `elbo`.

    Sources: Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8; Vehtari et al., "Pareto
    smoothed importance sampling", 2024, sections 2 and 3.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> x = torch.ones(2, 3, dtype=torch.float64)
    >>> model = ProbabilisticPCA(3, 1)
    >>> float((importance(model, Exact(), x).values - exact(model, x).values).abs().max()) < 1e-9
    True
    """
    return _sampled(model, posterior, data, ImportanceWeighted, n_samples, seed, weight, chunk)


def estimate(method: str, model: Any, posterior: Any, data: Any, **options: Any) -> Estimate:
    """The estimator of that name: "elbo", "importance" or "exact"."""
    choose("evidence", method, METHODS)
    if method == "exact":
        options = {key: value for key, value in options.items() if key in ("weight", "chunk")}
        return exact(model, data, **options)
    return {"elbo": elbo, "importance": importance}[method](model, posterior, data, **options)


def _sampled(
    model: Any, posterior: Any, data: Any, make: Any, n_samples: int, seed: int, weight: Tensor | None, chunk: int
) -> Estimate:
    _require_density(model)
    if n_samples < 1:
        raise ParameterError(f"n_samples={n_samples} is too small. At least one sample per row is needed.")
    batches = _rows(model, data, weight, chunk)
    log_mean = make is ImportanceWeighted
    with evaluating(model, posterior):
        rows = lambda batch: (  # noqa: E731
            _Running(log_mean, n_samples).over(_terms(model, posterior, batch, make, n_samples, seed)).result()
        )
        values, errors, sizes, tails = _over_rows(batches, 4, rows)
    method = "importance" if log_mean else "elbo"
    drawn = bool((errors > 0).any()) or n_samples == 1 or log_mean
    ess = sizes if log_mean else None
    heavy = tails if log_mean and bool(torch.isfinite(tails).all()) else None
    text = _warning(ess, tails, n_samples) if ess is not None else ""
    return Estimate(
        values,
        "lower",
        method,
        n_samples if drawn else 0,
        errors if drawn else None,
        ess,
        heavy,
        _weights(batches),
        warning=text,
    )


def _over_rows(batches: Batches, n: int, columns: Callable[[Batch], Sequence[Tensor]]) -> list[Tensor]:
    """`columns` of every batch, `n` of shape `(batch,)`, put together as `(rows,)`, float64 on the CPU.

    Within `processes.joined` every process takes its part of each batch.
    """
    processes = current()
    if not processes.many:
        return [torch.cat(column).double().cpu() for column in zip(*map(columns, batches.in_order()))]
    out = torch.zeros(n, batches.n_rows, dtype=torch.float64)
    first = 0
    for whole in batches.in_order():
        part = part_of(whole, processes)
        if len(part) and part.place is not None:
            start = first + part.place.start
            out[:, start : start + len(part)] = torch.stack(list(columns(part))).double().cpu()
        first += len(whole)
    return list(*processes.all_sum(out))


def _terms(model: Any, posterior: Any, batch: Batch, make: Any, n_samples: int, seed: int) -> Iterator[Tensor]:
    """Draws of the bound, `(samples, batch)` in float64, chunk of samples by chunk of samples."""
    at_once = max(1, min(n_samples, CELLS_AT_ONCE // max(1, batch.x.numel())))
    q = posterior(batch, model)
    for first in range(0, n_samples, at_once):
        size = min(at_once, n_samples - first)
        bound: Bound = make(size)
        with row_noise(batch.x, seed, first):
            terms = bound(model, lambda *_: q, batch)
        draws = terms.value.unsqueeze(0) if terms.draws is None else terms.draws
        yield draws.double()
        if terms.draws is None:
            return


class _Running:
    """Sums over samples: of w and w^2 on the log scale (importance), or of the values themselves (ELBO)."""

    def __init__(self, log_mean: bool, n_samples: int) -> None:
        self.log_mean, self.n = log_mean, 0
        self.tail = Tail(n_samples)
        self.first: Tensor | None = None
        self.second: Tensor | None = None
        self.shift: Tensor | None = None

    def over(self, chunks: Iterator[Tensor]) -> "_Running":
        for draws in chunks:
            self._add(draws)
        return self

    def _add(self, draws: Tensor) -> None:
        self.n += len(draws)
        if self.log_mean:
            self.tail.add(draws)
            first, second = torch.logsumexp(draws, 0), torch.logsumexp(2 * draws, 0)
            self.first = first if self.first is None else torch.logaddexp(self.first, first)
            self.second = second if self.second is None else torch.logaddexp(self.second, second)
            return
        if self.shift is None:
            self.shift = draws[0]  # the same first sample in every chunking
        centred = draws - self.shift
        first, second = centred.sum(0), centred.square().sum(0)
        self.first = first if self.first is None else self.first + first
        self.second = second if self.second is None else self.second + second

    def result(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Value, Monte Carlo error, effective sample size and tail index of each row; NaN for no index."""
        assert self.first is not None
        assert self.second is not None
        n = self.n
        if self.log_mean:
            size = torch.exp(2 * self.first - self.second).nan_to_num(0.0).clamp(max=n)
            relative = ((n / size.clamp_min(1e-300) - 1) / max(1, n - 1)).clamp_min(0).sqrt()
            index = self.tail.index()
            if index is None:
                return self.first - log(n), relative, size, torch.full_like(size, torch.nan)
            slower = n ** (index + self.tail.index_error(index) - 0.5).clamp(0, 0.5)  # an index of 1: no mean at all
            return self.first - log(n), relative * slower, size, index
        assert self.shift is not None
        mean = self.first / n
        variance = (self.second / n - mean.square()).clamp_min(0) / max(1, n - 1)
        return self.shift + mean, variance.sqrt(), torch.full_like(mean, float(n)), torch.full_like(mean, torch.nan)


def _warning(ess: Tensor, tails: Tensor, n_samples: int) -> str:
    thin, heavy = ess < POOR_ESS * n_samples, tails > HEAVY
    if not (thin | heavy).any() or n_samples == 1:
        return ""
    return warning_of(int(thin.sum()), int(heavy.sum()), len(ess), n_samples, float(ess.median()))


def warning_of(n_thin: int, n_heavy: int, n_rows: int, n_samples: int, median: float) -> str:
    """What is wrong with importance weights, in a sentence."""
    found = []
    if n_thin:
        found.append(
            f"{n_thin} of {n_rows} rows have an effective sample size below a tenth of the {n_samples} samples "
            f"(median {median:.1f})"
        )
    if n_heavy:
        found.append(f"{n_heavy} of {n_rows} rows have weights with a tail index above {HEAVY}")
    return (
        f"Warning: {' and '.join(found)}; for them the bound may be loose and its error too small. "
        "Use more samples, or fit a better q."
    )


def _require_density(model: Any) -> None:
    if not getattr(model, "is_density", True):
        raise AbilityError(
            "This model's likelihood is a reconstruction error (cross-entropy) and no density, so there is no log p(x). "
            "Use likelihood='continuous-bernoulli' or binarize='stochastic' with likelihood='bernoulli'."
        )


def _rows(model: Any, data: Any, weight: Tensor | None, chunk: int) -> Batches:
    like = next(model.parameters(), None)
    dtype = torch.float64 if like is None else like.dtype
    if isinstance(data, Batches):
        return data
    if hasattr(data, "batches"):
        return as_batches(data, batch_size=chunk, dtype=dtype, device="cpu" if like is None else like.device)
    tensor = torch.as_tensor(data)
    device = tensor.device if like is None else like.device
    rows_at_once = max(1, min(chunk, CELLS_AT_ONCE // max(1, tensor[:1].numel())))
    return as_batches(tensor.to(device), batch_size=rows_at_once, dtype=dtype, weight=weight)


def _weights(batches: Batches) -> Tensor | None:
    weight = batches.weights()
    return None if weight is None else weight.double().cpu()
