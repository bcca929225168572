"""What every family is: raw network output -> a distribution.

A `Family` is read cell by cell: it says how many raw numbers a cell needs (`n_raw`), takes raw output
`(..., n_raw, *event)` and gives a distribution of batch shape `(..., *event)`. A `RowFamily` is read row by row: it says
how many raw numbers a row needs (`n_outputs`), takes `(..., n_outputs)` and gives a distribution whose event is the row.
Both know the values they can explain (`check`) and the raw output that fits the columns one by one (`start`), which is
where an output bias begins.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import inf, isfinite, prod
from numbers import Real
from operator import index

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..errors import DataError, ParameterError

LOG_SCALE_BOUND = 12.0  # scales and rates stay between e^-12 and e^12 model units
LOG_SHAPE_BOUND = 6.0  # shapes whose logarithm of a gamma function float32 still resolves: 0.0025 to 403
# The last place where float32 can tell the slope of tanh from zero: beyond it zero times infinity would be no number.
SATURATED = 8.6
LOG_POWER_BOUND = 3.0  # shapes that are exponents: 0.05 to 20
MOST = 1e12  # of an option that is a number
LOC_BOUND = 1e13  # farther out, in units of the least scale, the squares of float32 overflow


def bounded(raw: Tensor, bound: float = LOG_SCALE_BOUND) -> Tensor:
    """bound tanh(raw / bound): raw near zero, never beyond the bound, smooth, and level where tanh is as good as one.

    >>> bounded(torch.tensor([0.0, 1e30]))
    tensor([ 0.0000, 12.0000])
    """
    return bound * torch.tanh((raw / bound).clamp(-SATURATED, SATURATED))


def positive(raw: Tensor, bound: float = LOG_SCALE_BOUND) -> Tensor:
    """exp(bounded(raw)): raw is a logarithm, and the result lies between e^-bound and e^bound.

    >>> positive(torch.tensor([0.0, -1e30]), 3.0)
    tensor([1.0000, 0.0498])
    """
    return torch.exp(bounded(raw, bound))


def located(raw: Tensor) -> Tensor:
    """raw, held between -1e13 and 1e13: a centre whose distance, in units of the least scale, has a finite square.

    >>> located(torch.tensor([3.0, -1e30]))
    tensor([ 3.0000e+00, -1.0000e+13])
    """
    return raw.clamp(-LOC_BOUND, LOC_BOUND)


def unbounded(value: Tensor, bound: float = LOG_SCALE_BOUND) -> Tensor:
    """The raw number that `bounded` maps to `value`, kept inside 0.99 of the bound.

    >>> bounded(unbounded(torch.tensor(2.0), 3.0), 3.0)
    tensor(2.)
    """
    return bound * torch.atanh((value / bound).clamp(-0.99, 0.99))


def first_cell(x: np.ndarray, wrong: np.ndarray, columns: Sequence[str] | None = None) -> str | None:
    """Where the first wrong cell of x is and what it holds, in words; None where none is wrong.

    >>> first_cell(np.array([[1.0, 0.5]]), np.array([[False, True]]), ["a", "b"])
    'row 0, column b holds 0.5'
    """
    if not wrong.any():
        return None
    row, cell = (int(i[0]) for i in np.nonzero(wrong))
    return f"row {row}, column {columns[cell] if columns is not None else cell} holds {x[row, cell]:g}"


class Family(nn.Module, ABC):
    """Raw network output -> distribution of single cells.

    Arguments:
        event_shape: shape of one row's cells.
    """

    name: str
    n_raw: int = 1
    is_density: bool = True
    bounded_above: bool = True  # whether the density of a value stays finite whatever the parameters
    values: str = "real numbers"  # what `check` asks for, in words
    hint: str = "Use likelihood='normal', or rescale the data."

    def __init__(self, event_shape: Sequence[int]) -> None:
        super().__init__()
        self.event_shape = as_shape(event_shape)

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Shape of the raw output of one row."""
        return (self.n_raw, *self.event_shape)

    @property
    def n_outputs(self) -> int:
        """How many raw numbers one row needs: the width of a network's last layer."""
        return prod(self.raw_shape)

    @abstractmethod
    def forward(self, raw: Tensor) -> Distribution:
        """The distribution of batch shape `(..., *event)` from raw `(..., n_raw, *event)`."""

    @property
    def finite_moments(self) -> float:
        """E|x|^k is finite for every k below this, whatever the raw output."""
        return inf

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        """Raise `DataError` where a value of x `(rows, cells)` has no density under this family."""
        wrong = self._outside(x)
        found = None if wrong is None else first_cell(x, wrong, columns)
        if found is not None:
            raise DataError(f"A {self.name} likelihood needs {self.values}; {found}. {self.hint}")

    def _outside(self, x: np.ndarray) -> np.ndarray | None:
        """Which cells of x have no density; None where every number has one."""
        return None

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        """Raw output `raw_shape` with which each cell has about this mean and scale."""
        return torch.zeros(self.raw_shape)

    def _check_raw(self, raw: Tensor) -> None:
        if raw.shape[-len(self.raw_shape) :] != self.raw_shape:
            raise ParameterError(
                f"Raw output of shape {tuple(raw.shape)} came; a {self.name} of event shape {self.event_shape} reads "
                f"(..., {', '.join(map(str, self.raw_shape))}). Give the network {self.n_outputs} outputs."
            )

    def _raw(self, raw: Tensor) -> tuple[Tensor, ...]:
        self._check_raw(raw)
        axis = -1 - len(self.event_shape)
        return (raw.squeeze(axis),) if self.n_raw == 1 else raw.unbind(axis)


def as_shape(event_shape: Sequence[int]) -> tuple[int, ...]:
    """Sizes of axes as a tuple; raises `ParameterError` unless all are whole numbers from 1."""
    try:
        shape = tuple(index(size) for size in event_shape)
    except TypeError:
        shape = (0,)
    if any(size < 1 for size in shape):
        raise ParameterError(f"event_shape={event_shape!r} cannot be used. Use whole numbers from 1, such as (5,).")
    return shape


class Positive(Family):
    """A family of positive numbers."""

    bounded_above = False
    values = "positive numbers"

    def _outside(self, x: np.ndarray) -> np.ndarray | None:
        return ~(x > 0)


class Counts(Family):
    """A family of whole numbers from 0."""

    values = "whole numbers from 0"
    hint = "Use counts, not shares or logarithms of them; or likelihood='normal'."

    def _outside(self, x: np.ndarray) -> np.ndarray | None:
        return (x < 0) | (x != np.floor(x))


class RowFamily(Family):
    """Raw network output `(..., n_outputs)` -> a distribution whose event is a whole row.

    Arguments:
        event_shape: shape of one row: `(size,)`.
    """

    least_size = 1

    def __init__(self, event_shape: Sequence[int]) -> None:
        super().__init__(event_shape)
        if len(self.event_shape) != 1 or self.event_shape[0] < self.least_size:
            raise ParameterError(
                f"{self.name} needs rows of one axis and at least {self.least_size} cells; event_shape="
                f"{self.event_shape} came. Use event_shape=(size,)."
            )

    @property
    def size(self) -> int:
        """Number of cells in a row."""
        return self.event_shape[0]

    @property
    @abstractmethod
    def raw_shape(self) -> tuple[int, ...]:
        """`(n_outputs,)`."""


def at_least(name: str, value: float, least: float, *, strictly: bool = True) -> float:
    """Return `value` if it is a number above `least`, and no more than 10^12, else raise `ParameterError`.

    >>> at_least("temperature", 0.5, 0.0)
    0.5
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and value <= MOST and (value > least or (not strictly and value == least)):
        return value
    bound = "above" if strictly else "of at least"
    raise ParameterError(f"{name}={value!r} cannot be used. Use a number {bound} {least:g} and at most {MOST:g}.")


def whole(name: str, value: float, least: int = 1) -> int:
    """Return `value` as an integer if it is a whole number from `least` on, else raise `ParameterError`.

    >>> whole("rank", 2.0)
    2
    """
    number = isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
    if number and value == int(value) and value >= least:
        return int(value)
    raise ParameterError(f"{name}={value!r} cannot be used. Use a whole number from {least}.")
