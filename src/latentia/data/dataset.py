"""The one thing that every reader returns."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..errors import DataError
from .checks import check_weight
from .selection import Selection, check_unique


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of numbers, with what is known about them.

    Args:
        x: `(rows, columns)`, real numbers, C-contiguous; images are flattened. Missing cells are NaN:
            `check_rows` refuses them where a model cannot do with them.
        columns: one name for each column; "pixel_0", ... for images.
        name: what the user asked for: the name of a set or a file.
        label: `(rows,)` of any type, or None.
        weight: `(rows,)` float64, finite, not negative, not all zero, or None.
        image_shape: `(height, width)` or `(height, width, channels)` of a row, or None.
        test: the published test part, where there is one.
        valid: the published validation part, where there is one.
        source: a sentence that says where the data came from.

    Raises:
        DataError: the shapes do not belong together.

    >>> data = Dataset(np.zeros((3, 2)), columns=("a", "b"), name="zeros")
    >>> data
    Dataset 'zeros': 3 rows, 2 columns, float64
    """

    x: np.ndarray
    columns: tuple[str, ...]
    name: str
    label: np.ndarray | None = None
    weight: np.ndarray | None = None
    image_shape: tuple[int, ...] | None = None
    test: "Dataset | None" = None
    valid: "Dataset | None" = None
    source: str = ""

    def __post_init__(self) -> None:
        self._check()
        object.__setattr__(self, "x", np.ascontiguousarray(self.x))
        if self.weight is not None:
            weight = check_weight(self.weight, len(self.x), name=f"the weights of {self.name}")
            object.__setattr__(self, "weight", weight)

    def _check(self) -> None:
        if self.x.ndim != 2 or 0 in self.x.shape:
            raise DataError(f"{self.name}: shape {self.x.shape} came, rows x columns was expected, one at least.")
        rows, width = self.x.shape
        if len(self.columns) != width:
            raise DataError(f"{self.name}: {len(self.columns)} column names came for {width} columns.")
        check_unique(self.columns, self.name)
        if self.label is not None and self.label.shape != (rows,):
            raise DataError(f"{self.name}: labels of shape {self.label.shape} came for {rows} rows.")
        if self.image_shape is not None and int(np.prod(self.image_shape)) != width:
            raise DataError(f"{self.name}: pictures of {self.image_shape} do not have {width} pixels.")

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when shape, type, column names or a value of `x` changes."""
        digest = hashlib.sha256(repr((self.x.shape, self.x.dtype.str, self.columns)).encode())
        digest.update(self.x.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()[:16]

    def part(self, split: str) -> "Dataset":
        """Return the "train" (this one), "valid" or "test" part, or raise `DataError` if there is none."""
        parts = {"train": self, "valid": self.valid, "test": self.test}
        part = parts.get(split)
        if part is None:
            there = ", ".join(name for name, value in parts.items() if value is not None)
            raise DataError(f"{self.name} has no part {split!r}. It has: {there}.")
        return part

    def __repr__(self) -> str:
        extra = [f"image {'x'.join(map(str, self.image_shape))}"] if self.image_shape else []
        extra += [what for what in ("label", "weight", "valid", "test") if getattr(self, what) is not None]
        head = f"Dataset {self.name!r}: {self.x.shape[0]} rows, {self.x.shape[1]} columns, {self.x.dtype}"
        return ", ".join([head, *extra])


def select(data: Dataset, selection: Selection) -> Dataset:
    """Return `data` with the asked columns only, in the parts as well."""
    if selection.trivial:
        return data
    plan = selection.plan(data.columns, data.name)
    whole = plan.keep == list(range(data.x.shape[1]))
    return replace(
        data,
        x=data.x if whole else data.x[:, plan.keep],
        columns=tuple(data.columns[i] for i in plan.keep),
        label=data.label if plan.label is None else tidy_label(data.x[:, plan.label]),
        weight=data.weight if plan.weight is None else data.x[:, plan.weight],
        image_shape=data.image_shape if whole else None,
        test=data.test and select(data.test, selection),
        valid=data.valid and select(data.valid, selection),
    )


def tidy_label(label: np.ndarray) -> np.ndarray:
    """Return class numbers that were written as 5.0 as integers, and everything else as it is."""
    whole = label.dtype.kind == "f" and np.isfinite(label).all() and (label == np.round(label)).all()
    return label.astype(np.int64) if whole and np.abs(label).max(initial=0) < 2**53 else label.copy()
