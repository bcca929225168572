"""`load`: one verb for named sets, files, folders, arrays and frames."""

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataError, choose
from .arrays import from_array, read_npy, read_npz
from .catalogue import CATALOGUE
from .checks import brief, suggest
from .dataset import Dataset, select
from .idx import read_idx
from .images import ENDINGS, read_images
from .lines import read_text
from .memory import fits
from .named import load_named
from .parquet import find_shards
from .selection import Selection
from .shards import Shards, can_stream, open_source, read_shards
from .tables import arrow_table, as_frame, csv_table, from_frame, parquet_table, read_arrow, read_csv, read_parquet

_READERS: tuple[tuple[tuple[str, ...], Callable[[Path, Selection], Dataset]], ...] = (
    ((".csv", ".csv.gz", ".tsv", ".tsv.gz"), read_csv),
    ((".parquet",), read_parquet),
    ((".arrow", ".feather", ".ipc"), read_arrow),
    ((".npy",), read_npy),
    ((".npz",), read_npz),
    ((".txt", ".txt.gz"), read_text),
    ((".gz", "-ubyte", ".idx"), read_idx),
)
_KNOWN = ".csv, .tsv (or .csv.gz, .tsv.gz), .parquet, .arrow, .feather, .ipc, .npy, .npz, IDX (-ubyte, .gz), .txt (lines of text; also .gz)"


def load(
    source: Any,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    label: str | None = None,
    weight: str | None = None,
    split: str = "train",
) -> Dataset:
    """Return a `Dataset` from a named set, a file, a folder of pictures, an array or a data frame.

    Args:
        source: a name out of `names()`; a path to CSV, TSV (also with .gz), Parquet, Arrow, NPY, NPZ or IDX, to lines of text, or
            to a folder of Parquet shards, or of pictures of one size, whose sub-folders are classes; an array `(rows, columns)` or
            `(rows, height, width[, channels])`; a data frame of any library; a `Dataset`. A name goes before a
            file of the same name: write "./iris" for the file.
        columns: the names of the columns to keep; all by default.
        drop: the names of columns to leave out.
        label: the column (in an NPZ file also the array) that is the label and no data.
        weight: the column (or array) that is the row weight and no data.
        split: "train", "valid" or "test", for what has such parts.

    Raises:
        DataError: no such set or file, a damaged or hostile one, columns that are unknown or not numbers.
        ParameterError: `split` is none of the three.

    >>> load("iris", drop=["petal width (cm)"])
    Dataset 'iris': 150 rows, 3 columns, float64, label
    """
    choose("split", split, ("train", "valid", "test"))
    selection = Selection.of(columns, drop, label, weight)
    return _load(source, selection).part(split)


def open_data(
    source: Any,
    *,
    stream: str = "auto",
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    label: str | None = None,
    weight: str | None = None,
    split: str = "train",
) -> Dataset | Shards:
    """`load` what fits into memory, `open_shards` what does not.

    Arguments:
        source, columns, drop, label, weight, split: as for `load`.
        stream: "no" loads; "yes" opens; "auto" opens what can be opened and would take more than a quarter of the free
            memory.

    >>> open_data("iris").x.shape
    (150, 4)
    """
    choose("stream", stream, ("auto", "yes", "no"))
    options: dict[str, Any] = {"columns": columns, "drop": drop, "label": label, "weight": weight}
    if stream == "no" or not isinstance(source, (str, os.PathLike)) or source in CATALOGUE:
        if stream == "yes":
            raise DataError("Named sets and rows in memory cannot be streamed; a path was expected. Use stream='no'.")
        return load(source, **options, split=split)
    path = _path(source)
    mode = _mode(path)
    if stream == "auto" and not (can_stream(path) and _is_large(path, mode)):
        return load(source, **options, split=split)
    shards = open_source(path, Selection.of(**options))
    if stream == "auto" and fits(shards.n_bytes):
        return load(source, **options, split=split)
    if split != "train":
        raise DataError(f"{shards.name} has no part {split!r}. It has: train.")
    return shards


def _is_large(path: Path, mode: int) -> bool:
    """Whether a table might not fit; packed, it rarely is less than a twentieth of its size in memory."""
    return stat.S_ISDIR(mode) or not fits(20 * path.stat().st_size)


def _load(source: Any, selection: Selection) -> Dataset:
    if isinstance(source, Dataset):
        return select(source, selection)
    if isinstance(source, str) and source in CATALOGUE:
        return select(load_named(source), selection)
    if isinstance(source, (str, os.PathLike)):
        return _load_path(_path(source), selection)
    asked = {"columns": selection.columns, "drop": selection.drop, "label": selection.label}
    if as_frame(source) is not None:
        return from_frame(source, **asked, weight=selection.weight)
    if isinstance(source, (list, tuple)) or hasattr(source, "__array__") or hasattr(source, "toarray"):
        return from_array(source, **asked, weight=selection.weight)
    raise DataError(
        f"A {type(source).__name__} came; the name of a data set, a path, an array or a data frame was expected. "
        f"The names are: {', '.join(CATALOGUE)}."
    )


def _path(source: str | os.PathLike) -> Path:
    text = os.fspath(source)
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    if not text:
        raise DataError("An empty path came; the name of a data set, a file or a folder was expected.")
    if text.startswith(("http://", "https://", "ftp://", "s3://")):
        raise DataError(f"{text!r} is an address, a path was expected. Download the file and name it here.")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # a home folder that cannot be found
        raise DataError(f"{text!r} is no path that can be followed ({brief(error)}). Write it in full.") from error


def _load_path(path: Path, selection: Selection) -> Dataset:
    mode = _mode(path)
    if not path.name:  # "." and "/" are called nothing
        path = path.resolve()
    if stat.S_ISDIR(mode):
        return read_shards(path, selection) if find_shards(path) else read_images(path, selection)
    data = _reader_of_file(path, mode)(path, selection)
    return replace(data, name=path.name)


def _reader_of_file(path: Path, mode: int) -> Callable[[Path, Selection], Dataset]:
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is no regular file (a pipe or device?). Write its content into a file first.")
    reader = _reader(path)
    if not path.stat().st_size:
        raise DataError(f"{path} is empty (0 bytes). Make or download it again.")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path} may not be read. Change its permissions, or copy it.")
    return reader


def open_table(source: Any) -> Any:
    """A file as a pyarrow table with all its columns, numbers or not; None of what is no table: images, arrays, folders.

    Raises: `DataError` where there is no such file, or it is damaged.
    """
    path = _path(source)
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        return None
    readers: dict[Any, Callable[[Path], Any]] = {
        read_csv: lambda p: csv_table(p)[0],
        read_parquet: parquet_table,
        read_arrow: arrow_table,
    }
    reader = readers.get(_reader_of_file(path, mode))
    return None if reader is None else reader(path)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"There is no file, folder or data set {str(path)!r}.{_near(path)}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or brief(error)
        raise DataError(f"{str(path)!r} cannot be opened ({reason}). Check the path and its links.") from error


def _near(path: Path) -> str:
    """Names like the one that was asked for: of files beside it, and of data sets."""
    try:
        beside = sorted(str(p) for p in path.parent.iterdir())
    except OSError:
        beside = []
    near = suggest(path.name, CATALOGUE) or suggest(str(path), beside)
    return near or f" Give a path, or one of: {', '.join(CATALOGUE)}."


def _reader(path: Path) -> Callable[[Path, Selection], Dataset]:
    name = path.name.lower()
    for endings, reader in _READERS:
        if name.endswith(endings):
            return reader
    if name.endswith(ENDINGS):
        raise DataError(f"{path} is one picture, a folder of them was expected. Name its folder.")
    raise DataError(f"{path} has the ending {path.suffix!r}, which is not known. Known are {_KNOWN}.")
