"""IDX files, the format of MNIST: a short header, then the numbers; usually packed with gzip."""

import gzip
import struct
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from ..errors import DataError
from .arrays import from_array
from .dataset import Dataset, select
from .files import Readable, gzip_limit, is_gzip, read_up_to, reading
from .selection import Selection

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path, selection: Selection) -> Dataset:
    """Read an IDX file; the labels file that lies beside a file of images becomes the label."""
    array = read_idx_array(path)
    if array.ndim == 1:
        raise DataError(f"{path} holds one number per row (labels?), rows were expected. Name the images file.")
    data = from_array(array, name=path.name, source=f"{path} (IDX).")
    beside = _labels_beside(path)
    if beside is not None:
        label = read_idx_array(beside)
        if label.shape != (len(array),):
            raise DataError(f"{beside}: {label.shape} labels came for the {len(array)} rows of {path}.")
        data = replace(data, label=label, source=f"{path} (IDX), labels from {beside.name}.")
    return select(data, selection)


def read_idx_array(path: Path) -> np.ndarray:
    """Return the array of an IDX file `(rows, ...)`, packed or not, in native byte order.

    Raises:
        DataError: not IDX, or shorter or longer than its header says. The header's shape is never allocated
            before the bytes have come.
    """
    packed = is_gzip(path)
    limit = gzip_limit(path) if packed else path.stat().st_size
    with reading(path, "an IDX file"), gzip.open(path, "rb") if packed else open(path, "rb") as file:
        dtype, shape = _read_header(file, path)
        size = prod(shape) * dtype.itemsize
        if size > limit:
            raise DataError(f"{path} declares the shape {shape}, {size} bytes, more than it can hold: damaged?")
        content = read_up_to(file, size + 1)
    if len(content) != size:
        what = "more" if len(content) > size else f"only {len(content)}"
        raise DataError(f"{path} declares {size} bytes of shape {shape} but holds {what}: cut off or damaged?")
    array = np.frombuffer(content, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: Readable, path: Path) -> tuple[np.dtype, tuple[int, ...]]:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES or not 1 <= start[3] <= 4:
        raise DataError(f"{path} does not begin as an IDX file does ({start!r}). Unpack it if it is another format.")
    axes = start[3]
    return np.dtype(_TYPES[start[2]]), struct.unpack(f">{axes}I", file.read(4 * axes))


def _labels_beside(path: Path) -> Path | None:
    if "images" not in path.name:
        return None
    name = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    return next((p for p in (path.with_name(name), path.with_name(name + ".gz")) if p.is_file()), None)
