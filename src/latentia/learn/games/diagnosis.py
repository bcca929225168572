"""What went wrong in a game, read from its history: divergence, collapse, a critic that has won, circling; and the cure to try."""

from collections.abc import Sequence
from math import isnan
from statistics import fmean
from typing import Any

from . import cures
from .circling import FALSE_ALARMS, Wave, wave_in
from .settings import Used

MISSED = 0.3  # of held-out rows: samples of the data's own distribution miss about 2^-5, those of 5 of 8 modes 0.36
WIDE = 10.0  # spread of samples, as a share of the spread of rows
NARROW = 0.3  # spread of samples, as a share of the spread of rows
WON = 0.98  # share of pairs told apart
SWINGING = {
    "critic_loss": "the critic's loss",
    "generator_loss": "the generator's loss",
    "told_apart": "the share of pairs told apart",
    "spread": "the spread of what the critic is shown",
}

History = Sequence[dict[str, Any]]


def diagnose(history: History, used: Used | None = None) -> list[str]:
    """Sentences about what went wrong, each with the cure to try; none where nothing is seen.

    Arguments:
        history: rows of `Fit.history`.
        used: what the game was played with, from `used_by(learner)`, so that nobody is told to try what is there.

    >>> rows = [{"split": "train", "told_apart": 1.0, "spread": 1.0, "real_score": 9.0, "fake_score": -9.0}] * 4
    >>> diagnose(rows)[0]
    'The critic has won: ...'
    """
    used = Used() if used is None else used
    found = (diverged(history, used) or collapsed(history, used), won(history, used), circles(history, used))
    return [sentence for sentence in found if sentence]


def diverged(history: History, used: Used) -> str:
    """Whether the samples have left the data far behind while all numbers stayed finite."""
    spread = _last(history, "spread")
    if spread is None or spread <= WIDE:
        return ""
    what, whose = _compared(used)
    return f"The game has diverged: {what} variance is {spread:.3g} times {whose}. {cures.against_divergence(used)}"


def collapsed(history: History, used: Used) -> str:
    """Whether the samples leave out much of the data at the end."""
    left_out, spread = _last(history, "missed"), _last(history, "spread")
    if left_out is not None and left_out > MISSED:
        seen = f"Modes are missing: no sample is near {left_out:.0%} of the held-out rows."
    elif spread is not None and spread < NARROW and used.judged != "means":  # beside means, the noise has the rest
        what, whose = _compared(used)
        seen = f"The {what.split()[-1][:-1]} have collapsed: their variance is {spread:.0%} of {whose}."
    else:
        return ""
    return f"{seen} {cures.against_collapse(used)}"


def _compared(used: Used) -> tuple[str, str]:
    """What the spread compares, and with what."""
    return {
        "samples": ("the samples'", "the data's"),
        "means": ("the means'", "the data's"),
        "codes": ("the codes'", "the prior's"),
    }[used.judged]


def won(history: History, used: Used) -> str:
    """Whether the critic told samples from rows without fail over the last quarter."""
    apart = _late(history, "told_apart", 4)
    if not apart or min(apart) <= WON:
        return ""
    so = "" if used.objective == "wasserstein" else ", so that its slope says little"  # its slope is held at one
    return (
        f"The critic has won: it told {fmean(apart):.1%} of pairs apart over the last quarter{so}. "
        f"{cures.against_a_critic_that_has_won(used)}"
    )


def circles(history: History, used: Used) -> str:
    """Whether the players go round: a wave in the scores, the losses or what is told apart that does not die away."""
    gaps = [a - b for a, b in zip(_series(history, "real_score"), _series(history, "fake_score"))]
    series = {"the gap between the critic's scores": gaps}
    series |= {words: _series(history, name) for name, words in SWINGING.items()}
    waves = {words: wave_in(values, FALSE_ALARMS / len(series)) for words, values in series.items()}
    found = {words: wave for words, wave in waves.items() if wave is not None}
    if not found:
        return ""
    clearest = max(found, key=lambda words: found[words].share)
    return f"The players circle: {clearest} {_goes(found[clearest])}. {cures.against_circles(used)}"


def _goes(wave: Wave) -> str:
    return (
        f"goes up and down about every {wave.period:.0f} epochs ({wave.share:.0%} of its variance) and does not settle"
    )


def unlearnt_noise(learner: Any, model: Any) -> str:
    """A sentence about the likelihood's noise where rows are rebuilt in features and the critic sees means."""
    if learner.reconstruct != "features" or learner.judged != "means":
        return ""
    family = getattr(getattr(model, "conditional", None), "family", None)
    has_noise = family is None or getattr(family, "n_raw", 2) > 1 or any(p.requires_grad for p in family.parameters())
    if not has_noise:
        return ""
    return (
        "The noise of the likelihood was not learnt, for features of means do not show it: the bound is that of the noise it "
        "began with."
    )


def _series(history: History, name: str) -> list[float]:
    values = [row[name] for row in history if row.get("split") == "train" and name in row]
    return [value for value in values if not isnan(value)]


def _last(history: History, name: str) -> float | None:
    return next((row[name] for row in reversed(history) if name in row and not isnan(row[name])), None)


def _late(history: History, name: str, parts: int) -> list[float]:
    series = _series(history, name)
    return series[-max(1, len(series) // parts) :] if series else []
