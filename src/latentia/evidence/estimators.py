"""Estimators of log p(x): exact, elbo, importance.

Each goes over the rows in chunks and over the samples in chunks; a row's noise belongs to the row and the seed, and
its terms are added up in float64, so that the answer is the same in any chunking and any order.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..abilities import HasLogProb, has_globals, require
from ..batch import Batch
from ..bounds import Elbo
from ..bounds.evaluate import evaluating
from ..bounds.importance import log_weights
from ..errors import ParameterError, choose
from ..estimate import Estimate
from ..families import Normal
from ..posteriors import Amortized, Defensive, Refined, RefinedFamily
from ..randomness import RowNoise, drawing
from .ais import annealed
from .precision import in_precision
from .rows import (
    at_least_one,
    at_once,
    draws_at_once,
    numbers_of_rows,
    over_rows,
    require_density,
    rows_of,
    weights_of,
)
from .running import LogMean, Mean, RowNumbers, exact_numbers
from .saying import stated
from .shared import elbo_of_all, exact_of_all, predictive, refuse_shared
from .spending import spend
from .unseen import Unseen, is_discrete

METHODS = ("elbo", "importance", "annealed", "exact", "predictive")
PROPOSALS = ("encoder", "refined", "defensive")
T = TypeVar("T")


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
    require_density(model)
    if has_globals(model):
        return exact_of_all(model, data, weight=weight, chunk=chunk)
    require(model, HasLogProb, "exact evidence", "evidence.importance (a lower bound) or evidence.elbo")
    batches = rows_of(model, data, weight, chunk)
    with evaluating(model):
        (values,) = over_rows(batches, 1, lambda batch, _: [model.log_prob(batch.x, batch.observed)])
    return stated("exact", "exact", 0, exact_numbers(values), weights_of(batches))


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
    require_density(model)
    at_least_one(n_samples)
    if has_globals(model):
        return elbo_of_all(model, posterior, data, weight=weight, chunk=chunk)
    kl = (bound or Elbo()).kl
    batches = rows_of(model, data, weight, chunk)
    with evaluating(model, posterior):
        columns = lambda batch, _: elbo_numbers(model, posterior, batch, n_samples, seed, kl)  # noqa: E731
        numbers, same = numbers_of_rows(batches, columns)
    drawn = bool((numbers.error != 0).any())
    return stated("lower", "elbo", n_samples if drawn else 0, numbers, weights_of(batches), same=same)


def importance(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    n_samples: int = 1000,
    seed: int = 0,
    weight: Tensor | None = None,
    chunk: int = 1024,
    proposal: str = "encoder",
    error: float | None = None,
) -> Estimate:
    """log 1/k sum_i p(x, z_i) / q(z_i|x) of each row: a lower bound in expectation, log p(x) as k grows.

    The Monte Carlo error of a row is the delta method's, sd(w) / (mean(w) sqrt(k)), times k^(t - 1/2) where the tail
    index of its weights, taken up to one and a half standard errors up, is t > 1/2: their variance may be infinite then, and their mean
    settles like k^(t - 1). Where z is discrete, states that were never drawn have a floor of their own, see `unseen`. With a poor effective sample size, or an index above 0.7, neither error nor value can be
    believed, and the estimate says so.

    Arguments:
        model, posterior: p and q.
        data: rows in the user's units.
        n_samples: k, draws of z per row; with `error`, the most that are spent per row, on average.
        seed, weight, chunk: as for `elbo`.
        proposal: "encoder", the posterior itself; "defensive", a tenth of the draws from the prior, so that no weight
            exceeds ten times p(x|z); "refined", the same after q was moved up the bound of each row by some steps.
        error: the Monte Carlo error of the mean that is wanted. A pilot finds out which rows are hard, and draws go to
            them; what is reported never contains the pilot's draws.

    Sources: Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8; Vehtari et al., "Pareto
    smoothed importance sampling", 2024, sections 2 and 3.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> x = torch.ones(2, 3, dtype=torch.float64)
    >>> model = ProbabilisticPCA(3, 1)
    >>> float((importance(model, Exact(), x).values - exact(model, x).values).abs().max()) < 1e-9
    True
    """
    require_density(model)
    refuse_shared(model, "evidence='importance'")
    at_least_one(n_samples)
    q = proposed(posterior, proposal, seed)
    batches, name = (
        rows_of(model, data, weight, chunk),
        "importance" if proposal == "encoder" else f"importance, {proposal}",
    )
    with evaluating(model, posterior):
        if error is not None:
            draws = lambda batch, k, stage: importance_numbers(model, q, batch, k, stage)  # noqa: E731
            return spend(batches, draws, name, error, n_samples, seed)
        columns = lambda batch, _: importance_numbers(model, q, batch, n_samples, seed)  # noqa: E731
        numbers, same = numbers_of_rows(batches, columns)
    return stated("lower", name, n_samples, numbers, weights_of(batches), same=same)


def proposed(posterior: Any, proposal: str, seed: int) -> Any:
    """The posterior that proposals of that name come from."""
    choose("proposal", proposal, PROPOSALS)
    if proposal == "refined":
        return Defensive(refined(posterior, seed))
    return Defensive(posterior) if proposal == "defensive" else posterior


def refined(posterior: Any, seed: int) -> Any:
    """What moves q for each row: a normal one in its own units, one of another family by its encoder's raw numbers."""
    if not isinstance(posterior, Amortized) or isinstance(posterior.encoder.family, Normal):
        return Refined(posterior, seed=seed)
    own = RefinedFamily(posterior, n_steps=100, seed=seed)
    own.check()
    return own


def estimate(method: str, model: Any, posterior: Any, data: Any, **options: Any) -> Estimate:
    """The estimator of that name: "elbo", "importance", "annealed", "exact", "predictive"; strange options are refused.

    Of `n_samples` and `seed`, which all others have, "exact" and "predictive" take no notice.

    Arguments:
        method, model, posterior, data: which, p, q, and rows in the user's units.
        options: of the estimator; and `precision`, "float32" or "float64", where the model's own is not wanted: in float32
            evidence by draws of a network takes about half the time and is the same up to rounding (where rows have more
            digits than float32, from other draws).

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> estimate("elbo", ProbabilisticPCA(3, 1).double(), Exact(), torch.zeros(2, 3), precision="float32").kind
    'lower'
    """
    if method == "bidirectional":
        raise ParameterError(
            "Bidirectional evidence is of rows that the model makes itself, not of data. Use evidence.bidirectional(model, "
            "posterior), or `latentia score --evidence bidirectional`, which shows both."
        )
    choose("evidence", method, METHODS)
    if method == "annealed":
        refuse_shared(model, f"evidence={method!r}")
    precision = options.pop("precision", None)
    if method in ("exact", "predictive"):
        if precision is not None:
            raise ParameterError(
                f"precision={precision!r} is for evidence by draws; {method} evidence has none. Leave it out."
            )
        options = {key: value for key, value in options.items() if key not in ("n_samples", "seed")}
    if precision is not None:
        model, posterior = in_precision(precision, model, posterior, data)
    known: dict[str, tuple[Callable[..., Estimate], tuple[str, ...]]] = {
        "exact": (lambda model, _, data, **more: exact(model, data, **more), ()),
        "predictive": (predictive, ()),
        "elbo": (elbo, ("bound",)),
        "importance": (importance, ("proposal", "error")),
        "annealed": (annealed, ("start", "n_steps", "n_leapfrog")),
    }
    run, own = known[method]
    wrong = [name for name in options if name not in ("n_samples", "seed", "weight", "chunk", *own)]
    if wrong:
        can = f"{', '.join(own)}" if own else "nothing but weight and chunk"
        raise ParameterError(f"{wrong[0]} is no option of {method} evidence, which knows {can}. Leave it out.")
    return run(model, posterior, data, **options)


def importance_numbers(model: Any, posterior: Any, batch: Batch, n_samples: int, seed: int) -> RowNumbers:
    """The importance-weighted bound of the rows of one batch."""
    q, cells = posterior(batch, model), at_once(batch, n_samples)
    draws = max(cells, draws_at_once(batch, model, n_samples))
    unseen = Unseen(n_samples) if is_discrete(q) else None

    def run(k: int) -> Tensor:
        log_weight, log_q = log_weights(model, q, batch, k, cells)
        if unseen is not None:
            unseen.add(log_q)
        return log_weight.double()

    found = LogMean(n_samples).over(_chunks(batch, n_samples, seed, run, draws))
    return found if unseen is None else found._replace(error=torch.hypot(found.error, unseen.error()))


def elbo_numbers(model: Any, posterior: Any, batch: Batch, n_samples: int, seed: int, kl: str = "auto") -> RowNumbers:
    """The evidence lower bound of the rows of one batch."""
    q = posterior(batch, model)
    size = at_once(batch, n_samples)
    chunks = _chunks(batch, n_samples, seed, lambda k: Elbo(k, kl=kl)(model, lambda *_: q, batch), size)
    first = next(chunks)
    if first.draws is None:
        return exact_numbers(first.value.double())
    mean = Mean()
    mean.add(first.draws.double())
    return mean.over(terms.draws.double() for terms in chunks if terms.draws is not None)


def _chunks(batch: Batch, n_samples: int, seed: int, run: Callable[[int], T], size: int) -> Iterator[T]:
    """What `run` makes of `size` samples at a time, under the noise of the batch's rows, until all are drawn."""
    noise = RowNoise(batch.x, seed)
    for first in range(0, n_samples, size):
        k = min(size, n_samples - first)
        with drawing(noise):
            found = run(k)
        noise.skip(k)
        yield found
