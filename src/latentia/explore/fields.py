"""Arrows over the plane: where a model moves a row to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from .maps import principal_axes

Move = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Field:
    """Arrows on a grid.

    Arguments:
        points: where they begin, `(n * n, 2)`.
        vectors: by how much they move, `(n * n, 2)`.
        rows: the data in the same plane, `(rows, 2)`.
        axes: names of the two axes.
    """

    points: np.ndarray
    vectors: np.ndarray
    rows: np.ndarray
    axes: tuple[str, str]


def move_of(estimator: Any) -> Move:
    """Where an estimator moves rows to: x -> r(x) - x, with r(x) its reconstruction, in the user's units.

    Of a denoising autoencoder with Gaussian noise it is noise_scale^2 times `score_field`, an estimate of the gradient of the
    smoothed log-density. Of others it is no gradient of anything, and only shows where the model would rather have a row.
    """
    return lambda x: estimator.reconstruct(x) - x


def vector_field(move: Move, X: Any, n: int = 24, zoom: float = 1.0) -> Field:
    """Arrows over the plane of two columns, or of the first two principal axes where there are more.

    Arguments:
        move: rows `(m, columns)` to their displacement; `move_of` an estimator, say.
        X: the data, user's units; the grid spans them.
        n: points along each axis.
        zoom: above 1 looks nearer at the middle, below 1 from farther away.

    Raises: `ParameterError` for a single column, or a zoom that is not positive.

    >>> found = vector_field(lambda x: -x, np.random.default_rng(0).normal(size=(50, 2)), n=3)
    >>> np.allclose(found.vectors, -found.points)
    True
    """
    x = np.asarray(X, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] < 2 or not zoom > 0 or n < 2:
        raise ParameterError(
            f"Data of shape {x.shape}, n={n} and zoom={zoom} span no plane. Use two columns or more, two points, zoom > 0."
        )
    centre, axes, names = _plane(x)
    rows = (x - centre) @ axes
    middle, half = (rows.min(0) + rows.max(0)) / 2, 0.6 * np.ptp(rows, axis=0) / zoom
    across, up = (np.linspace(m - h, m + h, n) for m, h in zip(middle, half))
    points = np.stack([g.ravel() for g in np.meshgrid(across, up)], axis=1)
    vectors = np.asarray(move(centre + points @ axes.T), dtype=np.float64) @ axes
    return Field(points, vectors, rows, names)


def walk(move: Move, start: Any, n_steps: int = 30, step: float = 1.0) -> np.ndarray:
    """Rows that follow the arrows: x_t+1 = x_t + step * move(x_t), `(n_steps + 1, rows, columns)`.

    With a score field and step = sigma^2 every step is one denoising, from noise to where the data lie.

    >>> walk(lambda x: -0.5 * x, [[8.0, 0.0]], n_steps=3)[:, 0, 0].tolist()
    [8.0, 4.0, 2.0, 1.0]
    """
    x = np.array(start, dtype=np.float64)
    steps = [x]
    for _ in range(n_steps):
        x = x + step * np.asarray(move(x), dtype=np.float64)
        steps.append(x)
    return np.stack(steps)


def _plane(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[str, str]]:
    """A point of the plane, its two directions `(columns, 2)`, their names."""
    if x.shape[1] == 2:
        return np.zeros(2), np.eye(2), ("first column", "second column")
    centre = x.mean(0)
    scores, share = principal_axes(x)
    axes = np.linalg.lstsq(scores - scores.mean(0), x - centre, rcond=None)[0].T
    first, second = (f"{place} principal axis ({part:.0%})" for place, part in zip(("first", "second"), share))
    return centre, axes / np.linalg.norm(axes, axis=0), (first, second)
