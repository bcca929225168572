"""Weights of a game to go back to, kept while it runs."""

from pathlib import Path

from torch import Tensor, nn

from ...fitted import load_modules, module_tensors
from ..base import State
from ..guard import all_finite
from .averaging import Average

EVERY = 64  # steps between two copies: together they then cost less than one step in a hundred


def keep_good(model: nn.Module, posterior: nn.Module, state: State) -> None:
    """Copy model, posterior and averages, where all are finite: at steps 1, 2, 4, ... and later at every 64th."""
    often = state.step & (state.step - 1) == 0  # early on, where games break most and there is little to go back to
    if "good" in state.handles and not often and state.step % EVERY:
        return
    tensors = {**module_tensors(model, posterior), **_averages(state)}
    if all_finite(tensors):
        state.handles["good"] = (state.step, {name: t.detach().clone() for name, t in tensors.items()})


def go_back(model: nn.Module, posterior: nn.Module, state: State, average: Average) -> int:
    """Give both modules what was kept last, the model its averages where there are some; the step that it is of."""
    step, tensors = state.handles.get("good", (0, {}))
    if tensors:
        load_modules(tensors, model, posterior, Path("memory"))
        average.take(model, tensors)
    return step


def _averages(state: State) -> dict[str, Tensor]:
    return {name: t for name, t in state.tensors.items() if name.startswith("average.")}
