"""Rows of pixels as one picture."""

from collections.abc import Sequence

import numpy as np


def as_images(x: np.ndarray, shape: Sequence[int], limits: tuple[float, float]) -> np.ndarray:
    """Rows as pictures between 0 and 1, `(rows, height, width, 3)`; three channels stay colours, others become grey.

    Arguments:
        x: `(rows, pixels)`, user's units.
        shape: (height, width) or (height, width, channels).
        limits: the values that are black and white.

    >>> as_images(np.array([[0.0, 16.0]]), (1, 2), (0, 16))[0, 0].tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    low, high = limits
    pixels = np.nan_to_num((x - low) / (high - low if high > low else 1.0)).clip(0, 1)
    height, width = shape[:2]
    pictures = pixels.reshape(len(x), height, width, -1)
    if pictures.shape[3] == 3:
        return pictures
    return np.repeat(pictures.mean(3, keepdims=True), 3, axis=3)


def tile(pictures: np.ndarray, n_columns: int, gap: int = 1) -> np.ndarray:
    """Pictures side by side with a white gap between them, `(height, width, 3)`, as bytes.

    Arguments:
        pictures: between 0 and 1, `(rows, height, width, 3)`.
        n_columns: how many in a line.
        gap: pixels between two.

    >>> tile(np.zeros((3, 8, 8, 3)), n_columns=2).shape
    (17, 17, 3)
    """
    rows, height, width, _ = pictures.shape
    n_columns = min(n_columns, rows)
    lines = -(-rows // n_columns)
    canvas = np.ones((lines * (height + gap) - gap, n_columns * (width + gap) - gap, 3))
    for i, picture in enumerate(pictures):
        top, left = (i // n_columns) * (height + gap), (i % n_columns) * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return np.round(255 * canvas).astype(np.uint8)
