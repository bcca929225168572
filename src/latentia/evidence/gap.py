"""Where the ELBO is lost: what no q of the family could reach, and what the encoder does not reach."""

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..abilities import HasLogProb
from ..batch import Batch
from ..bounds.evaluate import evaluating
from ..distributions import Either
from ..errors import ParameterError, choose
from ..estimate import Estimate
from .best_q import Fixed, fitted, may_be_richer
from .estimators import elbo_numbers, importance_numbers
from .rows import at_least_one, content, over_rows, require_density, rows_of, weights_of
from .running import RowNumbers, exact_numbers, pooled_error
from .saying import stated

LOCAL = "elbo, local, "
RICHER = {"full": "full covariance", "flow": "a flow"}


@dataclass(frozen=True)
class Difference:
    """Mean over rows of one number less another, row by row, nats.

    Arguments:
        mean: weighted mean over the rows.
        mc_error: Monte Carlo standard error of the mean.
        row_error: standard error of the mean over the rows; NaN of a single row.
    """

    mean: float
    mc_error: float
    row_error: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} nats per row (Monte Carlo +- {self.mc_error:.3f}; rows +- {self.row_error:.3f})"


@dataclass(frozen=True)
class Gaps:
    """log p(x) and the ELBO of three q: the encoder's, the best of its family for each row, the best of a richer one.

    inference gap = approximation gap + amortisation gap:
    log p - ELBO(encoder) = (log p - ELBO(local)) + (ELBO(local) - ELBO(encoder)).

    Arguments:
        log_prob: log p(x), exact or importance-weighted.
        encoder, local, richer: ELBO of the encoder's q; of a q of the same family, and of one of a richer family (normal with
            full covariance, or a flow), moved up the bound of each row. `richer` is None where z is not a vector of numbers
            without bounds.
    """

    log_prob: Estimate
    encoder: Estimate
    local: Estimate
    richer: Estimate | None

    @property
    def inference(self) -> Difference:
        """What the ELBO lacks in all."""
        return difference(self.log_prob, self.encoder)

    @property
    def approximation(self) -> Difference:
        """What the family lacks: no encoder could help."""
        return difference(self.log_prob, self.local)

    @property
    def amortisation(self) -> Difference:
        """What the encoder lacks: a better one of the same family could help."""
        return difference(self.local, self.encoder)

    @property
    def richer_approximation(self) -> Difference | None:
        """What would be lacking with the richer family."""
        return None if self.richer is None else difference(self.log_prob, self.richer)

    @property
    def richer_family(self) -> str:
        """The richer family, in words; "" where there is none."""
        return "" if self.richer is None else self.richer.method.removeprefix(LOCAL)

    @property
    def warning(self) -> str:
        """A sentence, where the numbers should not be trusted as they stand; else ""."""
        return self.log_prob.warning

    def as_dict(self) -> dict[str, Any]:
        """What is worth writing down, ready for JSON."""
        names = ("inference", "approximation", "amortisation", "richer_approximation")
        found = {name: vars(gap) for name in names if (gap := getattr(self, name)) is not None}
        of = ("log_prob", "encoder", "local", "richer")
        estimates = {name: one.as_dict() for name in of if (one := getattr(self, name)) is not None}
        return {"unit": "nats per row", "richer_family": self.richer_family, "gaps": found, **estimates}

    def __str__(self) -> str:
        lines = [
            f"inference gap      {self.inference}",
            f"= approximation    {self.approximation}",
            f"+ amortisation     {self.amortisation}",
        ]
        if self.richer is not None:
            lines.append(f"approximation gap with {self.richer_family} {self.richer_approximation}")
        return "\n".join([*lines, self.warning] if self.warning else lines)


def gaps(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    n_samples: int = 1000,
    n_steps: int = 300,
    seed: int = 0,
    weight: Tensor | None = None,
    chunk: int = 1024,
    richer: str = "full",
) -> Gaps:
    """The inference gap of each row, as approximation gap and amortisation gap.

    A q of the encoder's family begins at the encoder's; where z is a vector of numbers without bounds, one with full
    covariance begins where that ended (at its means and spreads), and a flow where that ended; each is moved up the ELBO of each row, p held. log p(x) is exact where the model knows it; else
    importance-weighted, with the richest q (a tenth of the draws from the prior). What steps have not reached counts as approximation; an importance-weighted log p(x) is a lower bound, and so
    are the inference and the approximation gap then. Nothing is clipped at zero.

    Arguments:
        model, posterior: p and q; an `Amortized` q of any family but a flow, or any normal q.
        data: rows in the user's units.
        n_samples: draws of z per row of each number.
        n_steps: of each optimisation.
        seed, weight, chunk: as for `elbo`.
        richer: "full", a normal q with full covariance; "flow", a `posteriors.RefinedFlow` from there, which takes about
            three times as long.

    Raises: `AbilityError` where q can neither be moved by its encoder's raw numbers nor is normal, or the model has no density.

    Source: Cremer, Li, Duvenaud, "Inference suboptimality in variational autoencoders", 2018, section 3.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.families import Normal
    >>> from latentia.conditional import Conditional
    >>> from latentia.posteriors import Amortized
    >>> q = Amortized(Conditional(torch.nn.Linear(3, 4), Normal((2,)), (3,), joint=True)).double()
    >>> found = gaps(ProbabilisticPCA(3, 2), q, torch.ones(4, 3, dtype=torch.float64), n_samples=100, n_steps=100)
    >>> parts = found.approximation.mean + found.amortisation.mean
    >>> abs(found.inference.mean - parts) < 1e-9, found.richer_approximation.mean < 0.05
    (True, True)
    """
    require_density(model)
    at_least_one(n_samples)
    choose("richer", richer, tuple(RICHER))
    if n_steps < 1:
        raise ParameterError(f"n_steps={n_steps} is too small. At least one step is needed.")
    batches = rows_of(model, data, weight, chunk)
    exact = isinstance(model, HasLogProb)

    def columns(batch: Batch, _: int) -> list[Tensor]:
        found = fitted(model, posterior, batch, n_steps, seed, richer)
        bounds = [elbo_numbers(model, Fixed(q), batch, n_samples, seed + 3 + i) for i, q in enumerate(found)]
        every = (_log_prob(model, found[-1], batch, n_samples, seed), *bounds)
        return [*(column for one in every for column in one), content(batch.x)]

    with evaluating(model, posterior):
        bounds = 2 + may_be_richer(model, posterior, batches)
        found = over_rows(batches, 4 * (bounds + 1) + 1, columns)
    numbers = [RowNumbers(*found[i : i + 4]) for i in range(0, 4 * (bounds + 1), 4)]
    weights, same = weights_of(batches), found[-1]
    how = ("exact", "exact", 0) if exact else ("lower", "importance, local", n_samples)
    log_prob = stated(*how, numbers[0], weights, same=same)
    names = ("elbo", "elbo, local", LOCAL + RICHER[richer])
    every = [stated("lower", name, n_samples, n, weights, same=same) for name, n in zip(names, numbers[1:])]
    return Gaps(log_prob, every[0], every[1], every[2] if len(every) > 2 else None)


def _log_prob(model: Any, q: Distribution, batch: Batch, n_samples: int, seed: int) -> RowNumbers:
    if isinstance(model, HasLogProb):
        return exact_numbers(model.log_prob(batch.x, batch.observed).double())
    safe = Either(q, model.prior().expand((len(batch),)), 0.1)
    return importance_numbers(model, Fixed(safe), batch, n_samples, seed)


def difference(a: Estimate, b: Estimate) -> Difference:
    """a less b on the same rows, whose draws are independent.

    >>> one = Estimate(torch.tensor([1.0, 3.0], dtype=torch.float64), "exact", "exact")
    >>> print(difference(one, Estimate(torch.zeros(2, dtype=torch.float64), "exact", "exact")))
    2.000 nats per row (Monte Carlo +- 0.000; rows +- 1.000)
    """
    gap = a.values - b.values
    share = torch.ones_like(gap) if a.weight is None else a.weight.to(gap)
    share = share / share.sum()
    mean, n = float((share * gap).sum()), len(gap)
    squares = float((share * (gap - mean).square()).sum()) * float(share.square().sum())
    errors = [torch.zeros_like(gap) if e.row_mc_error is None else e.row_mc_error for e in (a, b)]
    return Difference(
        mean, pooled_error(torch.hypot(*errors), a.weight, a.same), sqrt(squares * n / (n - 1)) if n > 1 else nan
    )
