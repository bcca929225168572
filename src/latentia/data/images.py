"""A folder of pictures of one size; its sub-folders, if there are any, are the classes."""

import os
import warnings
from pathlib import Path

import numpy as np

from ..errors import DataError
from .arrays import from_array
from .dataset import Dataset, select
from .files import MAX_BYTES, reading
from .selection import Selection

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
# Only these parsers are tried: a file called .png that is PostScript would start another program.
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
_GREY = {"1", "L", "LA", "La"}


def read_images(folder: Path, selection: Selection) -> Dataset:
    """Read a folder of pictures, in the order of their names, grey ones as (height, width).

    Raises:
        DataError: no pictures, pictures of different sizes, a damaged one, or one too large to be honest.
    """
    paths = _find(folder)
    label = _classes(folder, paths)
    first = _read(paths[0])
    if first.nbytes * len(paths) > MAX_BYTES:
        raise DataError(f"{folder}: {len(paths)} pictures of {first.shape} need over {MAX_BYTES} bytes. Shrink them.")
    images = np.empty((len(paths), *first.shape), first.dtype)
    for i, path in enumerate(paths):
        image = _read(path)
        if image.shape != first.shape or image.dtype != first.dtype:
            raise DataError(
                f"{path} is {_shown(image)}, {paths[0].name} before it is {_shown(first)}; pictures of one size and "
                "kind were expected. Resize or convert them first."
            )
        images[i] = image
    data = from_array(images, label=label, name=folder.name, source=f"{folder} ({len(paths)} pictures).")
    return select(data, selection)


def _find(folder: Path) -> list[Path]:
    found = []
    for here, folders, names in os.walk(folder):  # links to folders are not followed: they can form a ring
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(here, n) for n in names if n.lower().endswith(ENDINGS) and not n.startswith(".")]
    if found:
        return sorted(found)
    with reading(folder, "a folder"):
        others = sorted(p.name for p in folder.iterdir())[:5]
    holds = ", ".join(repr(name) for name in others) or "nothing"
    raise DataError(
        f"{folder} is a folder without pictures ({', '.join(ENDINGS)}); it holds {holds}. "
        "Name one of its files, or a folder of pictures."
    )


def _classes(folder: Path, paths: list[Path]) -> list[str] | None:
    parts = [path.relative_to(folder).parts for path in paths]
    depths = {len(p) > 1 for p in parts}
    if depths == {True, False}:
        raise DataError(
            f"{folder} has pictures both beside and in its sub-folders; one or the other was expected. "
            "Move them, or name one sub-folder."
        )
    return [p[0] for p in parts] if depths == {True} else None


def _read(path: Path) -> np.ndarray:
    from PIL import Image

    with reading(path, "a picture"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=_FORMATS) as image:
            if getattr(image, "n_frames", 1) != 1:
                raise DataError(f"{path} holds several pictures, one was expected. Save them one by one.")
            if image.mode.startswith(("I", "F")):  # 16 and 32 bits: as they are, converting would clip
                return np.asarray(image)
            return np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))


def _shown(image: np.ndarray) -> str:
    kind = "grey" if image.ndim == 2 else "colour"
    return f"{image.shape[0]} x {image.shape[1]} {kind} {image.dtype}"
