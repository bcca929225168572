"""Evidence where all rows share latents: one number for the data set, and the predictive density of single rows."""

from typing import Any

import torch
from torch import Tensor

from ..abilities import has_globals
from ..bounds import Elbo
from ..bounds.evaluate import evaluating
from ..errors import AbilityError, ParameterError
from ..estimate import Estimate
from .rows import over_rows, rows_of, weights_of

MAX_ASSIGNMENTS = 2**22  # of components to rows, all of which are summed: some seconds
AT_ONCE = 2**20  # numbers of one chunk of assignments


def refuse_shared(model: Any, what: str) -> None:
    """Raise `AbilityError` where rows share latents, so that they have no evidence of their own.

    Arguments:
        model: p.
        what: is asked of the rows, for the sentence.
    """
    if has_globals(model):
        raise AbilityError(
            f"{what} is of rows that are independent; all rows of {type(model).__name__} share latents. Use "
            "evidence='predictive' for rows, 'elbo' or 'exact' for the data set."
        )


def exact_of_all(model: Any, data: Any, *, weight: Tensor | None = None, chunk: int = 4096) -> Estimate:
    """log p(x_1, ..., x_n) = log sum over the K^n assignments c of p(x, c), each of them closed.

    Raises: `AbilityError` where there are more than 2^22 assignments, `ParameterError` for row weights.

    >>> from latentia.models import BayesianGaussianMixture
    >>> print(exact_of_all(BayesianGaussianMixture(1, 2), torch.zeros(3, 1, dtype=torch.float64)))
    log p(x) = -3.598 nats per data set (enumeration)
    """
    batches = rows_of(model, data, weight, chunk)
    if batches.weights() is not None:
        raise ParameterError(
            "Row weights came; enumeration counts each row once. Repeat rows instead of weighing them."
        )
    n, k = batches.n_rows, model.n_components
    if k**n > MAX_ASSIGNMENTS:
        raise AbilityError(
            f"{k} components and {n} rows make {k}^{n} assignments, too many to sum. Use evidence='elbo', a lower bound, or "
            f"at most {_most_rows(k)} rows."
        )
    x = torch.cat([batch.x for batch in batches.in_order()])
    digits = k ** torch.arange(n, device=x.device)
    size = max(1, AT_ONCE // (n * k))
    with evaluating(model):
        parts = [
            torch.logsumexp(model.log_assignments(x, codes.unsqueeze(1) // digits % k), 0)
            for codes in torch.arange(k**n, device=x.device).split(size)
        ]
    total = torch.logsumexp(torch.stack(parts), 0).reshape(1).double().cpu()
    return Estimate(total, "exact", "enumeration", scope="data set")


def _most_rows(k: int) -> int:
    n = 1
    while k > 1 and k ** (n + 1) <= MAX_ASSIGNMENTS:
        n += 1
    return n


def elbo_of_all(model: Any, posterior: Any, data: Any, *, weight: Tensor | None = None, chunk: int = 4096) -> Estimate:
    """The ELBO of the data set, sum_i value_i - KL(q(theta) || p(theta)), in closed form.

    It bounds log p(x_1, ..., x_n) for any rows, those that q(theta) was not fitted to among them.
    """
    batches = rows_of(model, data, weight, chunk)
    with evaluating(model, posterior):
        (values,) = over_rows(batches, 1, lambda batch, _: [Elbo()(model, posterior, batch).value])
        shared = -model.globals_kl(posterior.theta).double().cpu()
    weights = weights_of(batches)
    total = values.sum() if weights is None else (weights * values).sum()
    return Estimate((total + shared).reshape(1), "lower", "elbo", scope="data set")


def predictive(model: Any, posterior: Any, data: Any, *, weight: Tensor | None = None, chunk: int = 4096) -> Estimate:
    """log E_q(theta)[p(x | theta)] of each row: its density given the rows that q(theta) was fitted to.

    In closed form for q; how far q(theta) is from p(theta | data) it does not say.

    Raises: `AbilityError` for a model whose rows share no latents.

    >>> from latentia.models import BayesianGaussianMixture
    >>> from latentia.posteriors import MeanField
    >>> model = BayesianGaussianMixture(1, 2)
    >>> predictive(model, MeanField(model.prior_globals()), torch.zeros(3, 1)).method
    'predictive'
    """
    if not has_globals(model):
        raise AbilityError(
            f"evidence='predictive' is of models whose rows share latents; {type(model).__name__} shares none. Use "
            "evidence='exact', 'elbo' or 'importance'."
        )
    batches = rows_of(model, data, weight, chunk)
    with evaluating(model, posterior):
        (values,) = over_rows(
            batches, 1, lambda batch, _: [model.log_predictive(batch.x, posterior.theta, batch.observed)]
        )
    return Estimate(values, "exact", "predictive", weight=weights_of(batches))
