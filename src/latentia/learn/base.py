"""What every learner is: `init` and `step` over the same models, State to carry on, Info to look at."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch, Batches
from ..bounds import Bound, Terms
from ..bounds.evaluate import held_out_bound
from ..errors import NonFiniteError
from ..processes import processes_of
from .guard import explain


@dataclass
class State:
    """What must be carried on from step to step, and is written to checkpoints.

    Arguments:
        step: steps done.
        tensors: whatever tensors the learner needs again (optimiser moments, best parameters), by name.
        numbers: whatever else it needs again, ready for JSON.
        auxiliaries: modules that are neither p nor q (critics, baselines); None where there are none.
        handles: live objects rebuilt by `init` and filled by `restore` (optimisers); never written.
    """

    step: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    auxiliaries: nn.Module | None = None
    handles: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Info:
    """What is worth looking at after one step; tensors stay on the device until the loop reads them in bulk.

    Arguments:
        bound: the true bound, not the objective, of each row of the step, nats, `(n,)`; or one entry, the weighted
            mean over all rows, where a step is a whole pass; None of a learner that has no bound.
        parts: the same for each named part.
        weight: of each entry, `(n,)`; None is one each.
        loss: the scalar that was descended, 0-dimensional; None for a closed-form step.
        rows: rows used, those of all processes.
        done: the learner's own stop rule is met.
        status: why, in a sentence, when done.
    """

    bound: Tensor | None
    parts: Mapping[str, Tensor]
    weight: Tensor | None
    loss: Tensor | None
    rows: int
    done: bool = False
    status: str = ""


def step_info(terms: Terms, batch: Batch, loss: Tensor, done: bool = False, status: str = "") -> Info:
    """What a gradient step on one minibatch has to say."""
    parts = {name: _alone(part) for name, part in terms.parts.items()}
    return Info(_alone(terms.value), parts, batch.weight, _alone(loss), batch.n_together, done, status)


def _alone(tensor: Tensor) -> Tensor:
    return tensor.detach() if tensor.requires_grad else tensor


class Learner(ABC):
    """Alternates the two moves: tighten q, improve p.

    A learner is built with its posterior and its objective, draws as many batches as one move needs, and says by
    which bound its work is judged.
    """

    posterior: nn.Module
    bound: Bound
    name: str
    has_bound: bool = True  # on log p(x); without one there is nothing to stop early by
    is_closed: bool = False  # whether it moves a model that knows its closed-form update by that
    dtype: torch.dtype = torch.float32  # of the parameters and the data while learning
    can_shard: bool = False  # whether it learns networks whose layers are dealt out over the processes

    @abstractmethod
    def check(self, model: Any) -> None:
        """Raise `AbilityError`, naming the learners that would do, unless it can learn this model."""

    @abstractmethod
    def init(self, model: Any, batches: Batches) -> State:
        """Choose where to start; may move the model's parameters (k-means, data-dependent starts)."""

    @abstractmethod
    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        """One move."""

    def evaluate(self, model: Any, batches: Batches, state: State, seed: int) -> dict[str, float]:
        """What held-out rows say, by name: "bound" first, nats per row, of a learner that has one."""
        return held_out_bound(model, self.posterior, self.bound, batches, seed)

    def finish(self, model: Any, state: State, history: list[dict[str, Any]]) -> str:
        """Leave the model as it is to be used; sentences for the fit's status."""
        objective = getattr(self, "objective", None)
        return "" if objective is None else objective.status(state.step)

    def failed(self, model: Any, batches: Batches, state: State) -> NonFiniteError:
        """What to say where an epoch's numbers are not finite."""
        batch = next(iter(batches.in_order()))
        return NonFiniteError(explain(model, self.posterior, self.bound, batch, state.step - 1, processes_of(batches)))

    def as_measured(self, model: Any, state: State) -> AbstractContextManager[Any]:
        """Inside, the model is as `evaluate` sees it, for learners that keep other weights to be used."""
        return nullcontext()

    def of_kept(self) -> str:
        """A sentence about weights of an earlier step, to follow another."""
        return ""

    def rescue(self, model: Any, state: State) -> int:
        """After a loss that is no number: give the model its last good weights; the step that they are of."""
        return state.step

    def columns(self, state: State) -> dict[str, float]:
        """Numbers of the learner's own that are worth a column in the history, at the end of an epoch."""
        return {}

    def snapshot(self, state: State) -> State:
        """The state with all that lives in `handles` written into `tensors` and `numbers`."""
        return state

    def restore(self, state: State, saved: State) -> State:
        """A state from `init`, filled with what `snapshot` wrote."""
        return State(saved.step, dict(saved.tensors), dict(saved.numbers), state.auxiliaries, state.handles)
