"""Aggressive training: the encoder catches up before each step of the model, as long as that raises the information in z."""

from typing import Any

import torch
from torch import nn

from ..batch import Batches
from ..bounds import auxiliaries_of, mutual_information
from ..errors import AbilityError, ParameterError
from ..posteriors.base import still
from .amortized import AmortizedVI
from .around import Around, require_own_parameters
from .base import Info, State
from .checkpoints import named, under

# Who moves: each with an optimiser of its own, so that "both" begins without the others' moments.
SIDES = ("q", "p", "both")


class Aggressive(Around):
    """Tighten: steps of q on fresh batches until the objective stops rising. Improve: one step of p. Later: both at once.

    The steps of q before a step of p end when the mean objective over `window` of them is not higher by more than
    `tolerance` than over the `window` before, and at the latest after `max_inner`. Every `mi_every` steps of p the mutual
    information of x and z is measured; when it has not risen by more than `mi_tolerance` since the last time, training
    goes on as `AmortizedVI` does. A step of the loop is one step of q, of p or of both, on one batch; epochs count all the
    rows read, so that an epoch of aggressive training moves p less often than a plain one.

    Arguments:
        posterior: q(z|x) with parameters of its own.
        window: steps of q whose mean is looked at.
        tolerance: nats per row.
        max_inner: steps of q before a step of p at most; how often that ended them is reported. Below twice the window
            nothing is compared, and every inner loop is as long as this.
        mi_every: steps of p from one measurement to the next; None is as many as an epoch has batches.
        mi_tolerance: nats.
        mi_rows: rows that the mutual information is measured on: its ceiling is their logarithm.
        options: bound, objective, optimizer, learning_rate, schedule, gradient_clip, execution: see `AmortizedVI`.

    Raises: `AbilityError`, in `check`, where q has no parameters of its own; `ParameterError` for settings that cannot be
    used.

    Source: He, Spokoyny, Neubig and Berg-Kirkpatrick, "Lagging inference networks and posterior collapse in variational
    autoencoders", 2019, algorithm 1 and section 4.2.

    >>> from latentia.posteriors import Exact
    >>> Aggressive(Exact(), max_inner=30).name
    'aggressive'
    """

    name = "aggressive"

    def __init__(
        self,
        posterior: nn.Module,
        *,
        window: int = 10,
        tolerance: float = 0.0,
        max_inner: int = 100,
        mi_every: int | None = None,
        mi_tolerance: float = 0.0,
        mi_rows: int = 2000,
        **options: Any,
    ) -> None:
        super().__init__(AmortizedVI(posterior, **options))
        for name, value in (("window", window), ("max_inner", max_inner), ("mi_every", mi_every), ("mi_rows", mi_rows)):
            if value is not None and value < 1:
                raise ParameterError(f"{name}={value} is too small. Use 1 or more.")
        self.window, self.tolerance, self.max_inner = window, tolerance, max_inner
        self.mi_every, self.mi_tolerance, self.mi_rows = mi_every, mi_tolerance, mi_rows

    def check(self, model: Any) -> None:
        super().check(model)
        require_own_parameters(self.posterior, "Aggressive")
        if not any(p.requires_grad for p in model.parameters()):
            raise AbilityError(
                f"{type(model).__name__} has no parameters to move. Use AmortizedVI, which moves q alone."
            )
        if auxiliaries_of(self.inner.bound, model) is not None:
            raise AbilityError(
                "Aggressive keeps no baselines of a gradient estimator. Use AmortizedVI, or a gradient without a learnt part: "
                "'leave-one-out' with n_samples=2, or 'score'."
            )

    def init(self, model: Any, batches: Batches) -> State:
        handles = {}
        for side in SIDES:
            with still(*self._held(side, model)):
                handles[side] = self.inner.init(model, batches)
        shared = {name: value for name, value in handles["both"].handles.items() if torch.is_tensor(value)}
        for side in SIDES:  # the weight of the KL belongs to the step, whoever makes it
            handles[side].handles |= shared
        numbers: dict[str, Any] = {"aggressive": True, "inner": 0, "previous": None, "moves": 0, "inner_steps": 0}
        numbers |= {"cut": False, "capped": 0, "information": None, "ceiling": None, "ended": None}
        return State(tensors={"gained": torch.zeros((), device=batches.device)}, numbers=numbers, handles=handles)

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        numbers = state.numbers
        if not numbers["aggressive"]:
            return self._move("both", model, batches, state)
        if numbers["inner"] >= 0:
            state, info = self._move("q", model, batches, state)
            self._look_at_gain(state, info)
            return state, info
        state, info = self._move("p", model, batches, state)
        counts = {
            "inner_steps": numbers["inner_steps"] - numbers["inner"],
            "capped": numbers["capped"] + numbers["cut"],
        }
        numbers.update(counts, inner=0, cut=False, previous=None, moves=numbers["moves"] + 1)
        if numbers["moves"] % (self.mi_every or batches.per_epoch) == 0:
            self._look_at_information(model, batches, state)
        return state, info

    def _held(self, side: str, model: Any) -> tuple[nn.Module, ...]:
        return {"q": (model,), "p": (self.posterior,), "both": ()}[side]

    def _move(self, side: str, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        moving = state.handles[side]
        moving.step = state.step  # warm-ups count the steps of all
        with still(*self._held(side, model)):
            state.handles[side], info = self.inner.step(model, batches, moving)
        state.step += 1
        return state, info

    def _look_at_gain(self, state: State, info: Info) -> None:
        """Whether q has caught up; `inner` counts its steps, with a minus when it is p's turn."""
        assert info.loss is not None
        numbers, gained = state.numbers, state.tensors["gained"]
        gained -= info.loss
        numbers["inner"] += 1
        over = False
        if numbers["inner"] % self.window == 0:
            mean = float(gained) / self.window
            over = numbers["previous"] is not None and not mean > numbers["previous"] + self.tolerance
            numbers["previous"] = mean
            gained.zero_()
        numbers["cut"] = not over and numbers["inner"] >= self.max_inner
        if over or numbers["cut"]:
            numbers["inner"] *= -1
            gained.zero_()

    def _look_at_information(self, model: Any, batches: Batches, state: State) -> None:
        found = mutual_information(
            model, self.posterior, batches, n_reference=self.mi_rows, n_probes=max(1, self.mi_rows // 4)
        )
        numbers = state.numbers
        before = numbers["information"]
        if before is not None and not found.value > before + self.mi_tolerance:
            numbers.update(aggressive=False, ended=state.step)
        numbers.update(information=found.value, ceiling=found.ceiling)

    def columns(self, state: State) -> dict[str, float]:
        numbers = state.numbers
        out = {
            "aggressive": float(numbers["aggressive"]),
            "inner_steps": numbers["inner_steps"] / max(1, numbers["moves"]),
        }
        if numbers["information"] is not None:
            out["mutual_information"] = numbers["information"]
        return out

    def finish(self, model: Any, state: State, history: list[dict[str, Any]]) -> str:
        numbers, first = state.numbers, super().finish(model, state, history)
        said = [first, self._moves_in_words(numbers)]
        if numbers["capped"] and self.max_inner < 2 * self.window:
            said.append(
                f"Whether q had caught up is not known: two windows of {self.window} steps do not fit into max_inner="
                f"{self.max_inner}, which ended every inner loop. Use max_inner={2 * self.window} or more, or a smaller window."
            )
        elif numbers["capped"]:
            said.append(f"In {numbers['capped']} of them q was still gaining after max_inner={self.max_inner} steps.")
        if numbers["ended"] is not None:
            said.append(
                f"It ended at step {numbers['ended']}, when the mutual information had stopped rising at "
                f"{numbers['information']:.2f} nats (ceiling {numbers['ceiling']:.2f})."
            )
        else:
            said.append("It had not ended: the mutual information was still rising, or not measured yet. Train longer.")
        return " ".join(said).strip()

    def _moves_in_words(self, numbers: dict[str, Any]) -> str:
        moves, alone = numbers["moves"], abs(numbers["inner"])
        if not moves:
            return f"Aggressive training: q made {alone} {'step' if alone == 1 else 'steps'}, and p none."
        return f"Aggressive training: {moves} {'step' if moves == 1 else 'steps'} of p, each after {numbers['inner_steps'] / moves:.1f} of q."

    def snapshot(self, state: State) -> State:
        tensors, numbers = dict(state.tensors), dict(state.numbers)
        for side in SIDES:
            kept = self.inner.snapshot(state.handles[side])
            tensors |= named(side, kept.tensors)
            numbers[f"{side}.numbers"] = kept.numbers
        return State(state.step, tensors, numbers)

    def restore(self, state: State, saved: State) -> State:
        numbers = dict(saved.numbers)
        for side in SIDES:
            kept = State(saved.step, under(side, saved.tensors), numbers.pop(f"{side}.numbers"))
            state.handles[side] = self.inner.restore(state.handles[side], kept)
        gained = state.tensors["gained"].copy_(saved.tensors["gained"])
        return State(saved.step, {"gained": gained}, numbers, handles=state.handles)
