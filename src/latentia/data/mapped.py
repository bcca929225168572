"""Arrays and Arrow files that stay on the disk: mapped into memory, copied group of rows by group of rows."""

import hashlib
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np

from ..errors import DataError
from .arrays import map_npy
from .checks import to_numeric
from .files import reading
from .selection import Selection
from .sources import Block, Group, Source, chosen, numeric_type, read_block, weights_of
from .tables import without_index

_GROUP_BYTES = 2**23
_PIECES, _PIECE = 256, 4096


@final
class ArraySource(Source):
    """An NPY file of shape `(rows, columns)` or of pictures; a group is about 8 MiB of rows.

    Arguments:
        path: the file; its header is believed only as far as the file is long.
        selection: which columns, by their positions as text; for pictures "pixel_0", ...
    """

    def __init__(self, path: Path, selection: Selection) -> None:
        self.path, self.name, self.source = path, path.name, f"{path} (NPY, mapped)."
        array = map_npy(path)
        if array.ndim < 2 or 0 in array.shape:
            raise DataError(f"{path} has shape {array.shape}, (rows, columns) was expected, one of each at least.")
        self.image_shape = array.shape[1:] if array.ndim > 2 else None
        self._array = (
            array  # flattened a few rows at a time: as a whole, it would be copied where its order is Fortran's
        )
        prefix = "" if self.image_shape is None else "pixel_"
        names = [f"{prefix}{i}" for i in range(prod(array.shape[1:]))]
        self.columns, self.label, self.weight = chosen(selection, names, path.name)
        self._keep = None if list(self.columns) == names else [names.index(c) for c in self.columns]
        self._place = {name: i for i, name in enumerate(names)}
        self.dtype = to_numeric(array[:1], where=path.name).dtype
        at_once = max(1, _GROUP_BYTES // array[:1].nbytes)
        starts = range(0, len(array), at_once)
        self.groups = tuple(Group(0, i, s, min(at_once, len(array) - s)) for i, s in enumerate(starts))

    def read(self, group: Group, *, label: bool = False) -> Block:
        rows = self._rows(group)
        x = np.array(rows if self._keep is None else rows[:, self._keep], order="C")
        index = np.arange(group.start, group.start + group.rows, dtype=np.int64)
        weight = None if self.weight is None else self.read_weight(group)
        labels = np.array(rows[:, self._place[self.label]]) if label and self.label is not None else None
        return Block(to_numeric(x, where=self.name), index, weight, labels)

    def read_weight(self, group: Group) -> np.ndarray:
        import pyarrow as pa

        assert self.weight is not None
        return weights_of(
            pa.array(np.array(self._rows(group)[:, self._place[self.weight]])), self.weight, self.name, group
        )

    def _rows(self, group: Group) -> np.ndarray:
        return self._array[group.start : group.start + group.rows].reshape(group.rows, -1)

    @cached_property
    def fingerprint(self) -> str:
        """Of the size, the names of columns, and 256 pieces of 4096 bytes from all over the file."""
        size = self.path.stat().st_size
        digest = hashlib.sha256(repr((self.columns, self.weight, size)).encode())
        with reading(self.path, "an NPY file"), open(self.path, "rb") as file:
            for i in range(_PIECES):
                file.seek(max(0, size - _PIECE) * i // (_PIECES - 1))
                digest.update(file.read(_PIECE))
        return digest.hexdigest()[:16]


@final
class ArrowSource(Source):
    """An Arrow file (Feather version 2), mapped into memory; a group is a record batch.

    Arguments:
        path: the file; Arrow streams, which have no table of contents, are refused.
        selection: which columns.
    """

    def __init__(self, path: Path, selection: Selection) -> None:
        self.path, self.name, self.source = path, path.name, f"{path} (Arrow, mapped)."
        with self._open() as file:
            schema, groups, start = file.schema, [], 0
            nulls: set[str] = set()
            self.columns, self.label, self.weight = chosen(selection, without_index(schema.names), path.name)
            for number in range(file.num_record_batches):
                with reading(path, "an Arrow file"):
                    batch = file.get_batch(number)
                if batch.num_rows:
                    groups.append(Group(0, number, start, batch.num_rows))
                    start += batch.num_rows
                nulls |= {c for c in self.columns if batch.column(c).null_count}
        if not groups:
            raise DataError(f"{path} has no rows. Give a table with rows.")
        types = [numeric_type(schema.field(c).type, c, path.name, c in nulls) for c in self.columns]
        self.dtype, self.groups = np.result_type(*types), tuple(groups)

    def _open(self) -> Any:
        import pyarrow as pa

        with reading(self.path, "an Arrow file (streams cannot be read in pieces; use the file format)"):
            return pa.ipc.open_file(pa.memory_map(str(self.path)))

    def read(self, group: Group, *, label: bool = False) -> Block:
        return read_block(self._batch(group).column, self, group, self.name, label)

    def read_weight(self, group: Group) -> np.ndarray:
        assert self.weight is not None
        return weights_of(self._batch(group).column(self.weight), self.weight, self.name, group)

    def _batch(self, group: Group) -> Any:
        import pyarrow as pa

        with self._open() as file, reading(self.path, "an Arrow file"):
            batch = file.get_batch(group.number)
            batch.validate(full=True)
            return pa.Table.from_batches([batch])

    @cached_property
    def fingerprint(self) -> str:
        """Of the size, the names of columns, and the sums that each group's columns come to."""
        digest = hashlib.sha256(repr((self.columns, self.weight, self.path.stat().st_size)).encode())
        for group in self.groups:
            digest.update(self.read(group).x.sum(0, dtype=np.float64).tobytes())
        return digest.hexdigest()[:16]
