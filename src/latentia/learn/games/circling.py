"""Whether a series goes round: a wave that stands out of the series' own noise, drift and memory, and does not die away."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FALSE_ALARMS = 0.001  # of histories in which nothing goes round
FEWEST, MOST = 12, 300  # values that are looked at
ROUNDS = 3.0  # a series that drifts looks like part of a slow wave, or like two rounds of one
SHORTEST = 3.0  # values to a round
SHARE = 0.25  # of the variance about a straight line: a wave that is sure and small is no trouble
SIZE = 0.1  # standard deviation of the wave, as a share of the size of the values
DYING = 0.5  # standard deviation of the second half, as a share of that of the first


@dataclass(frozen=True)
class Wave:
    """The strongest wave in a series.

    Arguments:
        period: values to a round.
        share: of the variance about a straight line.
    """

    period: float
    share: float


def wave_in(series: Sequence[float], level: float = FALSE_ALARMS) -> Wave | None:
    """The wave that the last two thirds of a series go round in; None where there is none.

    The strongest wave about a straight line must go round three times and explain much of it; and it must explain more of
    what a line and the value before leave open than the best of as many waves would of noise, but once in 1 / level
    series: noise has no wave, and a walk or a decay has memory alone.

    Arguments:
        series: one number per epoch.
        level: share of series of noise in which one is seen.

    >>> round(wave_in([5, 6, 5, 4] * 15).period, 3)
    4.0
    """
    late = np.asarray(series, dtype=np.float64)[len(series) // 3 :]
    each = -(-len(late) // MOST)
    if each <= 1:
        return _wave(late, level)
    whole = late[len(late) % each :].reshape(-1, each).mean(1)  # in which the slow waves are
    slow = _wave(whole, level / 2)
    return _wave(late[-MOST:], level / 2) or (slow and Wave(slow.period * each, slow.share))


def _wave(y: np.ndarray, level: float) -> Wave | None:
    n, size = len(y), np.abs(y).mean() if len(y) else 0.0
    if n < FEWEST or not np.isfinite(y).all() or y.std() < SIZE * size:
        return None
    line = np.stack([np.ones(n), np.arange(n) / n], 1)
    frequencies = np.arange(1 / n, 1 / SHORTEST + 1e-9, 0.25 / n)
    waves = np.stack([_waves(f, n) for f in frequencies])
    rest = _left(y, line)
    shares = _explained(rest, line, waves)
    best = int(shares.argmax())
    frequency, share = float(frequencies[best]), float(shares[best])
    if frequency * n < ROUNDS or share < SHARE or share**0.5 * rest.std() < SIZE * size or _dies(rest):
        return None
    memory = np.column_stack([line[1:], y[:-1]])
    unsure = 1 - float(_explained(_left(y[1:], memory), memory, waves[best : best + 1, 1:])[0])
    by_chance = n * max(unsure, 0.0) ** ((n - 6) / 2)  # of about n waves, each the tail of a beta distribution
    return Wave(1 / frequency, share) if by_chance < level else None


def _waves(frequency: float, n: int) -> np.ndarray:
    angle = 2 * np.pi * frequency * np.arange(n)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def _left(y: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What least squares on the columns leave of y (or of each column of y)."""
    q = np.linalg.qr(columns)[0]
    return y - q @ (q.T @ y)


def _explained(rest: np.ndarray, columns: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Share of what the columns left that each wave, cosine and sine, explains besides, `(waves,)`."""
    total = rest @ rest
    if total == 0:
        return np.zeros(len(waves))
    bases = [np.linalg.qr(_left(wave, columns))[0] for wave in waves]
    return np.array([np.square(q.T @ rest).sum() / total for q in bases])


def _dies(rest: np.ndarray) -> bool:
    first, last = np.array_split(rest, 2)
    return bool(last.std() < DYING * first.std())
