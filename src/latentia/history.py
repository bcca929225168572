"""What happened, as plain rows."""

import csv
import io
from typing import Any

Row = dict[str, Any]
_FIRST = ("step", "epoch", "split", "bound")
_LAST = ("kl_weight", "learning_rate", "rows_per_second", "seconds")


def columns(rows: list[Row]) -> list[str]:
    """Column names: step, epoch, split, bound, then the named parts, times last.

    >>> columns([{"step": 1, "epoch": 1, "split": "train", "bound": -1.0, "seconds": 0.1, "kl": 0.2}])
    ['step', 'epoch', 'split', 'bound', 'kl', 'seconds']
    """
    seen = dict.fromkeys(key for row in rows for key in row)
    middle = [key for key in seen if key not in _FIRST and key not in _LAST]
    return [*_FIRST, *middle, *(key for key in _LAST if key in seen)]


def to_csv(rows: list[Row]) -> str:
    """The history as CSV text; numbers in full precision."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: repr(value) if isinstance(value, float) else value for key, value in row.items()} for row in rows
    )
    return out.getvalue()


def from_csv(text: str) -> list[Row]:
    """Rows from `to_csv`'s text.

    >>> from_csv(to_csv([{"step": 1, "epoch": 1, "split": "train", "bound": -1.5}]))
    [{'step': 1, 'epoch': 1, 'split': 'train', 'bound': -1.5}]
    """
    return [{key: _value(cell) for key, cell in row.items() if cell != ""} for row in csv.DictReader(io.StringIO(text))]


def _value(cell: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
