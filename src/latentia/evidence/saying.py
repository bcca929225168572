"""From numbers of rows to an `Estimate`, with a sentence where it should not be trusted as it stands."""

import torch
from torch import Tensor

from ..estimate import Estimate
from .running import RowNumbers
from .tail import HEAVY

CURE = "Use more samples, or fit a better q."
ANNEALED_CURE = "Use more temperatures, or more chains."
POOR_ESS = 0.1  # of the samples; and
FAR = 100  # times the samples: nobody waits for them
FEW = 5  # effective samples know nothing of their own spread


def stated(
    kind: str,
    method: str,
    n_samples: int,
    numbers: RowNumbers,
    weight: Tensor | None,
    row_samples: Tensor | None = None,
    warning: str = "",
    same: Tensor | None = None,
) -> Estimate:
    """The `Estimate` of these numbers.

    Arguments:
        kind, method, n_samples, weight, row_samples, same: as of `Estimate`.
        numbers: of the rows.
        warning: what else is to be said.
    """
    value, error, ess, tail = numbers
    weighted, drawn = not bool(torch.isnan(ess).any()), n_samples > 0
    indexed = weighted and bool(torch.isfinite(tail).all())
    words = [warning_of_rows(value, n_samples), warning]
    if weighted and n_samples > 1:
        each = row_samples if row_samples is not None else torch.full_like(ess, n_samples)
        thin, heavy = int(is_thin(ess, each).sum()), int((tail > HEAVY).sum())
        words.insert(0, warning_of(thin, heavy, len(ess), n_samples, float(ess.median()), method))
    return Estimate(
        value,
        kind,
        method,
        n_samples,
        error if drawn else None,
        ess if weighted else None,
        tail if indexed else None,
        weight,
        warning="\n".join(filter(None, words)),
        row_samples=row_samples,
        same=same if drawn else None,
    )


def is_thin(ess: Tensor, n_samples: Tensor | int) -> Tensor:
    """Where too few of the samples count."""
    return (ess < POOR_ESS * n_samples) | (ess < FEW)


def warning_of_rows(value: Tensor, n_samples: int) -> str:
    """What is wrong with the values themselves."""
    lost, no_number = int((value == -torch.inf).sum()), int((torch.isnan(value) | (value == torch.inf)).sum())
    return warning_of_values(lost, no_number, len(value), n_samples == 1)


def least_ess(n_samples: int) -> str:
    """What `is_thin` asks for, in words."""
    return f"a tenth of the {n_samples} samples" if POOR_ESS * n_samples > FEW else f"{FEW} of the {n_samples} samples"


def warning_of(n_thin: int, n_heavy: int, n_rows: int, n_samples: int, median: float, method: str = "") -> str:
    """What is wrong with importance weights, in a sentence."""
    found = []
    if n_thin:
        found.append(
            f"{n_thin} of {n_rows} rows have an effective sample size below {least_ess(n_samples)} (median {median:.1f})"
        )
    if n_heavy:
        found.append(f"{n_heavy} of {n_rows} rows have weights with a tail index above {HEAVY}")
    if not found:
        return ""
    return (
        f"Warning: {' and '.join(found)}; for them the bound may be loose and its error too small. "
        f"{ANNEALED_CURE if method.startswith('annealed') else CURE}"
    )


def warning_of_values(n_lost: int, n_nan: int, n_rows: int, single: bool) -> str:
    """What is wrong with the values themselves, in a sentence."""
    found = []
    if n_lost:
        found.append(f"the model gives {n_lost} of {n_rows} rows no mass at any sample: their value is minus infinity")
    if n_nan:
        found.append(f"{n_nan} of {n_rows} rows have no number: look at the row and at the model's likelihood there")
    if single:
        found.append("a single sample says nothing about its own Monte Carlo error: take more")
    return f"Warning: {'; '.join(found)}." if found else ""


def warning_of_missed(error: float, reached: float, n_samples: int) -> str:
    """What to say where so many samples per row did not come to the error that was wanted."""
    if not reached < float("inf"):
        return "Warning: the wanted error cannot be reached, for some rows have no mass at any sample."
    needed = n_samples * (reached / error) ** 2
    cure = (
        f"Allow about {needed:,.0f}, or use a better proposal" if needed < FAR * n_samples else "Use a better proposal"
    )
    return (
        f"Warning: {n_samples} samples per row were not enough for an error of {error:g} nats; it is {reached:.2g}. "
        f"{cure} (refined, or annealed evidence)."
    )
