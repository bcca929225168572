"""Labels of any kind, made fit for colours."""

from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_CLASSES = 20
SHOWN = 9  # of too many names; the rest become "other"


@dataclass(frozen=True)
class Groups:
    """Rows in classes, or on a scale.

    Arguments:
        codes: number of each row's class, -1 where the label is missing, `(rows,)`; None on a scale.
        names: of the classes, plain text that may be hostile.
        values: numbers on a scale, `(rows,)`; None for classes.
        note: a sentence where something was left out, else "".
    """

    codes: np.ndarray | None
    names: tuple[str, ...] = ()
    values: np.ndarray | None = None
    note: str = ""


def group(label: Any) -> Groups | None:
    """Classes where there are at most 20 of them, a scale for more numbers, the nine commonest names and "other"
    otherwise; None where there is nothing to tell rows apart by.

    >>> group(np.array(["b", "a", "b"])).names
    ('a', 'b')
    >>> group(np.arange(30.0)).codes is None
    True
    """
    if label is None or not len(label):
        return None
    numeric = label.dtype.kind in "iufb"
    missing = np.array([_missing(v) for v in label.tolist()])
    if missing.all():
        return None
    known = label[~missing] if numeric else np.array([str(v) for v in label[~missing].tolist()], dtype=object)
    kinds, codes, counts = np.unique(known, return_inverse=True, return_counts=True)
    if len(kinds) <= MAX_CLASSES:
        return Groups(_spread(codes, missing), tuple(_name(k) for k in kinds.tolist()))
    if numeric:
        values = np.where(missing, np.nan, np.where(missing, 0, label).astype(np.float64))
        return Groups(None, values=values)
    return _commonest(kinds, codes, counts, missing)


def _commonest(kinds: np.ndarray, codes: np.ndarray, counts: np.ndarray, missing: np.ndarray) -> Groups:
    top = np.argsort(-counts, kind="stable")[:SHOWN]
    new = np.full(len(kinds), SHOWN)
    new[top] = np.arange(SHOWN)
    note = f"The label has {len(kinds)} different values; the {SHOWN} commonest have a colour of their own."
    names = (*(_name(kinds[i]) for i in top), "other")
    return Groups(_spread(new[codes], missing), names, note=note)


def _spread(codes: np.ndarray, missing: np.ndarray) -> np.ndarray:
    out = np.full(len(missing), -1)
    out[~missing] = codes.ravel()
    return out


def _missing(value: Any) -> bool:
    return value is None or value != value


def _name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
