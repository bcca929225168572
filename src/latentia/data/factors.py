"""Small pictures made from known factors, for questions about what latent units stand for."""

import numpy as np

from ..errors import ParameterError
from .dataset import Dataset

FACTORS = {"shape": 3, "size": 4, "x": 8, "y": 8, "brightness": 4}  # how many values each takes
ORDERED = (False, True, True, True, True)  # whether the values of a factor have an order
N_COMBINATIONS = int(np.prod(list(FACTORS.values())))


def draw_factors(n: int, seed: int = 0) -> np.ndarray:
    """n draws of all factors, independent and uniform, `(n, 5)`, integers from 0.

    >>> draw_factors(2).shape
    (2, 5)
    """
    if n < 1:
        raise ParameterError(f"n={n} is too small. Ask for at least one row.")
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, n) for size in FACTORS.values()], 1)


def every_factor() -> np.ndarray:
    """All 3,072 combinations, `(3072, 5)`, the last factor changing fastest.

    >>> every_factor().shape
    (3072, 5)
    """
    grids = np.meshgrid(*(np.arange(size) for size in FACTORS.values()), indexing="ij")
    return np.stack([grid.ravel() for grid in grids], 1)


def render_factors(factors: np.ndarray, pixels: int = 16) -> np.ndarray:
    """A disc, a square or a triangle for each row of factors, `(rows, pixels * pixels)`, grey levels in [0, 1].

    No two combinations give one picture, and there is no noise: whatever a code does not tell about the factors it has
    lost. Edges are as wide as a pixel.

    Arguments:
        factors: `(rows, 5)` integers, as `draw_factors` gives: shape, size, x, y, brightness.
        pixels: height and width, at least 8.

    Raises: `ParameterError` for factors or sizes that cannot be drawn.

    >>> render_factors(draw_factors(2)).shape
    (2, 256)
    """
    factors = np.asarray(factors)
    sizes = np.array(list(FACTORS.values()))
    fits = factors.ndim == 2 and factors.shape[1] == len(sizes) and bool(((factors >= 0) & (factors < sizes)).all())
    if not fits or pixels < 8:
        raise ParameterError(
            f"Factors of shape {factors.shape} and pictures of {pixels} pixels cannot be drawn. Use rows of "
            f"{', '.join(f'{name} below {size}' for name, size in FACTORS.items())}, and 8 pixels or more."
        )
    shape, size, x, y, light = factors.T[:, :, None, None].astype(float)
    radius = pixels * (0.1 + 0.03 * size)
    room = pixels * 0.5 - pixels * 0.21
    centre = [pixels / 2 + room * (2 * c / 7 - 1) for c in (x, y)]
    grid = np.arange(pixels) + 0.5
    dx, dy = grid[None, None, :] - centre[0], grid[None, :, None] - centre[1]
    inside = np.select(
        [shape == 0, shape == 1], [_disc(dx, dy, radius), _square(dx, dy, radius)], _triangle(dx, dy, radius)
    )
    picture = np.clip(inside + 0.5, 0, 1) * (0.4 + 0.2 * light)
    return picture.reshape(len(factors), -1)


def _disc(dx: np.ndarray, dy: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Distance to the edge, positive inside."""
    return radius - np.hypot(dx, dy)


def _square(dx: np.ndarray, dy: np.ndarray, radius: np.ndarray) -> np.ndarray:
    return radius - np.maximum(np.abs(dx), np.abs(dy))


def _triangle(dx: np.ndarray, dy: np.ndarray, radius: np.ndarray) -> np.ndarray:
    slope = 1 / np.sqrt(5)
    return np.minimum(radius - dy, slope * (radius + dy) - 2 * slope * np.abs(dx))


def factor_images(n: int | None = None, *, seed: int = 0, pixels: int = 16) -> tuple[Dataset, np.ndarray]:
    """Pictures and their factors: n draws, or every combination once where n is None.

    >>> data, factors = factor_images(5)
    >>> data.image_shape, factors.shape
    ((16, 16), (5, 5))
    """
    factors = every_factor() if n is None else draw_factors(n, seed)
    x = render_factors(factors, pixels)
    columns = tuple(f"pixel_{i}" for i in range(x.shape[1]))
    source = "Drawn by latentia.data.factor_images."
    data = Dataset(x, columns, "factors", label=factors[:, 0], image_shape=(pixels, pixels), source=source)
    return data, factors
