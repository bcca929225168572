"""A file of lines as data: one sentence in each row, one column."""

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import DataError
from .dataset import Dataset
from .selection import Selection
from .text import read_lines

COLUMN = "text"


class TextData(Dataset):
    """Sentences, `(rows, 1)`, of type object; the column is called "text"."""

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when a sentence changes."""
        digest = hashlib.sha256()
        for line in self.x[:, 0]:
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()[:16]


def text_data(lines: list[str], name: str) -> TextData:
    """Lines as a data set.

    >>> text_data(["the cat sat", ""], "cats")
    Dataset 'cats': 2 rows, 1 columns, object
    """
    x = np.empty((len(lines), 1), dtype=object)
    x[:, 0] = lines
    return TextData(x, (COLUMN,), name)


def read_text(path: Path, selection: Selection) -> TextData:
    """The lines of a text file; it has no columns to choose from."""
    asked = [*(selection.columns or ()), *selection.drop, *(c for c in (selection.label, selection.weight) if c)]
    if any(column != COLUMN for column in asked) or selection.drop:
        raise DataError(
            f"{path} holds lines of text, in one column called {COLUMN!r}; {', '.join(map(repr, asked))} was asked for. Leave "
            "out --columns, --drop, --label and --weight."
        )
    return text_data(read_lines(path), path.name)
