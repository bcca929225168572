"""Annealed evidence: a stochastic lower bound on rows, and with a stochastic upper bound on rows that the model made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, nan, sqrt
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch, as_batches
from ..bounds.evaluate import evaluating
from ..distributions import from_noise
from ..errors import AbilityError, ParameterError, choose
from ..estimate import Estimate
from ..hamiltonian import Path
from ..posteriors.base import still
from ..randomness import RowNoise, Stream
from .annealing import PILOT_CHAINS, Steps, adapted, backward_weight, forward_weight, temperatures
from .rows import (
    CELLS_AT_ONCE,
    at_least_one,
    content,
    numbers_of_rows,
    over_rows,
    require_density,
    rows_of,
    weights_of,
)
from .running import LogMean, RowNumbers
from .saying import stated

STARTS = ("prior", "q")
LATENTS_AT_ONCE = 2**24  # numbers in the tables of step sizes


def annealed(
    model: Any,
    posterior: Any,
    data: Any,
    *,
    n_samples: int = 16,
    n_steps: int = 500,
    n_leapfrog: int = 3,
    start: str = "prior",
    seed: int = 0,
    weight: Tensor | None = None,
    chunk: int = 1024,
) -> Estimate:
    """Annealed importance sampling: log 1/k sum_i w_i, where w_i is gathered on the way from the start to p(x, z).

    f_b(z) = start(z)^(1 - b) p(x, z)^b, b from 0 to 1; log w = sum_t (b_t - b_(t-1)) (log p(x, z_t) - log start(z_t)), z_t
    moved by Hamiltonian moves that leave f_(b_t) as it is. E[w] = p(x), so that the value is a lower bound in
    expectation. Step sizes are adapted on a burn-in of their own and then fixed.

    Arguments:
        model: p; its z must be continuous, and log p(x|z) have a gradient.
        posterior: q, for start="q"; else it is not looked at, and may be None.
        data: rows in the user's units.
        n_samples: k, chains per row.
        n_steps: temperatures.
        n_leapfrog: steps of each move, one gradient each.
        start: "prior", which owes nothing to an encoder, or "q", which is nearer where the encoder is good.
        seed, weight, chunk: as for `elbo`.

    Raises: `AbilityError` where z is discrete or has no gradient.

    Sources: Neal, "Annealed importance sampling", 2001; Wu, Burda, Salakhutdinov, Grosse, "On the quantitative analysis of
    decoder-based generative models", 2017, section 3.

    >>> from latentia.models import ProbabilisticPCA
    >>> x = torch.ones(2, 3, dtype=torch.float64)
    >>> model = ProbabilisticPCA(3, 1)
    >>> annealed(model, None, x, n_samples=4, n_steps=20).kind
    'lower'
    """
    _check(model, posterior, start, n_samples, n_steps, n_leapfrog)
    batches = rows_of(model, data, weight, chunk)
    betas = temperatures(n_steps)

    def of_rows(batch: Batch) -> RowNumbers:
        route = _Route(model, posterior if start == "q" else None, batch, betas, n_leapfrog, seed)
        return LogMean(n_samples).over(route.forward(n_samples))

    with _held(model, posterior):
        columns = lambda batch, _: _by_parts(of_rows, batch, n_samples, n_steps)  # noqa: E731
        numbers, same = numbers_of_rows(batches, columns)
    return stated("lower", f"annealed from the {start}", n_samples, numbers, weights_of(batches), same=same)


@dataclass(frozen=True)
class Bracket:
    """log p(x) of rows that the model made, from below and from above.

    Arguments:
        lower, upper: of the same rows.
    """

    lower: Estimate
    upper: Estimate

    @property
    def gap(self) -> float:
        """Upper less lower, mean over the rows, nats: at least as far as annealed evidence is off, in expectation."""
        return self.upper.mean - self.lower.mean

    @property
    def gap_error(self) -> float:
        """Standard error of the gap over the rows, which were made independently; NaN of a single row."""
        gaps = self.upper.values - self.lower.values
        return float(gaps.std()) / sqrt(len(gaps)) if len(gaps) > 1 else nan

    def as_dict(self) -> dict[str, Any]:
        """What is worth writing down, ready for JSON."""
        found = {"gap": self.gap, "gap_error": self.gap_error, "unit": "nats per row"}
        return {**found, "lower": self.lower.as_dict(), "upper": self.upper.as_dict()}

    def __str__(self) -> str:
        gap = f"gap {self.gap:.3f} nats per row (+- {self.gap_error:.3f} over {self.lower.n_rows} rows that the model made)"
        return f"{self.lower}\n{self.upper}\n{gap}"


def bidirectional(
    model: Any,
    posterior: Any = None,
    *,
    n_rows: int = 100,
    n_samples: int = 16,
    n_steps: int = 500,
    n_leapfrog: int = 3,
    start: str = "prior",
    seed: int = 0,
    chunk: int = 1024,
) -> Bracket:
    """Bidirectional Monte Carlo: annealed evidence from below and from above, on rows drawn from the model.

    A row x comes with a z that is an exact draw of p(z|x). Chains from it back to the start have E[1 / w] = 1 / p(x), so that
    -log 1/k sum_i 1 / w_i is an upper bound in expectation. Lower and upper bound enclose log p(x), and the gap says how
    far annealed evidence with these settings is off, on rows of this kind: on data it is as good only if the data look
    like the model's own rows.

    The Monte Carlo errors of the upper bound know the chains of a row, which begin at one z; the error of the gap over the
    rows knows everything.

    Arguments:
        model, posterior, n_samples, n_steps, n_leapfrog, start, chunk: as for `annealed`.
        n_rows: rows to draw.
        seed: of the rows and of the noise.

    Source: Grosse, Ghahramani, Adams, "Sandwiching the marginal likelihood using bidirectional Monte Carlo", 2015.

    >>> from latentia.models import ProbabilisticPCA
    >>> bracket = bidirectional(ProbabilisticPCA(3, 1), n_rows=20, n_steps=30)
    >>> bracket.lower.kind, bracket.upper.kind, bracket.gap < 0.1
    ('lower', 'upper', True)
    """
    _check(model, posterior, start, n_samples, n_steps, n_leapfrog)
    if n_rows < 1:
        raise ParameterError(f"n_rows={n_rows} is too small. At least one row has to be drawn.")
    x, z = simulated(model, n_rows, seed)
    betas = temperatures(n_steps)

    def of_rows(batch: Batch) -> list[Tensor]:
        route = _Route(model, posterior if start == "q" else None, batch, betas, n_leapfrog, seed)
        low = LogMean(n_samples).over(route.forward(n_samples))
        back = LogMean(n_samples).over(route.backward(n_samples, z[batch.index.to(z.device)]))
        return [*low, *back, content(batch.x)]

    with _held(model, posterior):
        columns = lambda batch, _: _by_parts(of_rows, batch, n_samples, n_steps)  # noqa: E731
        found = over_rows(as_batches(x, batch_size=chunk, dtype=x.dtype), 9, columns)
    low, back, same = RowNumbers(*found[:4]), RowNumbers(*found[4:8]), found[8]
    high = back._replace(value=-back.value)
    name = f"annealed from the {start}"
    lower = stated("lower", name, n_samples, low, None, same=same)
    return Bracket(lower, stated("upper", f"{name}, backward", n_samples, high, None, same=same))


def simulated(model: Any, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n rows x of p(x, z) and their z, `(n, *event)` and `(n, *latent)`."""
    like = next(model.parameters(), None)
    device = torch.device("cpu") if like is None else like.device
    with Stream(seed, device), evaluating(model):
        z = model.prior().sample(torch.Size((1, n)))
        x = model.likelihood(z).sample()
    x = x.squeeze(0).to(torch.float64 if like is None else like.dtype)  # draws of categories are integers
    return x, z.squeeze(0)


class _Route:
    """The chains of some rows: there, and back."""

    def __init__(
        self, model: Any, posterior: Any, batch: Batch, betas: list[float], n_leapfrog: int, seed: int
    ) -> None:
        start = None if posterior is None else posterior(batch, model)
        self.path, self.betas, self.n_leapfrog = Path(model, batch, start), betas, n_leapfrog
        self.noise = RowNoise(batch.x, seed)
        self._steps: Steps | None = None

    def forward(self, n_samples: int) -> list[Tensor]:
        """log w of chains from the start."""
        steps = self.steps(n_samples)
        own = self.noise.apart(0)
        start = self.path.to_u(from_noise(self.path.first(), own.apart(0), n_samples))
        return [forward_weight(self.path, start, self.betas, steps, self.n_leapfrog, own.apart)]

    def backward(self, n_samples: int, z: Tensor) -> list[Tensor]:
        """log 1/w of chains from z back to the start."""
        steps, own = self.steps(n_samples), self.noise.apart(1)
        end = self.path.to_u(z.expand(n_samples, *z.shape))
        return [-backward_weight(self.path, end, self.betas, steps, self.n_leapfrog, own.apart)]

    def steps(self, n_samples: int) -> Steps:
        """Step sizes, from a burn-in that is done once."""
        if self._steps is None:
            own = self.noise.apart(2)
            start = self.path.to_u(from_noise(self.path.first(), own.apart(0), min(n_samples, PILOT_CHAINS)))
            self._steps = adapted(self.path, start, self.betas, self.n_leapfrog, own.apart(1))
        return self._steps


def _by_parts(of_rows: Callable[[Batch], Any], batch: Batch, n_samples: int, n_steps: int) -> list[Tensor]:
    """`of_rows` of as many rows at once as the cache has room for chains."""
    cells = max(1, batch.x[:1].numel())
    at_once = max(1, min(CELLS_AT_ONCE // (n_samples * cells), LATENTS_AT_ONCE // n_steps))
    if at_once >= len(batch):
        return list(of_rows(batch))
    index = torch.arange(len(batch), device=batch.x.device)
    even = ceil(len(batch) / ceil(len(batch) / at_once))
    parts = [of_rows(batch.pick(rows)) for rows in index.split(even)]
    return [torch.cat(column) for column in zip(*parts)]


@contextmanager
def _held(model: Any, posterior: Any) -> Iterator[None]:
    """As `evaluating`, and gradients are those of z alone."""
    modules = [module for module in (model, posterior) if module is not None]
    with evaluating(*modules), still(*modules):
        yield


def _check(model: Any, posterior: Any, start: str, n_samples: int, n_steps: int, n_leapfrog: int) -> None:
    require_density(model)
    at_least_one(n_samples)
    choose("start", start, STARTS)
    if n_steps < 1 or n_leapfrog < 1:
        raise ParameterError(
            f"n_steps={n_steps}, n_leapfrog={n_leapfrog} cannot be used. Use at least one temperature and one leapfrog step."
        )
    if start == "q" and posterior is None:
        raise AbilityError("start='q' needs a posterior to start from. Give one, or use start='prior'.")
