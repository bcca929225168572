"""Data frames of any library, and the CSV, Parquet and Arrow files that hold tables."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from .checks import brief, to_numeric
from .columns import Column, assemble
from .dataset import Dataset
from .files import MAX_BYTES, is_gzip, read_gzip, reading
from .selection import Selection

_HEAD = 2**22
_MISSING = {"", "na", "n/a", "null", "nan", "#n/a"}


def from_frame(
    frame: Any,
    *,
    columns: Iterable[str] | None = None,
    drop: Iterable[str] = (),
    label: str | None = None,
    weight: str | None = None,
    name: str = "frame",
    source: str = "",
) -> Dataset:
    """Return a `Dataset` of a data frame of any library that narwhals or Arrow knows; its index is ignored.

    Args:
        frame: pandas, polars (lazy too), pyarrow, modin, duckdb, ...: `(rows, columns)`.
        columns: the names of the columns to keep; all by default.
        drop: the names of columns to leave out.
        label: the name of the column that is the label.
        weight: the name of the column that is the row weight.
        name: what the messages call the data.
        source: a sentence on where they came from.

    Raises:
        DataError: no data frame, a column that does not hold numbers, an unknown or repeated column name.

    >>> import pandas as pd
    >>> from_frame(pd.DataFrame({"a": [1.0, 2.0], "kind": ["u", "v"]}), label="kind")
    Dataset 'frame': 2 rows, 1 columns, float64, label
    """
    selection = Selection.of(columns, drop, label, weight)
    table = as_frame(frame)
    if table is None:
        raise DataError(f"{name} is a {type(frame).__name__}, a data frame was expected. Try load or from_array.")
    try:
        names = [str(n) for n in table.columns]
        library = str(table.implementation).lower().removeprefix("implementation.")
    except Exception as error:  # each library has its own for names that appear twice
        raise DataError(f"{name} cannot be read as a data frame ({brief(error)}). Rename its columns.") from error
    where = [f"column {n!r} of {name}" for n in names]
    return assemble(
        names,
        lambda i: _as_arrow(table, i, where[i]),
        selection,
        name,
        source or f"A data frame in memory ({library}).",
    )


def as_frame(source: Any) -> Any:
    """Return `source` as an eager narwhals frame, or None if it is no data frame."""
    import narwhals as nw
    import pyarrow as pa

    try:
        if isinstance(source, pa.RecordBatch):
            source = pa.table(source)
        frame = nw.from_native(source, pass_through=True, allow_series=True)
        if isinstance(frame, nw.LazyFrame):
            frame = frame.collect()
        if isinstance(frame, nw.Series):
            frame = frame.to_frame()
        if not isinstance(frame, nw.DataFrame) and hasattr(source, "__arrow_c_stream__"):
            frame = nw.from_native(pa.table(source))
    except Exception as error:  # each library has its own
        raise DataError(f"The data frame cannot be read ({brief(error)}). Rename or convert its columns.") from error
    return frame if isinstance(frame, nw.DataFrame) else None


def _as_arrow(frame: Any, i: int, where: str) -> Column:
    import pyarrow as pa

    series = frame[:, i]
    try:
        column = series.to_arrow()
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        column = pa.array(to_numeric(series.to_numpy(), where=where))  # names the value that is no number
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def from_table(table: Any, selection: Selection, path: Path, source: str) -> Dataset:
    """Return a `Dataset` of a pyarrow table that came from a file."""
    names = [str(n).strip() or f"unnamed_{i}" for i, n in enumerate(table.column_names)]
    if not table.num_rows or not names:
        raise DataError(f"{path} has {len(names)} columns but {table.num_rows} rows. Give a file with rows.")
    return assemble(names, table.column, selection, path.name, source)


def read_parquet(path: Path, selection: Selection) -> Dataset:
    """Read the columns that are needed of a Parquet file."""
    return from_table(parquet_table(path, selection), selection, path, f"{path} (Parquet).")


def parquet_table(path: Path, selection: Selection | None = None) -> Any:
    """All columns of a Parquet file, or those that are needed, as a pyarrow table."""
    import pyarrow.parquet as pq

    with reading(path, "a Parquet file"), pq.ParquetFile(path) as file:
        names = without_index(file.schema_arrow.names)
        used = names if selection is None else [names[i] for i in selection.plan(names, path.name).used]
        _check_cells(path, file.metadata.num_rows, len(used))
        table = file.read(columns=used)
        table.validate(full=True)
    return table


def read_arrow(path: Path, selection: Selection) -> Dataset:
    """Read an Arrow file (Feather version 2) or stream."""
    return from_table(arrow_table(path), selection, path, f"{path} (Arrow).")


def arrow_table(path: Path) -> Any:
    """An Arrow file or stream as a pyarrow table."""
    import pyarrow as pa

    with reading(path, "an Arrow or Feather file"), pa.OSFile(str(path)) as file:
        whole = file.read(6) == b"ARROW1"
        file.seek(0)
        with (pa.ipc.open_file if whole else pa.ipc.open_stream)(file) as reader:
            table = reader.read_all()
        # Offsets in a file from a stranger may point anywhere; unchecked, reading text would follow them.
        table.validate(full=True)
        return table.select([i for i, n in enumerate(table.column_names) if n in without_index([n])])


def without_index(names: Sequence[str]) -> list[str]:
    """pandas stores an index without a name as a column; it is no more data in a file than in a frame."""
    return [name for name in names if not re.fullmatch(r"__index_level_\d+__", name)]


def _check_cells(path: Path, rows: int, columns: int) -> None:
    if 8 * rows * columns > MAX_BYTES:
        raise DataError(
            f"{path} declares {rows} rows of {columns} columns, over {MAX_BYTES} bytes. Use fewer columns=[...]."
        )


def read_csv(path: Path, selection: Selection) -> Dataset:
    """Read CSV or TSV, packed with gzip or not; without a header line the columns are called "0", "1", ..."""
    table, header = csv_table(path)
    note = "CSV" if header else "CSV without a header line, the columns are numbered"
    return from_table(table, selection, path, f"{path} ({note}).")


def csv_table(path: Path) -> tuple[Any, bool]:
    """CSV or TSV as a pyarrow table, and whether it has a header line."""
    import pyarrow as pa

    packed = read_gzip(path) if is_gzip(path) else None
    if packed is not None:
        content = pa.py_buffer(packed)
    else:
        with reading(path, "CSV"), pa.memory_map(str(path)) as file:
            content = file.read_buffer()
    line = _first_line(content, path)
    delimiter = _delimiter(line, path)
    with reading(path, "CSV"):
        header = not _are_numbers(next(csv.reader([line], delimiter=delimiter), [""]))
        table = _parse(content, path, delimiter, header, 4 * len(line))
    if not header:
        table = table.rename_columns([str(i) for i in range(table.num_columns)])
    return table, header


def _first_line(content: Any, path: Path) -> str:
    head = content[:_HEAD].to_pybytes().lstrip(b"\r\n")
    end = re.search(rb"[\r\n]", head)
    if not head:
        raise DataError(f"{path} has no lines. Give a file with rows.")
    if end is None and len(content) > _HEAD:
        raise DataError(f"{path} has a first line of over {_HEAD} bytes, CSV was expected. Is it text?")
    with reading(path, "CSV"):
        return head[: end.start() if end else None].decode("utf-8-sig")


def _delimiter(line: str, path: Path) -> str:
    if ".tsv" in path.suffixes:
        return "\t"
    bare = re.sub(r'"[^"]*"', "", line)
    return next((d for d in (",", ";", "\t") if d in bare), ",")


def _are_numbers(fields: list[str]) -> bool:
    """True if the line is data: at least one number, and besides numbers only missing cells.

    An empty first field speaks for a header: pandas and R write it above the row numbers.
    """
    found = 0
    for i, field in enumerate(fields):
        if field.strip().lower() in _MISSING:
            if i == 0 and not field.strip() and len(fields) > 1:
                return False
            continue
        try:
            float(field.replace("_", "x"))  # Python reads 1_000 as a number, CSV does not
        except ValueError:
            return False
        found += 1
    return found > 0


def _parse(content: Any, path: Path, delimiter: str, header: bool, block: int) -> Any:
    import pyarrow as pa
    from pyarrow import csv as pc

    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    def read(threads: bool) -> Any:
        return pc.read_csv(
            pa.BufferReader(content),
            pc.ReadOptions(use_threads=threads, block_size=max(2**22, block), autogenerate_column_names=not header),
            pc.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
        )

    try:
        return read(threads=True)
    except pa.ArrowInvalid:
        if not ragged:
            raise
    ragged.clear()
    with reading(path, "CSV"):
        try:
            return read(threads=False)  # only now do rows know their number
        except pa.ArrowInvalid as error:
            row = ragged[0]
            raise DataError(
                f"{path} is ragged: line {row.number} has {row.actual_columns} fields, {row.expected_columns} were "
                "expected. Correct that line, or quote fields that hold the separator."
            ) from error
