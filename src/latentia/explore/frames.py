"""Pictures one after another: as an animation, and as a strip for paper."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ParameterError
from ..storage import write_whole

FORMATS = (".gif", ".webp")


def animate(frames: Sequence[np.ndarray], path: str | Path, seconds: float = 0.2, hold: float = 1.5) -> Path:
    """Write frames as an endless GIF or WebP; the last one stays longer.

    Arguments:
        frames: `(height, width, 3)` bytes each, all of one size.
        path: ends in .gif or .webp.
        seconds, hold: that a frame stays, and that the last one stays.

    Raises: `ParameterError` for no frames, frames of different sizes, or another ending.
    """
    from PIL import Image

    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise ParameterError(f"{target.name} is no animation. Use a name that ends in .gif or .webp.")
    if not frames or len({f.shape for f in frames}) > 1:
        raise ParameterError(
            f"{len(frames)} frames of {len({f.shape for f in frames})} sizes came. One size is needed."
        )
    pictures = [Image.fromarray(f) for f in frames]
    durations = [round(1000 * seconds)] * (len(frames) - 1) + [round(1000 * hold)]
    options = {"save_all": True, "append_images": pictures[1:], "duration": durations, "loop": 0, "quality": 60}
    kind = target.suffix[1:].upper()
    write_whole(target, lambda temporary: pictures[0].save(temporary, format=kind, **options))
    return target


def strip(frames: Sequence[np.ndarray], n: int = 4, gap: int = 8) -> np.ndarray:
    """Some of the frames side by side, the first and the last among them, `(height, width, 3)`.

    >>> strip([np.zeros((4, 3, 3), np.uint8)] * 9, n=3, gap=1).shape
    (4, 11, 3)
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int))
    white = np.full((frames[0].shape[0], gap, 3), 255, np.uint8)
    pieces = [piece for i in chosen for piece in (white, frames[i])]
    return np.concatenate(pieces[1:], axis=1)
