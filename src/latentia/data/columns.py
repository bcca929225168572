"""Columns of a table, held by Arrow, as NumPy arrays: features, labels and weights."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from .checks import MAX_EXACT, brief, check_weight, to_numeric
from .dataset import Dataset, tidy_label
from .files import MAX_BYTES
from .selection import Selection

Column = Any  # a pyarrow.ChunkedArray: pyarrow has no types that a checker could read


def assemble(
    names: Sequence[str],
    column: Callable[[int], Column],
    selection: Selection,
    name: str,
    source: str,
) -> Dataset:
    """Build a `Dataset` from columns, asking `column(i)` only for those that are used."""
    plan = selection.plan(names, name)

    def where(i: int) -> str:
        return f"column {names[i]!r} of {name}"

    features = [as_numbers(column(i), names[i], where(i)) for i in plan.keep]
    label = None if plan.label is None else as_labels(column(plan.label), where(plan.label))
    weight = None
    if plan.weight is not None:
        values = as_numbers(column(plan.weight), names[plan.weight], where(plan.weight))
        weight = check_weight(values, len(features[0]), name=where(plan.weight))
    kept = tuple(names[i] for i in plan.keep)
    return Dataset(_stack(features), kept, name, label=label, weight=weight, source=source)


def as_numbers(column: Column, name: str, where: str) -> np.ndarray:
    """Return a column of numbers `(rows,)`; missing cells become NaN, and integers with them float64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(column)
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.uint8()), pa.uint8()
    if pa.types.is_decimal(kind):
        return to_numeric(column.cast(pa.float64(), safe=False).to_numpy(), where=where)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise DataError(_not_numbers(column, name, where))
    if pa.types.is_integer(kind) and column.null_count:
        extreme = pc.call_function("min_max", [column]).as_py()
        # Once they are float64, as missing cells need, nobody can see that digits were lost.
        if max(extreme["max"] or 0, -(extreme["min"] or 0)) > MAX_EXACT:
            to_numeric(column.drop_null().to_numpy(), where=where)
        column = column.cast(pa.float64())
    return to_numeric(column.to_numpy(), where=where)


def as_labels(column: Column, where: str) -> np.ndarray:
    """Return a column `(rows,)` as labels: text, or numbers (whole ones as integers)."""
    import pyarrow as pa

    column = _plain(column)
    if column.null_count:
        row = next(i for i, value in enumerate(column) if not value.is_valid)
        raise DataError(f"{where} is the label but has none in row {row} ({column.null_count} in total). Fill it in.")
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return tidy_label(column.to_numpy())
    try:
        return _text(column.cast(pa.string()), where)
    except pa.ArrowException as error:
        raise DataError(f"{where} cannot be a label ({column.type}). Use numbers or UTF-8 text.") from error


def _text(column: Column, where: str) -> np.ndarray:
    import pyarrow.compute as pc

    lengths = pc.call_function("utf8_length", [column])
    longest = pc.call_function("max", [lengths]).as_py() or 0
    if 4 * longest * len(column) > MAX_BYTES // 4:  # NumPy gives every row the room of the longest
        raise DataError(f"{where} is the label and has up to {longest} characters. Use shorter labels.")
    return column.to_numpy().astype(str)


def _plain(column: Column) -> Column:
    """Undo categories, which Arrow holds as numbers of words."""
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _stack(features: list[np.ndarray]) -> np.ndarray:
    rows = len(features[0])
    x = np.empty((rows, len(features)), np.result_type(*features))
    # In blocks of rows: written column by column, every cell would fetch a cache line of its own.
    for start in range(0, rows, 1024):
        block = slice(start, start + 1024)
        for j, feature in enumerate(features):
            x[block, j] = feature[block]
    return x


def _not_numbers(column: Column, name: str, where: str) -> str:
    import pyarrow as pa

    advice = f"Leave it out with drop=[{name!r}] / --drop, or make it the label."
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(is_text(column.type) for is_text in text):
        encoding = " (or text that is not UTF-8)" if pa.types.is_binary(column.type) else ""
        return f"{where} holds {column.type}{encoding}, numbers were expected. {advice}"
    row, value = _first_word(column)
    return f"{where} holds text, not numbers: row {row} is {brief(repr(value))}. {advice}"


def _first_word(column: Column) -> tuple[int, str]:
    """The first text that is no number, or the first text if all of them could be read as numbers."""
    first = None
    for row, value in enumerate(column):
        if not value.is_valid:
            continue
        first = first or (row, value.as_py())
        try:
            float(value.as_py())
        except ValueError:
            return row, value.as_py()
    return first or (0, "missing")
