"""Arrays in memory, and the NPY and NPZ files that hold them."""

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ..errors import DataError
from .checks import to_numeric
from .dataset import Dataset, select
from .files import MAX_BYTES, reading
from .selection import Selection

_FIRST_CHOICE = ("x", "X", "train", "images", "data")
_LABELS = ("y", "label", "labels", "target")
# The most that a byte can grow to when it is unpacked: deflate's format allows no more than 1032.
_GROWTH = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}


def from_array(
    x: object,
    *,
    columns: Iterable[str] | None = None,
    drop: Iterable[str] = (),
    label: str | Sequence | np.ndarray | None = None,
    weight: str | Sequence | np.ndarray | None = None,
    names: Sequence[str] | None = None,
    name: str = "array",
    source: str = "",
) -> Dataset:
    """Return a `Dataset` of an array in memory; it is not copied where that is not needed.

    Args:
        x: `(rows, columns)`, or pictures `(rows, height, width)` or `(rows, height, width, channels)`.
        columns: the names of the columns to keep; all by default.
        drop: the names of columns to leave out.
        label: `(rows,)` of any type, or the name of a column.
        weight: `(rows,)`, or the name of a column.
        names: the names of all columns; by default "0", "1", ..., for pictures "pixel_0", "pixel_1", ...
        name: what the messages call the data.
        source: a sentence on where they came from.

    Raises:
        DataError: not an array of real numbers of such a shape, or an unknown column.

    >>> from_array(np.zeros((5, 8, 8), np.uint8))
    Dataset 'array': 5 rows, 64 columns, uint8, image 8x8
    """
    values = to_numeric(x, where=name)
    image_shape = values.shape[1:] if values.ndim > 2 else None
    flat = _flatten(values, name)
    prefix = "pixel_" if image_shape else ""
    data = Dataset(
        flat,
        tuple(f"{prefix}{i}" for i in range(flat.shape[1])) if names is None else tuple(map(str, names)),
        name,
        label=None if label is None or isinstance(label, str) else as_label(label, name),
        weight=None if weight is None or isinstance(weight, str) else np.asarray(weight),
        image_shape=image_shape,
        source=source or f"An array in memory of shape {values.shape}.",
    )
    named = (value if isinstance(value, str) else None for value in (label, weight))
    return select(data, Selection.of(columns, drop, *named))


def as_label(label: object, name: str) -> np.ndarray:
    """Return labels as an array of numbers or text; lists of anything else, objects too, are refused."""
    values = np.asarray(label)
    if values.dtype.kind == "O" and all(isinstance(v, str) for v in values.flat):
        values = values.astype(str)
    if values.dtype.kind not in "biufUS":
        raise DataError(f"{name}: labels of type {values.dtype} came, numbers or text were expected.")
    return values


def _flatten(x: np.ndarray, name: str) -> np.ndarray:
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{name}: shape {x.shape} came, (rows, columns), (rows, height, width) or (rows, height, width, "
            "channels) was expected. Reshape your data, for one column with x.reshape(-1, 1)."
        )
    if x.ndim == 4 and x.shape[1] in (1, 3, 4) and x.shape[3] not in (1, 2, 3, 4):
        raise DataError(
            f"{name}: shape {x.shape} came, which looks like channels first; (rows, height, width, channels) "
            "was expected. Try np.moveaxis(x, 1, -1)."
        )
    return x.reshape(len(x), prod(x.shape[1:]))


def read_npy(path: Path, selection: Selection) -> Dataset:
    """Read an NPY file; its header is believed only as far as the file is long."""
    with reading(path, "an NPY file"), open(path, "rb") as file:
        array = _read_array(file, path.stat().st_size, str(path))
    data = from_array(array, name=path.name, source=f"{path} (NPY).")
    return select(data, selection)


def map_npy(path: Path) -> np.ndarray:
    """An NPY file mapped into memory, read only; nothing is read but its header, and no pickle ever."""
    with reading(path, "an NPY file"), open(path, "rb") as file:
        shape, fortran, dtype, start = _read_header(file, str(path))
        _check_size(shape, dtype, path.stat().st_size - start, str(path))
        if not prod(shape):
            return np.empty(shape, dtype)
        return np.memmap(file, dtype, "r", start, shape, "F" if fortran else "C")


def read_npz(path: Path, selection: Selection) -> Dataset:
    """Read an NPZ file: the array called x, X, train, images or data, or the only one with rows and columns."""
    arrays = NpzReader(path)
    key = arrays.choose()
    label = selection.label if selection.label in arrays.shapes else None
    weight = selection.weight if selection.weight in arrays.shapes else None
    data = from_array(arrays.read(key), name=path.name, source=f"{path} (NPZ, array {key!r}).")
    rows = len(data.x)
    if label is None:
        label = next((k for k in _LABELS if arrays.shapes.get(k) == (rows,)), None)
    if label is not None:
        data = replace(data, label=as_label(arrays.read(label), path.name))
    if weight is not None:
        data = replace(data, weight=arrays.read(weight))
    rest = replace(
        selection,
        label=None if label else selection.label,
        weight=None if weight else selection.weight,
    )
    return select(data, rest)


class NpzReader:
    """The arrays of an NPZ file, of which only the headers are read before one is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "an NPZ file"), zipfile.ZipFile(path) as archive:
            self.shapes = {
                info.filename.removesuffix(".npy"): self._shape(archive, info)
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }

    def _shape(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...]:
        with archive.open(info) as file:
            return _read_header(file, f"{info.filename!r} in {self.path}").shape

    def choose(self) -> str:
        """Return the name of the array that holds the rows, or raise `DataError` that says which there are."""
        tables = [key for key, shape in self.shapes.items() if len(shape) >= 2]
        for key in _FIRST_CHOICE:
            if key in tables:
                return key
        if len(tables) == 1:
            return tables[0]
        there = ", ".join(f"{key} {shape}" for key, shape in list(self.shapes.items())[:10]) or "none"
        raise DataError(
            f"{self.path}: one array called {', '.join(_FIRST_CHOICE)}, or only one of two or more axes, was "
            f"expected; there are: {there}. Try load(np.load(...)['name'])."
        )

    def read(self, key: str) -> np.ndarray:
        """Return one array; it is unpacked only after its declared size has been found possible."""
        where = f"{key!r} in {self.path}"
        with reading(self.path, "an NPZ file"), zipfile.ZipFile(self.path) as archive:
            info = archive.getinfo(f"{key}.npy")
            growth = _GROWTH.get(info.compress_type)
            if growth is None:
                raise DataError(f"{where} is packed in a way that NumPy does not write. Save it with np.savez.")
            if info.file_size > min(MAX_BYTES, growth * info.compress_size + 64):
                raise DataError(
                    f"{where} declares {info.file_size} bytes, which {info.compress_size} packed ones cannot or "
                    f"should not hold (the limit is {MAX_BYTES}). Unpack it and load the NPY file."
                )
            with archive.open(info) as file:
                return _read_array(file, info.file_size, where)


def _read_array(file: IO[bytes], size: int, where: str) -> np.ndarray:
    header = _read_header(file, where)
    _check_size(header.shape, header.dtype, size - header.start, where)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _check_size(shape: tuple[int, ...], dtype: np.dtype, there: int, where: str) -> None:
    declared = prod(shape) * dtype.itemsize
    if declared > there:
        raise DataError(
            f"{where} declares an array of shape {shape} ({declared} bytes) but holds {max(there, 0)}: "
            "it is cut off or damaged. Make or download it again."
        )


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    start: int


def _read_header(file: IO[bytes], where: str) -> _Header:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{where} is in version {version} of the NPY format, 1.0 or 2.0 was expected.")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise DataError(f"{where} holds Python objects (a pickle), which are never loaded. Save it as numbers.")
    if any(n < 0 for n in shape):
        raise DataError(f"{where} declares the impossible shape {shape}: it is damaged.")
    return _Header(tuple(int(n) for n in shape), bool(fortran), dtype, file.tell())
