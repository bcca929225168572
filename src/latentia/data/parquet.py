"""Parquet shards: a folder of files of one schema, or one file; a group is a row group."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from ..errors import DataError
from .files import reading
from .selection import Selection
from .sources import Block, Group, Source, chosen, numeric_type, read_block, weights_of
from .tables import without_index

ENDING = ".parquet"


def find_shards(folder: Path) -> list[Path]:
    """The Parquet files of a folder in the order of their names; those that begin with a dot or "_" are no shards."""
    with reading(folder, "a folder"):
        found = sorted(p for p in folder.iterdir() if p.name.lower().endswith(ENDING) and p.name[0] not in "._")
    return [path for path in found if path.is_file()]


@final
class ParquetSource(Source):
    """Parquet files whose footers have been read, and seen to agree.

    Arguments:
        paths: the files, in the order of the rows; files without rows are allowed.
        selection: which columns.
        name: what messages call the table.

    Raises `DataError` for a damaged file, no rows at all, columns or types that differ between files.
    """

    def __init__(self, paths: Sequence[Path], selection: Selection, name: str) -> None:
        self.name, self.paths = name, list(paths)
        self.source = f"{paths[0].parent if len(paths) > 1 else paths[0]} ({len(paths)} Parquet shards)."
        first: tuple[Path, Any] | None = None
        groups: list[Group] = []
        self._nulls: set[str] = set()
        for number, path in enumerate(self.paths):
            schema, metadata = _footer(path)
            if not metadata.num_rows:
                continue  # writers of empty shards often know no types
            if first is None:
                first = path, schema
                self.columns, self.label, self.weight = chosen(selection, without_index(schema.names), path.name)
            _same(first, path, schema, self._used, selection.columns is None)
            groups += _groups(number, metadata, groups[-1].start + groups[-1].rows if groups else 0)
            self._nulls |= _with_nulls(metadata, schema, self._used)
        if first is None:
            raise DataError(f"{name} has {len(paths)} Parquet shards but no rows. Give a table with rows.")
        schema = first[1]
        types = [numeric_type(schema.field(c).type, c, first[0].name, c in self._nulls) for c in self.columns]
        if self.weight is not None:
            numeric_type(schema.field(self.weight).type, self.weight, first[0].name, False)
        self.dtype, self.groups = np.result_type(*types), tuple(groups)

    @property
    def _used(self) -> list[str]:
        return [*self.columns, *(c for c in (self.label, self.weight) if c is not None)]

    def read(self, group: Group, *, label: bool = False) -> Block:
        names = [
            *self.columns,
            *([self.weight] if self.weight else []),
            *([self.label] if label and self.label else []),
        ]
        table = self._table(group, names)
        return read_block(table.column, self, group, self.paths[group.file].name, label)

    def read_weight(self, group: Group) -> np.ndarray:
        assert self.weight is not None
        column = self._table(group, [self.weight]).column(self.weight)
        return weights_of(column, self.weight, self.paths[group.file].name, group)

    def _table(self, group: Group, names: list[str]) -> Any:
        import pyarrow.parquet as pq

        path = self.paths[group.file]
        with reading(path, "a Parquet file"), pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read_row_group(group.number, columns=names, use_threads=False)
            table.validate(full=True)
        if table.num_rows != group.rows:
            raise DataError(f"{path} holds other rows than when it was opened. Leave it alone while it is in use.")
        return table

    @cached_property
    def fingerprint(self) -> str:
        """Of sizes, names of columns and footers, which hold each row group's packed sizes and its extreme values."""
        digest = hashlib.sha256(repr((self.columns, self.weight, self.dtype.str)).encode())
        for path in self.paths:
            with reading(path, "a Parquet file"), open(path, "rb") as file:
                size = file.seek(-8, 2) + 8
                length = int.from_bytes(file.read(4), "little")
                file.seek(-min(size, length + 8), 2)
                digest.update(size.to_bytes(8, "little") + file.read())
        return digest.hexdigest()[:16]


def _footer(path: Path) -> tuple[Any, Any]:
    import pyarrow.parquet as pq

    if not path.stat().st_size:
        raise DataError(f"{path} is empty (0 bytes), not even a shard without rows. Write or download it again.")
    with reading(path, "a Parquet file"), pq.ParquetFile(path) as file:
        return file.schema_arrow, file.metadata


def _groups(file: int, metadata: Any, start: int) -> list[Group]:
    found = []
    for number in range(metadata.num_row_groups):
        rows = metadata.row_group(number).num_rows
        if rows:
            found.append(Group(file, number, start, rows))
            start += rows
    return found


def _same(first: tuple[Path, Any], path: Path, schema: Any, used: list[str], whole: bool) -> None:
    """Raise `DataError` where a shard's columns are not those of the first shard with rows."""
    known = first[1]
    for name in used:
        if name not in schema.names:
            raise DataError(
                f"{path} has no column {name!r}, which {first[0].name} has. Write all shards with the same columns, or "
                f"leave it out with drop=[{name!r}] / --drop."
            )
        if schema.field(name).type != known.field(name).type:
            raise DataError(
                f"Column {name!r} is {schema.field(name).type} in {path} and {known.field(name).type} in {first[0].name}. "
                "Write all shards with the same types."
            )
    extra = [name for name in without_index(schema.names) if name not in known.names]
    if whole and extra:
        raise DataError(
            f"{path} has a column {extra[0]!r}, which {first[0].name} has not. Write all shards with the same columns, or "
            "name those to use in columns=[...] / --columns."
        )


def _with_nulls(metadata: Any, schema: Any, used: list[str]) -> set[str]:
    """Columns of whole numbers of which the footer does not say that no cell is missing."""
    import pyarrow as pa

    whole = {c for c in used if not pa.types.is_floating(schema.field(c).type)}
    if not whole:
        return set()
    found: set[str] = set()
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for i in range(group.num_columns):
            chunk = group.column(i)
            if chunk.path_in_schema in whole - found:
                statistics = chunk.statistics
                if statistics is None or not statistics.has_null_count or statistics.null_count:
                    found.add(chunk.path_in_schema)
    return found
