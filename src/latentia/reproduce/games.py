"""Targets of adversarial learning: the modes that a GAN finds."""

from math import cos, pi, sin

import numpy as np

from ..estimators import GAN
from .base import Budget, Found, Number
from .deep import learnt

ROWS, SAMPLES, EPOCHS = 100_000, 2500, 20
RING = np.array([[cos(k * pi / 4), sin(k * pi / 4)] for k in range(8)])
GRID = np.array([[x, y] for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)], dtype=float)
SETS = {"ring of 8": (RING, 0.01), "grid of 25": (GRID, 0.05)}
PUBLISHED = {"ring of 8": ("PacGAN-2 7.9", "95.6"), "grid of 25": ("PacGAN-4 24.8", "93.6")}
LINES = {"ring of 8": (7.9, 0.95), "grid of 25": (24.8, 0.93)}  # modes, share of samples of high quality


def gan_modes(budget: Budget) -> Found:
    """A ring of 8 and a grid of 25 normals: modes found, and the share of samples near one."""
    numbers, done = [], []
    for name, (centres, sd) in SETS.items():
        build = lambda n: GAN(max_epochs=n, device=budget.device, random_state=budget.seed, validation_fraction=0.01)  # noqa: E731
        x = rows(centres, sd, budget.seed)
        model, epochs = learnt(build, x, 0.45 * budget.seconds, most=EPOCHS)
        found, good = modes(model.sample(SAMPLES, budget.seed), centres, sd)
        (published, quality), (least, best) = PUBLISHED[name], LINES[name]
        fair = epochs == EPOCHS
        numbers.append(Number(f"modes, {name}", published, found, None, found >= least if fair else None))
        numbers.append(
            Number(f"samples of high quality, %, {name}", quality, 100 * good, None, good >= best if fair else None)
        )
        done.append(f"{epochs} epochs on the {name}")
    return Found(
        numbers, [f"{' and '.join(done)} (published: 400)", "`GAN` as it comes; one seed (the line is about ten)"]
    )


def rows(centres: np.ndarray, sd: float, seed: int) -> np.ndarray:
    """Draws of the mixture, `(100,000, 2)`."""
    rng = np.random.default_rng(seed)
    return centres[rng.integers(len(centres), size=ROWS)] + sd * rng.normal(size=(ROWS, 2))


def modes(samples: np.ndarray, centres: np.ndarray, sd: float) -> tuple[int, float]:
    """Modes found, and the share of samples of high quality: within three standard deviations of a centre.

    >>> modes(np.array([[1.0, 0.01], [9.0, 9.0]]), RING, 0.01)
    (1, 0.5)
    """
    distance = np.linalg.norm(samples[:, None] - centres, axis=2)
    good = distance.min(1) < 3 * sd
    return len(set(distance.argmin(1)[good])), float(good.mean())
