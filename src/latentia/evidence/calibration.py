"""Whether q(z|x) is the posterior that it claims to be, on rows that the model made."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch, as_batches
from ..bounds.evaluate import evaluating
from ..distributions import from_noise
from ..errors import AbilityError, ParameterError
from ..randomness import RowNoise
from .ais import simulated
from .rows import CELLS_AT_ONCE, over_rows
from .shared import refuse_shared

BINS = 20
DOUBT = 0.001


@dataclass(frozen=True)
class Calibration:
    """Ranks of the true z among draws of q(z|x): uniform on 0 .. n_samples where q is the posterior.

    Arguments:
        ranks: of each unit of z, `(rows, units)`: how many of the draws lie below the truth.
        density_ranks: `(rows,)`: how many of the draws have a higher log q(z|x) than the truth.
        n_samples: draws per row.
    """

    ranks: Tensor
    density_ranks: Tensor
    n_samples: int

    @property
    def n_rows(self) -> int:
        return len(self.ranks)

    @property
    def p_values(self) -> Tensor:
        """Of a chi-square test of each unit's ranks against uniform, `(units,)`."""
        return uniform_p_values(self.ranks, self.n_samples)

    @property
    def density_p_value(self) -> float:
        """Of the same test of the density's ranks: whether q's regions of highest density cover what they claim."""
        return float(uniform_p_values(self.density_ranks.unsqueeze(1), self.n_samples))

    @property
    def p_value(self) -> float:
        """Of all of them together: the smallest, times how many there are (Bonferroni)."""
        every = torch.cat([self.p_values, torch.tensor([self.density_p_value], dtype=torch.float64)])
        return min(1.0, float(every.min()) * len(every))

    def coverage(self, level: float) -> float:
        """Share of rows whose true z lies in q's region of highest density of that probability."""
        return float((self.density_ranks < level * (self.n_samples + 1)).double().mean())

    def bias(self) -> Tensor:
        """Mean rank of each unit, 0 to 1, less 1/2: above 0 where q puts z too low, `(units,)`."""
        return (self.ranks.double() + 0.5).mean(0) / (self.n_samples + 1) - 0.5

    @property
    def verdict(self) -> str:
        """What it comes to, in a sentence."""
        if self.p_value >= DOUBT:
            return f"No fault of q is seen with {self.n_rows} rows (p = {self.p_value:.2g})."
        half = self.coverage(0.5)
        low, high = (0.5 - 3 * 0.5 / self.n_rows**0.5, 0.5 + 3 * 0.5 / self.n_rows**0.5)
        if half < low:
            what = "too sure of itself: its regions are too small, or in the wrong place"
        elif half > high:
            what = "too unsure: its regions are too large"
        else:
            what = "no calibrated posterior, though its regions of 50 % cover as they should"
        return f"q is {what}. Its 50 % regions hold {100 * half:.0f} % of the true z (p {_p(self.p_value)})."

    def as_dict(self) -> dict[str, Any]:
        """What is worth writing down, ready for JSON."""
        levels = (0.5, 0.8, 0.9, 0.95)
        return {
            "rows": self.n_rows,
            "n_samples": self.n_samples,
            "p_value": self.p_value,
            "density_p_value": self.density_p_value,
            "unit_p_values": self.p_values.tolist(),
            "unit_bias": self.bias().tolist(),
            "coverage": {f"{level:g}": self.coverage(level) for level in levels},
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        return self.verdict


def calibrate(
    model: Any, posterior: Any, *, n_rows: int = 1000, n_samples: int = 99, seed: int = 0, chunk: int = 1024
) -> Calibration:
    """Simulation-based calibration of q(z|x): z ~ p(z), x ~ p(x|z), and the rank of z among draws of q(z|x).

    Where q is the exact posterior the ranks are uniform. It says nothing about p, which made the rows; and it averages over them: a
    q that errs one way on some rows and the other way on others may pass.

    Arguments:
        model, posterior: p and q.
        n_rows: rows to draw from the model.
        n_samples: draws of q per row; 99 gives ranks 0 to 99.
        seed: of the rows and of the draws.
        chunk: rows at once.

    Raises: `AbilityError` where q is not a distribution that can be drawn.

    Sources: Talts et al., "Validating Bayesian inference algorithms with simulation-based calibration", 2018, algorithm 1;
    Hermans et al., "A trust crisis in simulation-based inference?", 2022, section 3 (expected coverage).

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> print(calibrate(ProbabilisticPCA(3, 1), Exact(), n_rows=500))
    No fault of q is seen with 500 rows (p = ...).
    """
    refuse_shared(model, "calibration")
    if n_rows < 2 * BINS or n_samples < BINS - 1:
        raise ParameterError(
            f"n_rows={n_rows}, n_samples={n_samples} are too few for a test of {BINS} bins. Use at least {2 * BINS} rows and "
            f"{BINS - 1} draws."
        )
    x, z = simulated(model, n_rows, seed)
    units = max(1, z[0].numel())

    def columns(batch: Batch, first: int) -> list[Tensor]:
        ranks, density = _ranks(model, posterior, batch, z[first : first + len(batch)], n_samples, seed)
        return [*ranks.T, density]

    rows_at_once = max(1, min(chunk, CELLS_AT_ONCE // (n_samples * units)))
    with evaluating(model, posterior):
        found = over_rows(as_batches(x, batch_size=rows_at_once, dtype=x.dtype), units + 1, columns)
    return Calibration(torch.stack(found[:-1], 1).long(), found[-1].long(), n_samples)


def _ranks(model: Any, posterior: Any, batch: Batch, z: Tensor, n_samples: int, seed: int) -> tuple[Tensor, Tensor]:
    q = posterior(batch, model)
    if not hasattr(q, "log_prob"):
        raise AbilityError(
            f"{type(q).__name__} is no distribution, so nothing can be calibrated. Use posteriors.Amortized."
        )
    noise = RowNoise(batch.x, seed)
    draws = from_noise(q, noise.apart(0), n_samples)  # (samples, batch, *latent)
    tie = noise.apart(1).uniform(n_samples + 1, (max(1, z[0].numel()),))
    ranks = _rank(draws.reshape(n_samples, len(z), -1), z.reshape(1, len(z), -1), tie)
    tie = noise.apart(2).uniform(n_samples + 1, ())
    density = _rank(-q.log_prob(draws), -q.log_prob(z.unsqueeze(0)), tie)
    return ranks, density


def _rank(draws: Tensor, truth: Tensor, tie: Tensor) -> Tensor:
    """How many draws lie below the truth; of equal ones, a random share."""
    below = (draws < truth).long()
    equal = (draws == truth) & (tie[:-1] < tie[-1])
    return (below + equal.long()).sum(0)


def _p(value: float) -> str:
    return f"= {value:.1g}" if value > 1e-15 else "< 1e-15"


def uniform_p_values(ranks: Tensor, n_samples: int) -> Tensor:
    """p of a chi-square test of each column of ranks 0 .. n_samples against uniform, `(columns,)`.

    >>> bool(uniform_p_values(torch.arange(100).repeat(5)[:, None], 99) > 0.999)
    True
    """
    from scipy.special import chdtrc

    bins = min(BINS, n_samples + 1)
    which = torch.div(ranks * bins, n_samples + 1, rounding_mode="floor")
    counts = torch.stack([(which == b).sum(0) for b in range(bins)]).double()
    each = torch.bincount(torch.arange(n_samples + 1) * bins // (n_samples + 1)).double()  # ranks of each bin
    expected = (len(ranks) * each / (n_samples + 1)).unsqueeze(1)
    statistic = ((counts - expected).square() / expected).sum(0)
    return torch.as_tensor(chdtrc(bins - 1, statistic.numpy()))
