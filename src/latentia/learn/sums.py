"""What an epoch's steps come to: kept as they are while learning goes on, reduced in bulk."""

from typing import Any

import torch
from torch import Tensor

from ..processes import Processes
from .base import Info

WINDOW = 64  # steps whose rows are kept before they are summed


class Sums:
    """Weighted means of the bound and its parts over the running epoch.

    A step only hands over references. Every `WINDOW` steps their rows are summed in float64; reading the means in
    between changes no bit of what comes later.

    >>> sums = Sums()
    >>> sums.add(Info(torch.tensor([-1.0, -3.0]), {"kl": torch.tensor([0.0, 1.0])}, None, None, 2))
    >>> sums.means()
    (-2.0, {'kl': 0.5})
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.steps = 0
        self.total: Tensor | None = None
        self._waiting: list[Tensor | Info] = []

    def add(self, info: Info) -> None:
        """Take in one step."""
        self._waiting.append(info)
        self.steps += 1
        if self.steps >= WINDOW:
            self.total, self._waiting, self.steps = self._now(), [], 0

    def add_up(self, processes: Processes) -> None:
        """Take in what the other processes have; to be called by all of them, at the end of an epoch."""
        if processes.many:
            (self.total,), self._waiting = processes.all_sum(self._now()), []

    def means(self) -> tuple[float, dict[str, float]]:
        """Weighted mean of the bound and of each part; NaN before the first step."""
        if self.total is None and not self._waiting:
            return float("nan"), {}
        total = self._now()
        bound, *parts = (total[:-1] / total[-1]).tolist()
        return bound, dict(zip(self._part_names(), parts))

    def _part_names(self) -> tuple[str, ...]:
        newest = self._waiting[-1] if self._waiting else None
        if isinstance(newest, Info):
            self.names = tuple(newest.parts)
        return self.names

    def _now(self) -> Tensor:
        self._part_names()
        if not self._waiting:
            assert self.total is not None
            return self.total
        rows = self._rows()
        weighted = torch.cat([rows[:-1] * rows[-1], rows[-1:]]).sum(1)
        return weighted if self.total is None else self.total + weighted

    def _rows(self) -> Tensor:
        """Bound, parts and weight of every waiting row, `(2 + parts, rows)`, float64."""
        return torch.cat([_as_rows(item) for item in self._waiting], 1)

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and numbers for a checkpoint."""
        tensors = {} if self.total is None else {"total": self.total}
        if self._waiting:
            tensors["rows"] = self._rows()
        return tensors, {"steps": self.steps, "names": list(self._part_names())}

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any], device: torch.device) -> None:
        """Go to where a `snapshot` was taken."""
        self.total = tensors["total"].to(device) if "total" in tensors else None
        self._waiting = [tensors["rows"].to(device)] if "rows" in tensors else []
        self.steps, self.names = numbers["steps"], tuple(numbers["names"])


def _as_rows(item: "Tensor | Info") -> Tensor:
    if isinstance(item, Tensor):
        return item
    parts = list(item.parts.values())
    bound = torch.zeros_like(parts[0]) if item.bound is None else item.bound
    weight = torch.ones_like(bound) if item.weight is None else item.weight
    return torch.stack([bound, *parts, weight]).double()
