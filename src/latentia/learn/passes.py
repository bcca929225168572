"""Learners whose step is a whole pass: a closed-form move first, then the expectations under the parameters it left."""

from abc import ABC, abstractmethod
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from ..abilities import Statistics
from ..batch import Batches
from ..errors import NonFiniteError, ParameterError, choose
from ..processes import processes_of
from .base import Info, Learner, State
from .checkpoints import named, under


class Passes(Learner, ABC):
    """Closed-form moves over whole passes, from several starts of which the best is kept.

    One step is one pass: first the move that the pass before has earned, then the expectations, so that the reported
    bound is always that of the parameters as they stand. A start ends when what is climbed, the bound plus the part
    "penalty" where there is one, rises by less than `tol` nats per row of weight.

    Arguments:
        tol: nats per row of weight.
        max_iter: passes of each start.
        start: where to start, one of `starts`; "current" is where the parameters are.
        n_starts: how many starts; each takes the next seed.
        seed: of the starts.
        dtype: of the parameters and the data while learning.
    """

    starts: tuple[str, ...]
    is_closed = True

    def __init__(self, tol: float, max_iter: int, start: str, n_starts: int, seed: int, dtype: torch.dtype) -> None:
        choose("start", start, self.starts)
        for name, value in (("tol", tol), ("max_iter", max_iter), ("n_starts", n_starts)):
            if not value >= (0 if name == "tol" else 1):
                raise ParameterError(
                    f"{name}={value} is too small. Use {'0 or more' if name == 'tol' else '1 or more'}."
                )
        if start == "current" and n_starts > 1:
            raise ParameterError(f"n_starts={n_starts} cannot all begin at the current parameters. Use start='random'.")
        self.tol, self.max_iter, self.start, self.n_starts, self.seed = tol, max_iter, start, n_starts, seed
        self.dtype = dtype

    @abstractmethod
    def _begin(self, model: Any, batches: Batches, seed: int) -> None:
        """Choose where a start begins; every process comes out with the same."""

    @abstractmethod
    def _move(self, model: Any, statistics: Statistics) -> None:
        """The closed-form move that the statistics of a pass allow."""

    @abstractmethod
    def _expect(self, model: Any, batches: Batches) -> tuple[dict[str, Tensor], Info]:
        """One pass: statistics, and the bound of the parameters as they stand, over all processes."""

    def _moved(self, model: Any) -> nn.Module:
        """The module whose parameters and buffers a start moves."""
        return model

    def _first(self, model: Any, batches: Batches) -> State:
        if self.start != "current":
            self._begin(model, batches, self.seed)
        return State(numbers={"start": 0, "iteration": 0, "previous": None, "best": None})

    def _pass(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        statistics, numbers = under("statistics", state.tensors), dict(state.numbers)
        if statistics:
            self._move(model, statistics)
        elif numbers["start"] > 0:
            self._begin(model, batches, self.seed + numbers["start"])
        statistics, info = self._expect(model, batches)
        numbers["iteration"] += 1
        value = climbed(info)
        if not isfinite(value):
            raise NonFiniteError(not_finite(numbers["iteration"]))
        rise = None if numbers["previous"] is None else value - numbers["previous"]
        numbers["previous"] = value
        best = under("best", state.tensors)
        if (rise is not None and rise < self.tol) or numbers["iteration"] >= self.max_iter:
            info, statistics = self._end_start(model, numbers, best, info, rise), {}
        tensors = {**named("statistics", statistics), **named("best", best)}
        return State(state.step + 1, tensors, numbers), info

    def _end_start(self, model: Any, numbers: dict[str, Any], best: dict[str, Tensor], info: Info, rise: Any) -> Info:
        """Keep this start if it is the best so far; begin the next one, or end with the best."""
        status, moved = self._status(numbers["iteration"], rise), self._moved(model)
        if numbers["best"] is None or climbed(info) > numbers["best"]["value"]:
            numbers["best"] = {"value": climbed(info), "start": numbers["start"] + 1, "status": status}
            numbers["best"] |= {"bound": _bound(info).item()}
            numbers["best"] |= {"parts": {name: part.item() for name, part in info.parts.items()}}
            best.update({name: value.detach().clone() for name, value in moved.state_dict().items()})
        numbers.update(start=numbers["start"] + 1, iteration=0, previous=None)
        if numbers["start"] < self.n_starts:
            return info
        kept = numbers["best"]
        moved.load_state_dict(best)
        best.clear()
        chosen = f" Start {kept['start']} of {self.n_starts} was the best." if self.n_starts > 1 else ""
        bound = _bound(info).new_tensor([kept["bound"]])
        parts = {name: _bound(info).new_tensor([value]) for name, value in kept["parts"].items()}
        return Info(bound, parts, info.weight, None, info.rows, True, kept["status"] + chosen)

    def _status(self, iteration: int, rise: float | None) -> str:
        if rise is not None and rise < self.tol:
            return f"Converged in {iteration} passes: the bound rose by less than {self.tol:g} nats per row."
        last = "" if rise is None else f", the last of which raised the bound by {rise:.2g} nats per row"
        return f"Stopped after max_iter={self.max_iter} passes{last}. Raise max_iter, or tol."


def _bound(info: Info) -> Tensor:
    assert info.bound is not None  # a pass always has one
    return info.bound


def climbed(info: Info) -> float:
    """What never falls, nats per row."""
    return (_bound(info) + info.parts.get("penalty", 0.0)).item()


def counted_once(weight: Tensor, batches: Batches) -> Tensor:
    """The weight of a number that all processes have: all know it, the first one tells it."""
    return weight if processes_of(batches).first else torch.zeros_like(weight)


def not_finite(step: int) -> str:
    """What to say where the bound is no number."""
    return (
        f"The log-likelihood stopped being a finite number at step {step}. Look for values that are not finite or beyond "
        "1e150 in the data, or try another start, a regulariser, or a smaller learning_rate."
    )
