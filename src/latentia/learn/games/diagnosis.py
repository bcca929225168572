"""What went wrong in a game, read from its history: divergence, collapse, a critic that has won, circling; and the cure to try."""

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

import torch
from torch import Tensor

NEIGHBOURS = 5
MISSED = 0.3  # of held-out rows: samples of the data's own distribution miss about 2^-5, those of 5 of 8 modes 0.36
WIDE = 10.0  # spread of samples, as a share of the spread of rows
NARROW = 0.3  # spread of samples, as a share of the spread of rows
WON = 0.98  # share of pairs told apart
SWINGS = 0.5  # standard deviation of the gap between scores, as a share of its size, over the second half


def missed(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> float:
    """Share of rows with no sample as near as their k-th neighbour among the rows: what the samples leave out.

    For samples of the same distribution, as many as rows, about 2^-k.

    Arguments:
        real, fake: `(rows, *event)`, in the same units.

    Source: Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020, equation 4 (coverage is
    one minus this).

    >>> x = torch.arange(20.0).reshape(20, 1)
    >>> missed(x, x[:10] + 0.1, k=2)
    0.45
    """
    x, y = real.flatten(1).double(), fake.flatten(1).double()
    k = min(k, len(x) - 1)
    if k < 1:
        return 0.0
    radius = torch.cdist(x, x).kthvalue(k + 1, dim=1).values  # the first neighbour is the row itself
    return float((torch.cdist(x, y).min(1).values > radius).double().mean())


def diagnose(history: Sequence[dict[str, Any]], *, pack: int = 1, r1: float = 0.0) -> list[str]:
    """Sentences about what went wrong, each with the cure to try; none where nothing is seen.

    Arguments:
        history: rows of `Fit.history`.
        pack, r1: of the game, so that nobody is told to try what is there already.

    >>> rows = [{"split": "train", "told_apart": 1.0, "spread": 1.0, "real_score": 9.0, "fake_score": -9.0}] * 4
    >>> diagnose(rows)[0]
    'The critic has won: ...'
    """
    found = (diverged(history) or collapsed(history, pack), won(history, r1), circles(history, r1))
    return [sentence for sentence in found if sentence]


def diverged(history: Sequence[dict[str, Any]]) -> str:
    """Whether the samples have left the data far behind while all numbers stayed finite."""
    spread = _last(history, "spread")
    if spread is None or spread <= WIDE:
        return ""
    return (
        f"The game has diverged: the samples' variance is {spread:.3g} times the data's. Try a tenth of the learning_rate, "
        "or r1=1."
    )


def _r1(r1: float) -> str:
    return "r1=1" if not r1 else f"an r1 above {r1:g}"


def collapsed(history: Sequence[dict[str, Any]], pack: int = 1) -> str:
    """Whether the samples leave out much of the data at the end."""
    packed = "pack=4 (the critic sees four at a time), " if pack < 4 else ""
    cure = f"Try {packed}objective='relativistic' with r1=1 and r2=1, or more epochs."
    left_out, spread = _last(history, "missed"), _last(history, "spread")
    if left_out is not None and left_out > MISSED:
        return f"Modes are missing: no sample is near {left_out:.0%} of the held-out rows. {cure}"
    if spread is not None and spread < NARROW:
        return f"The samples have collapsed: their variance is {spread:.0%} of the data's. {cure}"
    return ""


def won(history: Sequence[dict[str, Any]], r1: float = 0.0) -> str:
    """Whether the critic told samples from rows without fail over the last quarter."""
    apart = _late(history, "told_apart", 4)
    if not apart or min(apart) <= WON:
        return ""
    return (
        f"The critic has won: it told {fmean(apart):.1%} of pairs apart over the last quarter, so that its slope says little. "
        f"Try {_r1(r1)}, a smaller critic_learning_rate, or a critic with spectral normalisation."
    )


def circles(history: Sequence[dict[str, Any]], r1: float = 0.0) -> str:
    """Whether the players go round: the gap between scores changes sign again and again, as large at the end as before."""
    gaps = [a - b for a, b in zip(_series(history, "real_score"), _series(history, "fake_score"))]
    late = gaps[len(gaps) // 2 :]
    if len(late) < 10:
        return ""
    middle, first, last = fmean(late), late[: len(late) // 2], late[len(late) // 2 :]
    size = fmean(abs(gap) for gap in late)
    turns = sum((a - middle) * (b - middle) < 0 for a, b in zip(late, late[1:]))
    steady = pstdev(last) > 0.5 * pstdev(first)
    below = min(late) < 0 < max(late)
    if not (below and steady and turns >= 3 and size > 0.05 and pstdev(late) > SWINGS * size):
        return ""
    return (
        f"The players circle: the gap between the critic's scores changed direction {turns} times in the second half and "
        f"did not shrink. Try {_r1(r1)}, a larger average, or a schedule that lowers the learning rate."
    )


def _series(history: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in history if row.get("split") == "train" and name in row]


def _last(history: Sequence[dict[str, Any]], name: str) -> float | None:
    return next((row[name] for row in reversed(history) if name in row), None)


def _late(history: Sequence[dict[str, Any]], name: str, parts: int) -> list[float]:
    series = _series(history, name)
    return series[-max(1, len(series) // parts) :] if series else []
