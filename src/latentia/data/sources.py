"""Tables on a disk that are read group of rows by group of rows: what all of them share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .columns import as_labels, as_numbers
from .selection import Selection

_ROWS_AT_ONCE = 16384


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are read together.

    Arguments:
        file: number of the file that holds them.
        number: of the group in that file.
        start: number of its first row in the whole table.
        rows: how many there are.
    """

    file: int
    number: int
    start: int
    rows: int


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a table.

    Arguments:
        x: `(rows, columns)`.
        index: number of each row in the whole table, `(rows,)`, int64.
        weight: `(rows,)`, float64, or None.
        label: `(rows,)`, or None where there is none or it was not asked for.
    """

    x: np.ndarray
    index: np.ndarray
    weight: np.ndarray | None = None
    label: np.ndarray | None = None

    def pick(self, rows: Any) -> "Block":
        """The rows that a mask or positions choose."""
        part = lambda a: None if a is None else a[rows]  # noqa: E731
        return Block(self.x[rows], self.index[rows], part(self.weight), part(self.label))

    @classmethod
    def joined(cls, blocks: Sequence["Block"]) -> "Block":
        """Blocks one after the other."""
        if len(blocks) == 1:
            return blocks[0]

        def join(name: str) -> Any:
            parts = [getattr(block, name) for block in blocks]
            return None if parts[0] is None else np.concatenate(parts)

        return cls(join("x"), join("index"), join("weight"), join("label"))


class Source(ABC):
    """A table on a disk.

    Attributes:
        name, source: what messages call it, and a sentence on where it came from.
        columns: names of the columns that are data.
        dtype: the type that holds all of them.
        groups: in the order of the rows.
        weight, label: names of those columns, or None.
    """

    name: str
    source: str
    columns: tuple[str, ...]
    dtype: np.dtype
    groups: tuple[Group, ...]
    weight: str | None = None
    label: str | None = None

    @abstractmethod
    def read(self, group: Group, *, label: bool = False) -> Block:
        """The rows of one group; raises `DataError` where they are damaged or have changed."""

    @abstractmethod
    def read_weight(self, group: Group) -> np.ndarray:
        """The weights of one group, `(rows,)`, float64."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when the table does."""


def read_block(columns: Any, source: Source, group: Group, where: str, label: bool) -> Block:
    """A `Block` from something that gives Arrow columns by name, `columns(name)`."""
    x = np.empty((group.rows, len(source.columns)), source.dtype)
    features = [as_numbers(columns(name), name, f"column {name!r} of {where}") for name in source.columns]
    if any(len(feature) != group.rows for feature in features):
        raise DataError(f"{where} holds other rows than when it was opened. Leave it alone while it is in use.")
    # In blocks of rows that fit a processor's cache: column by column, every cell would fetch a line of its own.
    for start in range(0, group.rows, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        for j, feature in enumerate(features):
            x[rows, j] = feature[rows]
    weight = None if source.weight is None else weights_of(columns(source.weight), source.weight, where, group)
    names = None
    if label and source.label is not None:
        names = as_labels(columns(source.label), f"column {source.label!r} of {where}")
    index = np.arange(group.start, group.start + group.rows, dtype=np.int64)
    return Block(x, index, weight, names)


def weights_of(column: Any, name: str, where: str, group: Group) -> np.ndarray:
    """Row weights from an Arrow column, float64: finite and not negative; a block may be all zero."""
    weight = as_numbers(column, name, f"column {name!r} of {where}").astype(np.float64)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"column {name!r} of {where}: the weight of row {group.start + row} is {weight[row]:g}, a finite number of at "
            "least zero was expected. Mend it, or leave the weights out."
        )
    return weight


def numeric_type(kind: Any, name: str, where: str, has_nulls: bool) -> np.dtype:
    """The type of a column of numbers in memory; raises `DataError` for an Arrow type that holds none."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return np.dtype(np.float64)
    if pa.types.is_boolean(kind):
        return np.dtype(np.float64 if has_nulls else np.uint8)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        integer = pa.types.is_integer(kind)
        return np.dtype(np.float64 if integer and has_nulls else kind.to_pandas_dtype())
    raise DataError(
        f"column {name!r} of {where} holds {kind}, numbers were expected. Leave it out with drop=[{name!r}] / --drop, or "
        "make it the label."
    )


def chosen(selection: Selection, names: Sequence[str], where: str) -> tuple[tuple[str, ...], str | None, str | None]:
    """Names of the columns that are data, of the label and of the weight."""
    plan = selection.plan(names, where)
    label, weight = (None if i is None else names[i] for i in (plan.label, plan.weight))
    return tuple(names[i] for i in plan.keep), label, weight
