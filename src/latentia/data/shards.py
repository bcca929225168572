"""Data larger than memory: rows that stay on the disk and are read a few at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, ParameterError
from .ahead import ahead
from .dataset import Dataset
from .files import MAX_BYTES
from .mapped import ArraySource, ArrowSource
from .memory import SHARE, free_memory
from .parquet import ENDING, ParquetSource, find_shards
from .selection import Selection
from .sources import Block, Group, Source

_ARROW = (".arrow", ".feather", ".ipc")
BLOCK_BYTES = 2**25


def open_shards(
    path: str | PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    label: str | None = None,
    weight: str | None = None,
) -> "Shards":
    """Rows that stay on the disk, of a folder of Parquet files, or of one Parquet, Arrow or NPY file.

    Only footers and headers are read. All shards must agree in their columns and types; shards may have any number of
    rows, also none. What is read together is a row group, which has to fit into memory several times.

    Arguments:
        path: the folder or the file.
        columns, drop, label, weight: as for `load`.

    Raises: `DataError` for files that are damaged or differ, columns that are unknown or not numbers, no rows.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> np.save(Path(folder.name, "x.npy"), np.zeros((1000, 3)))
    >>> open_shards(Path(folder.name, "x.npy"))
    Shards 'x.npy': 1000 rows, 3 columns, float64, 1 groups
    """
    return open_source(Path(path), Selection.of(columns, drop, label, weight))


def open_source(path: Path, selection: Selection) -> "Shards":
    """`open_shards` with the choice of columns made already."""
    name = path.name.lower()
    if path.is_dir():
        found = find_shards(path)
        if not found:
            raise DataError(f"{path} holds no {ENDING} files. Name a folder of Parquet shards.")
        return _checked(Shards(ParquetSource(found, selection, path.resolve().name)))
    if not path.is_file():
        raise DataError(f"There is no file or folder {str(path)!r}. Name a folder of Parquet shards, or one file.")
    if name.endswith(ENDING):
        return _checked(Shards(ParquetSource([path], selection, path.name)))
    if name.endswith(_ARROW):
        return _checked(Shards(ArrowSource(path, selection)))
    if name.endswith(".npy"):
        return Shards(ArraySource(path, selection))
    raise DataError(
        f"{path} cannot be read in pieces; {ENDING}, {', '.join(_ARROW)} and .npy can. Convert it to Parquet."
    )


def read_shards(folder: Path, selection: Selection) -> Dataset:
    """A folder of Parquet shards, all of it in memory."""
    shards = open_source(folder, selection)
    if shards.n_bytes > MAX_BYTES:
        raise DataError(
            f"{folder} declares {shards.n_rows} rows of {len(shards.columns)} columns, over {MAX_BYTES} bytes. Use "
            "open_shards / --stream yes, or fewer columns=[...]."
        )
    return shards.dataset()


def can_stream(path: Path) -> bool:
    """Whether `open_shards` knows this kind of path."""
    if path.is_dir():
        return bool(find_shards(path))
    return path.name.lower().endswith((ENDING, *_ARROW, ".npy"))


def _checked(shards: "Shards") -> "Shards":
    largest, free = max(group.rows for group in shards.source.groups), free_memory()
    if free is not None and largest * shards.row_bytes > SHARE * free:
        raise DataError(
            f"{shards.name} has a row group of {largest} rows ({largest * shards.row_bytes} bytes), more than a quarter of "
            "the free memory. Write it again with smaller ones, such as row_group_size=100_000."
        )
    return shards


@dataclass(frozen=True, eq=False)
class Shards:
    """Rows on a disk; made by `open_shards`.

    Arguments:
        source: where they are read from.
        left_out: numbers of rows that are not dealt, rising, int64.
        block_bytes: of the rows that `blocks` reads at once, at least one row group.
    """

    source: Source
    left_out: np.ndarray | None = None
    block_bytes: int = BLOCK_BYTES

    # --- what it is --------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.source.name

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are data."""
        return self.source.columns

    @property
    def dtype(self) -> np.dtype:
        """The type that holds all columns."""
        return self.source.dtype

    @property
    def n_rows(self) -> int:
        """Rows that are dealt."""
        return self.n_all - (0 if self.left_out is None else len(self.left_out))

    @property
    def n_all(self) -> int:
        """Rows on the disk, those left out included."""
        last = self.source.groups[-1]
        return last.start + last.rows

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in memory."""
        return len(self.columns) * self.dtype.itemsize

    @property
    def n_bytes(self) -> int:
        """Bytes that the whole table would take in memory."""
        return self.n_all * self.row_bytes

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(height, width[, channels]) of a row, or None."""
        return getattr(self.source, "image_shape", None)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when the table does; see the sources for what it looks at."""
        return self.source.fingerprint

    @property
    def has_weight(self) -> bool:
        """Whether a column holds the row weights."""
        return self.source.weight is not None

    @cached_property
    def total_weight(self) -> float:
        """Sum of the weights of the rows that are dealt; raises `DataError` where it is zero."""
        if not self.has_weight:
            return float(self.n_rows)
        total = float(sum(weight.sum() for weight in self._weights()))
        if not total > 0:
            raise DataError(
                f"{self.name}: all row weights are zero, so that no row counts. Give some a positive weight."
            )
        return total

    def weights(self) -> np.ndarray | None:
        """The weight of every row that is dealt, `(rows,)`, eight bytes for each; None is one each."""
        return np.concatenate(list(self._weights())) if self.has_weight else None

    def _weights(self) -> Iterator[np.ndarray]:
        for group in self.source.groups:
            keep = self._kept(group)
            weight = self.source.read_weight(group)
            yield weight if keep is None else weight[keep]

    # --- rows --------------------------------------------------------------------------------------------------

    def rows_of(self, group: Group) -> int:
        """How many rows of a group are dealt."""
        return group.rows - self._gone(group)[1]

    def read(self, groups: Sequence[Group], *, label: bool = False) -> Block:
        """The rows of some groups, one group after the other."""
        blocks = []
        for group in groups:
            block, keep = self.source.read(group, label=label), self._kept(group)
            blocks.append(block if keep is None else block.pick(keep))
        return Block.joined(blocks)

    def blocks(self, *, label: bool = False) -> Iterator[Block]:
        """All rows in their order, some megabytes at a time; the next are read while these are worked on."""
        runs = self.runs(self.block_bytes, self.source.groups)
        return ahead(partial(self.read, run, label=label) for run in runs if any(map(self.rows_of, run)))

    def runs(self, n_bytes: int, groups: Sequence[Group]) -> list[tuple[Group, ...]]:
        """Groups gathered in their order into runs of at most `n_bytes`, or of a single group."""
        found: list[list[Group]] = []
        room = 0
        for group in groups:
            room -= group.rows * self.row_bytes
            if not found or room < 0:
                found.append([])
                room = n_bytes - group.rows * self.row_bytes
            found[-1].append(group)
        return [tuple(run) for run in found]

    def leave_out(self, rows: np.ndarray) -> "Shards":
        """The same without these rows, given by their numbers."""
        gone = np.asarray(rows, np.int64)
        gone = np.unique(gone if self.left_out is None else np.concatenate([gone, self.left_out]))
        if len(gone) >= self.n_all:
            raise ParameterError(f"All {self.n_all} rows of {self.name} would be left out. Keep at least one.")
        return replace(self, left_out=gone)

    def take(self, rows: np.ndarray, *, label: bool = False) -> Block:
        """The rows of these numbers, in rising order, in memory; one pass over the groups that hold them."""
        wanted = np.unique(np.asarray(rows, np.int64))
        held = [g for g in self.source.groups if _between(wanted, g)[1]]

        def read(group: Group) -> Block:
            first, count = _between(wanted, group)
            return self.source.read(group, label=label).pick(wanted[first : first + count] - group.start)

        return Block.joined(list(ahead(partial(read, group) for group in held)))

    def draw(self, n: int, seed: int) -> np.ndarray:
        """Numbers of n of the rows that are dealt, drawn by the seed, rising; of all where there are fewer."""
        if n >= self.n_rows:
            picked = np.arange(self.n_rows, dtype=np.int64)
        else:
            generator = np.random.default_rng(seed)
            picked = np.sort(generator.choice(self.n_rows, n, replace=False, shuffle=False).astype(np.int64))
        if self.left_out is None:
            return picked
        # The row that is the k-th of those dealt lies behind every gap that begins at or before it.
        return picked + np.searchsorted(self.left_out - np.arange(len(self.left_out)), picked, side="right")

    def dataset(self, rows: np.ndarray | None = None) -> Dataset:
        """These rows, or all that are dealt, in memory."""
        everything = Block.joined(list(self.blocks(label=True))) if rows is None else self.take(rows, label=True)
        weight = everything.weight
        if rows is not None and weight is not None and not weight.any():
            weight = None  # of a sample no row counts; all of it is shown then
        labels, source = everything.label, self.source.source
        return Dataset(everything.x, self.columns, self.name, labels, weight, self.image_shape, source=source)

    def batches(self, **options: Any) -> Any:
        """Minibatches for a learner: `stream.ShardBatches` with these options."""
        from .stream import ShardBatches

        return ShardBatches(self, **options)

    def _gone(self, group: Group) -> tuple[int, int]:
        return (0, 0) if self.left_out is None else _between(self.left_out, group)

    def _kept(self, group: Group) -> np.ndarray | None:
        first, count = self._gone(group)
        if not count or self.left_out is None:
            return None
        keep = np.ones(group.rows, bool)
        keep[self.left_out[first : first + count] - group.start] = False
        return keep

    def __repr__(self) -> str:
        extra = "".join(f", {what}" for what in ("label", "weight") if getattr(self.source, what) is not None)
        out = "" if self.left_out is None else f" ({len(self.left_out)} left out)"
        return (
            f"Shards {self.name!r}: {self.n_rows} rows{out}, {len(self.columns)} columns, {self.dtype}, "
            f"{len(self.source.groups)} groups{extra}"
        )


def _between(rows: np.ndarray, group: Group) -> tuple[int, int]:
    """Where in rising `rows` those of a group begin, and how many there are."""
    first, last = np.searchsorted(rows, [group.start, group.start + group.rows])
    return int(first), int(last - first)
