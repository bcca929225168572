"""What every model asks of its rows: numbers, finite, enough of them. Shared by the readers and the estimators."""

import difflib
import numbers
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import DataError

MAX_EXACT = 2**53
_SHOWN = 3
_CELLS_AT_ONCE = 4_000_000


def suggest(word: str, among: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the names of `among` that resemble `word`, or "" where none does.

    >>> suggest("minst", ["mnist", "iris"])
    " Did you mean 'mnist'?"
    """
    near = difflib.get_close_matches(word, list(among), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def check_rows(
    x: np.ndarray,
    *,
    columns: Sequence[str] | None = None,
    min_rows: int = 1,
    name: str = "the data",
    numbers: np.ndarray | None = None,
) -> None:
    """Raise `DataError` unless `x` can be fitted: numbers, all finite, and enough rows.

    Args:
        x: the rows, `(rows, columns)`.
        columns: one name for each column, used in messages; by default their positions.
        min_rows: how many rows are needed at least.
        name: what the messages call the data.
        numbers: of the rows in messages, `(rows,)`, where x is a part of something larger.

    Raises:
        DataError: no rows or columns, fewer than `min_rows` rows, a type that is not a real number, integers
            past 2**53, NaN or infinity. The message names the first cells, by 0-based row and column name.

    >>> check_rows(np.array([[1.0, np.nan]]), columns=["a", "b"])
    Traceback (most recent call last):
    ...
    latentia.errors.DataError: the data: 1 cell is NaN or infinite (row 0, column 'b' is nan). Leave out or \
fill in such rows, or leave out the column with drop=[...] / --drop.
    """
    _check_shape(x, min_rows, name)
    _check_kind(x, name)
    names = tuple(columns) if columns is not None else tuple(map(str, range(x.shape[1])))
    _check_exact(x, name)
    if x.dtype.kind == "f":
        _check_finite(x, names, name, numbers)


def check_weight(weight: object, rows: int, *, name: str = "the weights") -> np.ndarray:
    """Return row weights as float64 `(rows,)`, or raise `DataError`.

    Args:
        weight: one number per row: finite, not negative, not all zero.
        rows: how many there must be.
        name: what the messages call them.

    >>> check_weight([1, 2], 2)
    array([1., 2.])
    """
    w = to_numeric(weight, where=name).astype(np.float64)
    if w.shape != (rows,):
        raise DataError(f"{name}: shape {w.shape} came, one weight for each of the {rows} rows was expected.")
    for bad, what in ((~np.isfinite(w), "is not finite"), (w < 0, "is negative")):
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"{name}: row {row} {what} ({w[row]:g}); {int(bad.sum())} in total. Use weights >= 0.")
    if not w.any():
        raise DataError(f"{name}: all of them are zero, so that no row counts. Give some row a positive weight.")
    return w


def to_numeric(values: object, *, where: str) -> np.ndarray:
    """Return `values` as an array of real numbers in native byte order, of the type they came in.

    Booleans become uint8; numbers wider than float64 become float64; integers and float32 stay what they are.

    Args:
        values: an array or nested sequence of any shape.
        where: what the messages call them, such as "column 'age' of people.csv".

    Raises:
        DataError: text, dates, objects, complex numbers, masked cells, integers past 2**53. The message names
            the first offending value and its 0-based row.

    >>> to_numeric([True, False], where="column 'a'")
    array([1, 0], dtype=uint8)
    """
    x = _as_array(values, where)
    if x.dtype.kind in "USO":
        raise DataError(f"{where} {_first_text(x)}")
    _check_kind(x, where)
    _check_exact(x, where)
    if x.dtype.kind == "b":
        return x.astype(np.uint8)
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        return x.astype(np.float64)
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def check_real(values: object, name: str) -> None:
    """Raise `DataError` where complex numbers came; scikit-learn's own words for it print the numbers too.

    Args:
        values: an array, a tensor, a data frame or nested sequences.
        name: what the message calls them.

    >>> check_real([[1.0, 2j]], "the data")
    Traceback (most recent call last):
    ...
    latentia.errors.DataError: the data: complex numbers came (Complex data not supported). Give real and imaginary \
parts as columns of their own.
    """
    types = getattr(values, "dtypes", None)
    kinds = [getattr(values, "dtype", None)] if types is None else list(np.atleast_1d(np.asarray(types, dtype=object)))
    if isinstance(values, (list, tuple)):
        try:
            kinds = [np.asarray(values).dtype]
        except ValueError:  # rows of several lengths, which others refuse
            return
    if any("complex" in str(kind) for kind in kinds):
        raise DataError(
            f"{name}: complex numbers came (Complex data not supported). Give real and imaginary parts as columns of their own."
        )


def _as_array(values: object, where: str) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{where}: {int(np.ma.count_masked(values))} cells are masked. Fill them in first.")
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise DataError(f"{where}: a sparse matrix came, a dense array was expected. Try .toarray().")
    try:
        return np.asarray(values)
    except Exception as error:  # whatever the object's own conversion raises
        raise DataError(f"{where} cannot be turned into an array: {brief(error)}. Try a NumPy array.") from error


def brief(error: object) -> str:
    """The first line of a foreign message, short and printable, to be put into a sentence of ours."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = "".join(c if c.isprintable() else "?" for c in lines[0])
    return (line[:200] + "..." if len(line) > 200 else line).rstrip(". ")


def _first_text(x: np.ndarray) -> str:
    """Say which value is no number. The loop is Python, but only runs when there is an error to explain."""
    flat = x.reshape(-1)
    if not flat.size:
        return f"is empty and has the type {x.dtype}, numbers were expected."
    at = next((i for i, v in enumerate(flat) if not _is_number(v)), 0)
    row, *rest = np.unravel_index(at, x.shape) if x.ndim else (0,)
    cell = f"row {row}" + "".join(f", column {j}" for j in rest[:1])
    value = flat[at].item() if isinstance(flat[at], np.generic) else flat[at]
    kind = "text" if isinstance(value, (str, bytes)) else "objects"
    advice = "leave it out with drop=[...] / --drop, or make it the label"
    return f"holds {kind}, not numbers: {cell} is {brief(repr(value))}. Convert it, {advice}."


def _is_number(value: object) -> bool:
    if isinstance(value, (str, bytes)):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, numbers.Real)


def _check_shape(x: np.ndarray, min_rows: int, name: str) -> None:
    if x.ndim != 2:
        raise DataError(
            f"{name}: shape {x.shape} came, (rows, columns) was expected. "
            "Reshape your data: x.reshape(-1, 1) if it is one column, x.reshape(1, -1) if it is one row."
        )
    rows, columns = x.shape
    if not rows or not columns:
        raise DataError(f"{name}: empty, {rows} rows and {columns} columns came. At least one of each is needed.")
    if rows < min_rows:
        raise DataError(f"{name}: {rows} rows came, at least {min_rows} are needed. Give more rows.")


def _check_kind(x: np.ndarray, name: str) -> None:
    if x.dtype.kind in "biuf":
        return
    check_real(x, name)
    if x.dtype.kind in "USO":
        raise DataError(f"{name} {_first_text(x)}")
    kind = {"M": "dates", "m": "durations", "V": "records"}.get(x.dtype.kind, "values")
    raise DataError(f"{name} holds {kind} ({x.dtype}), numbers were expected. Convert or leave out such columns.")


def _check_exact(x: np.ndarray, name: str) -> None:
    if x.dtype.kind not in "iu" or x.dtype.itemsize < 8 or not x.size:
        return
    extreme = max(int(x.max()), -int(x.min()))
    if extreme > MAX_EXACT:
        raise DataError(
            f"{name}: an integer of size {extreme} came, float64 is exact only up to 2**53. "
            "Leave out such columns (identifiers?) with drop=[...] / --drop, or rescale them."
        )


def _check_finite(x: np.ndarray, names: tuple[str, ...], name: str, numbers: np.ndarray | None) -> None:
    count, first = 0, []
    step = max(1, _CELLS_AT_ONCE // x.shape[1])
    for start in range(0, len(x), step):
        good = np.isfinite(x[start : start + step])
        if good.all():
            continue
        bad = np.argwhere(~good)
        count += len(bad)
        first += [(start + int(i), int(j)) for i, j in bad[: _SHOWN - len(first)]]
    if count:
        number = (lambda i: i) if numbers is None else (lambda i: int(numbers[i]))
        cells = "; ".join(f"row {number(i)}, column {names[j]!r} is {x[i, j]}" for i, j in first)
        more = f"; and {count - len(first)} more" if count > len(first) else ""
        verb = "cell is" if count == 1 else "cells are"
        raise DataError(
            f"{name}: {count} {verb} NaN or infinite ({cells}{more}). "
            "Leave out or fill in such rows, or leave out the column with drop=[...] / --drop."
        )
