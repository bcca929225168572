"""Arrays written where the user asked: CSV, Parquet or NPY by the name's ending, or CSV on standard output."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ParameterError
from ..storage import write_whole

KINDS = (".csv", ".parquet", ".npy")


def write_array(values: np.ndarray, columns: Sequence[str], out: Path | None, force: bool = False) -> None:
    """Write `(rows, columns)`; raises `ParameterError` for an unknown ending or a file that is there."""
    if out is None:
        _csv(values, columns, sys.stdout)
        return
    if out.suffix.lower() not in KINDS:
        raise ParameterError(
            f"--out {out} ends in {out.suffix or 'nothing'}. Use a name that ends in {', '.join(KINDS)}."
        )
    if out.exists() and not force:
        raise ParameterError(f"{out} exists already and is kept. Use another name, or --force.")
    write_whole(out, lambda path: _write(values, columns, path, out.suffix.lower()))


def _write(values: np.ndarray, columns: Sequence[str], path: Path, kind: str) -> None:
    if kind == ".npy":
        with path.open("wb") as file:
            np.save(file, values, allow_pickle=False)
    elif kind == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({name: values[:, i] for i, name in enumerate(columns)}), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            _csv(values, columns, file)


def _csv(values: np.ndarray, columns: Sequence[str], file) -> None:
    import csv

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(values.tolist())
