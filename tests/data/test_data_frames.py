"""Data frames of every library give the same `Dataset`."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import latentia.data as data
from latentia.errors import DataError

COLUMNS = {"a": [1.5, 2.5, 3.5], "n": [1, 2, 3], "ok": [True, False, True], "kind": ["u", "v", "u"]}


class _Capsule:
    """A frame of a library nobody has heard of, which speaks Arrow."""

    def __arrow_c_stream__(self, requested_schema=None):
        return pa.table(COLUMNS).__arrow_c_stream__(requested_schema)


FRAMES = {
    "pandas": lambda: pd.DataFrame(COLUMNS),
    "pandas, indexed": lambda: pd.DataFrame(COLUMNS, index=[5, 3, 1]),
    "pandas, extension types": lambda: pd.DataFrame(COLUMNS).convert_dtypes(),
    "pandas, arrow types": lambda: pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, categories": lambda: pd.DataFrame(COLUMNS).astype({"kind": "category", "n": "category"}),
    "pandas, objects": lambda: pd.DataFrame(COLUMNS).astype(object),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "polars, lazy": lambda: pl.DataFrame(COLUMNS).lazy(),
    "polars, categories": lambda: pl.DataFrame(COLUMNS).with_columns(pl.col("kind").cast(pl.Categorical)),
    "pyarrow": lambda: pa.table(COLUMNS),
    "pyarrow, batch": lambda: pa.record_batch(COLUMNS),
    "arrow capsule": _Capsule,
}


@pytest.mark.parametrize("library", FRAMES)
def test_frames_of_every_library(library):
    got = data.load(FRAMES[library](), label="kind")
    assert got.x.tolist() == [[1.5, 1, 1], [2.5, 2, 0], [3.5, 3, 1]]
    assert got.columns == ("a", "n", "ok")
    assert got.label is not None
    assert got.label.dtype.kind == "U"
    assert got.label.tolist() == ["u", "v", "u"]


@pytest.mark.parametrize("library", FRAMES)
def test_text_is_named_with_its_row(library):
    with pytest.raises(DataError, match=r"column 'kind' of frame holds text, not numbers: row 0 is 'u'.*drop"):
        data.load(FRAMES[library]())


TYPES = [
    (pl.Series([1, 2], dtype=pl.UInt8), "u1"),
    (pl.Series([1, 2], dtype=pl.Float32), "f4"),
    (pl.Series([True, False]), "u1"),
    (pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 2)), "f8"),
    (pl.Series([None, None]), "f8"),
    (pd.Series([1, None], dtype="Int64"), "f8"),
    (pd.Series([True, None], dtype="boolean"), "f8"),
    (pd.Series([1, 0], dtype="Sparse[int64]"), "i8"),
    (pd.Series([1.0, 2.0], dtype="float16"), "f2"),
]


@pytest.mark.parametrize(("series", "dtype"), TYPES, ids=lambda v: v if isinstance(v, str) else str(v.dtype))
def test_column_types(series, dtype):
    got = data.load(series)
    assert got.x.shape == (2, 1)
    assert got.x.dtype == np.dtype(dtype)


def test_missing_cells_are_nan_until_somebody_checks():
    got = data.load(pl.DataFrame({"a": [1, None, 3], "b": [1.0, 2.0, None]}))
    np.testing.assert_array_equal(got.x, [[1, 1], [np.nan, 2], [3, np.nan]])
    with pytest.raises(DataError, match="row 1, column 'a' is nan; row 2, column 'b' is nan"):
        data.check_rows(got.x, columns=got.columns)


BAD = {
    "same names": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'?a'?"),
    "names that become the same": (pd.DataFrame([[1, 2]], columns=[1, "1"]), "same name"),
    "mixed": (pd.DataFrame({"a": [1, "x"]}), "row 1 is 'x'"),
    "objects": (pd.DataFrame({"a": [1, {}]}), "row 1 is {}"),
    "complex": (pd.DataFrame({"a": [1j]}), "Complex"),
    "dates": (pl.DataFrame({"a": [1]}).cast(pl.Datetime), "column 'a'.*timestamp"),
    "lists": (pl.DataFrame({"a": [[1]]}), "column 'a'.*list"),
    "large": (pl.DataFrame({"a": [2**60, None]}), r"2\*\*53"),
    "no rows": (pl.DataFrame({"a": []}), "shape"),
    "no columns": (pd.DataFrame(index=[1, 2]), "no column"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_frames(case):
    frame, words = BAD[case]
    with pytest.raises(DataError, match=words):
        data.load(frame)


def test_what_is_no_frame():
    with pytest.raises(DataError, match="frame is a list, a data frame was expected"):
        data.from_frame([1, 2])


def test_unused_columns_are_not_looked_at():
    got = data.load(pd.DataFrame({"a": [1], "b": [object()]}), drop=["b"])
    assert got.x.tolist() == [[1]]
