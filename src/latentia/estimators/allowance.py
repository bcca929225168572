"""The memory that a closed form may take, and how it is shared out."""

from copy import copy
from dataclasses import dataclass, replace
from math import ceil, inf
from numbers import Real
from typing import Any

from ..data import Shards
from ..data.mapped import ArraySource
from ..data.sources import Group
from ..errors import MemoryLimitError, ParameterError

MIB = 2**20
CELLS = 2**19  # of a batch, float64: 4 MiB
COPIES = 6  # of a batch that are alive together
# Measured of Parquet files with groups of 1, 2, 4 and 8 MiB, which cannot be cut: what its reader keeps for itself, and groups in memory
# that are read, decoded, joined and in float64.
READER, GROUP_COPIES = 40 * MIB, 14
LEAST = 8.0  # MiB: what the interpreter, the threads that read and the allocator take comes to 3 or 4
# Beside the solver's matrices an eighth for the copies of a batch, and a thirty-second for each block that is read, of which there
# are up to four and copies in float64; the rest for what the allocator keeps.
BATCH_SHARE, BLOCK_SHARE = 1 / 8, 1 / 32


@dataclass(frozen=True)
class Allowance:
    """Shares of what is allowed.

    Arguments:
        mib: 2^20 bytes in all, at least 8; None does not count.

    Raises: `ParameterError` for what is no positive number; `MemoryLimitError` for one that is too small to be kept.

    >>> Allowance(64).block, Allowance(64).rows(1000, 4096), Allowance(None).block
    (2097152, 174, None)
    """

    mib: float | None

    def __post_init__(self) -> None:
        given: Any = self.mib
        if given is None:
            return
        if not isinstance(given, Real) or isinstance(given, bool) or not 0 < float(given) < inf:
            raise ParameterError(
                f"max_memory={given!r} cannot be used. Use a positive number of MiB, such as 256, or None."
            )
        if given < LEAST:
            raise MemoryLimitError(
                f"max_memory={given:g} MiB cannot be kept: what reads the rows takes about that much. Allow {LEAST:g} MiB at least."
            )

    @property
    def total(self) -> int | None:
        """Bytes of everything."""
        return None if self.mib is None else int(self.mib * MIB)

    @property
    def block(self) -> int | None:
        """Bytes of the rows that are read at once."""
        return None if self.mib is None else int(BLOCK_SHARE * self.mib * MIB)

    def rows(self, n_features: int, most: int) -> int:
        """Rows of a batch."""
        cells = CELLS if self.mib is None else min(CELLS, BATCH_SHARE * self.mib * MIB / (8 * COPIES))
        return max(1, min(most, int(cells / n_features)))

    def shown(self, row_bytes: int, most: int) -> int:
        """Rows of a stream that are kept to be looked at in the end."""
        return most if self.block is None else max(1, min(most, self.block // row_bytes))

    def cut(self, shards: Shards) -> Shards:
        """The same rows in blocks of the size that is allowed; where they are an NPY file, in groups of that size.

        Raises: `MemoryLimitError` where they have row groups that are too large.
        """
        if self.block is None:
            return shards
        source = shards.source
        if isinstance(source, ArraySource):
            source = copy(source)
            source.groups = _groups(shards.n_all, max(1, self.block // shards.row_bytes))
        else:
            self._check_groups(shards)
        return replace(shards, source=source, block_bytes=self.block)

    def _check_groups(self, shards: Shards) -> None:
        largest = max(group.rows for group in shards.source.groups) * shards.row_bytes
        needed = GROUP_COPIES * largest + min(READER, GROUP_COPIES * shards.n_bytes)
        if self.total is not None and needed > self.total:
            raise MemoryLimitError(
                f"{shards.name} has row groups of {largest / MIB:.3g} MiB, to read which takes {ceil(needed / MIB)} MiB, and "
                f"max_memory={self.mib:g} MiB are allowed. Allow {ceil(needed / MIB)} MiB, or write it again with smaller row groups."
            )


def _groups(n_rows: int, at_once: int) -> tuple[Group, ...]:
    starts = range(0, n_rows, at_once)
    return tuple(Group(0, number, start, min(at_once, n_rows - start)) for number, start in enumerate(starts))
