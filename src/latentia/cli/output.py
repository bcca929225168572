"""Arrays written where the user asked: CSV, Parquet or NPY by the name's ending, or CSV on standard output."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..processes import current
from ..storage import write_text, write_whole

KINDS = (".csv", ".parquet", ".npy")


def write_array(values: np.ndarray, columns: Sequence[str], out: Path | None, force: bool = False) -> None:
    """Write `(rows, columns)`; raises `ParameterError` for an unknown ending or a file that is there."""
    write_blocks([values], len(values), columns, out, force)


def write_values(values: Any, columns: Sequence[str], out: Path | None, force: bool = False) -> None:
    """`write_array`, or of a list of sentences one on each line: on standard output, or in a .txt file."""
    if not isinstance(values, list):
        return write_array(values, columns, out, force)
    if not current().first:
        return
    text = "".join(f"{line}\n" for line in values)
    if out is None:
        sys.stdout.write(text)
        return
    if out.suffix.lower() != ".txt":
        raise ParameterError(
            f"--out {out} ends in {out.suffix or 'nothing'}. Sentences go to a name that ends in .txt."
        )
    if out.exists() and not force:
        raise ParameterError(f"{out} exists already and is kept. Use another name, or --force.")
    write_text(out, text)


def write_blocks(
    blocks: Iterable[np.ndarray], n_rows: int, columns: Sequence[str], out: Path | None, force: bool = False
) -> None:
    """Write rows that come in blocks, `n_rows` in all, of which one block at a time is in memory.

    Of several processes, all of which have worked on the blocks, the first writes.
    """
    if not current().first:
        deque(blocks, maxlen=0)
        return
    check_target(out, force)
    if out is None:
        _csv(blocks, columns, sys.stdout)
        return
    write = {".npy": _npy, ".parquet": _parquet, ".csv": _csv_file}[out.suffix.lower()]
    write_whole(out, lambda path: write(iter(blocks), n_rows, columns, path))


def check_target(out: Path | None, force: bool, option: str = "--out") -> None:
    """Raise `ParameterError` for an unknown ending or a file that is there; `option` is what named it."""
    if out is None:
        return
    if out.suffix.lower() not in KINDS:
        raise ParameterError(
            f"{option} {out} ends in {out.suffix or 'nothing'}. Use a name that ends in {', '.join(KINDS)}."
        )
    if out.exists() and not force:
        raise ParameterError(f"{out} exists already and is kept. Use another name, or --force.")


def _npy(blocks: Iterator[np.ndarray], n_rows: int, columns: Sequence[str], path: Path) -> None:
    first = next(blocks)
    header = {
        "descr": np.lib.format.dtype_to_descr(first.dtype),
        "fortran_order": False,
        "shape": (n_rows, len(columns)),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in chain([first], blocks):
            file.write(np.ascontiguousarray(block, first.dtype).data)


def _parquet(blocks: Iterator[np.ndarray], n_rows: int, columns: Sequence[str], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def table(block: np.ndarray) -> pa.Table:
        return pa.table({name: block[:, i] for i, name in enumerate(columns)})

    first = table(next(blocks))
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for block in blocks:
            writer.write_table(table(block))


def _csv_file(blocks: Iterator[np.ndarray], n_rows: int, columns: Sequence[str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        _csv(blocks, columns, file)


def _csv(blocks: Iterable[np.ndarray], columns: Sequence[str], file: Any) -> None:
    import csv

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for block in blocks:
        writer.writerows(block.tolist())
