"""Learners that make their moves by amortised steps: which parameters move, on what, and when, is theirs."""

from abc import ABC
from typing import Any

from torch import nn

from ..batch import Batches
from ..bounds import Bound
from ..errors import AbilityError
from .amortized import AmortizedVI
from .base import Info, Learner, State


class Around(Learner, ABC):
    """A learner around an `AmortizedVI`, whose optimiser, objective, schedule and checkpoints it has.

    Arguments:
        inner: makes the steps.
        bound: by which the work is judged on held-out rows; None is the inner one's.
    """

    def __init__(self, inner: AmortizedVI, bound: Bound | None = None) -> None:
        self.inner, self.posterior = inner, inner.posterior
        self.bound = inner.bound if bound is None else bound
        self.objective, self.schedule, self.learning_rate = inner.objective, inner.schedule, inner.learning_rate

    def check(self, model: Any) -> None:
        self.inner.check(model)

    def init(self, model: Any, batches: Batches) -> State:
        return self.inner.init(model, batches)

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        return self.inner.step(model, batches, state)

    def snapshot(self, state: State) -> State:
        return self.inner.snapshot(state)

    def restore(self, state: State, saved: State) -> State:
        return self.inner.restore(state, saved)


def require_own_parameters(posterior: nn.Module, what: str) -> None:
    """Raise `AbilityError` where q has no parameters of its own that a move of q alone could reach."""
    if not any(p.requires_grad for p in posterior.parameters()):
        raise AbilityError(
            f"{what} moves q alone, and {type(posterior).__name__} has no parameters of its own. Use AmortizedVI, or "
            "posteriors.Amortized with an encoder that the model does not share."
        )


def require_dreams(model: Any, what: str) -> None:
    """Raise `AbilityError` where rows cannot be drawn from the model."""
    if not getattr(model, "is_density", True):
        raise AbilityError(
            f"{what} draws rows from the model, and this likelihood is a reconstruction error, of which there are no draws. "
            "Use AmortizedVI, or a likelihood that is a density."
        )
