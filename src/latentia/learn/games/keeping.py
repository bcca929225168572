"""Weights of a game to go back to, kept while it runs."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ...fitted import load_modules, module_tensors
from ..base import State
from .averaging import Average

STEP = "kept.step"
EVERY = 64  # steps between two copies: together they then cost less than one step in a hundred


def keep_good(model: nn.Module, posterior: nn.Module, state: State) -> None:
    """Copy model, posterior and averages, where all are finite: at steps 1, 2, 4, ... and later at every 64th.

    The device decides which copy stays, so that no step waits for it.
    """
    often = state.step & (state.step - 1) == 0  # early on, where games break most and there is little to go back to
    if "good" in state.handles and not often and state.step % EVERY:
        return
    tensors = {**module_tensors(model, posterior), **_averages(state)}
    device = next(iter(tensors.values())).device
    now = {name: t.detach() for name, t in tensors.items()} | {STEP: torch.tensor(state.step, device=device)}
    before = state.handles.get("good")
    if before is None:
        state.handles["good"] = {name: t.clone() for name, t in now.items()}
        return
    sure = torch.stack([torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point()]).all()
    state.handles["good"] = {name: torch.where(sure, t, before[name]) for name, t in now.items()}


def go_back(model: nn.Module, posterior: nn.Module, state: State, average: Average) -> int:
    """Give both modules what was kept last, the model its averages where there are some; the step that it is of."""
    tensors = dict(state.handles.get("good", {}))
    if not tensors:
        return 0
    step = int(tensors.pop(STEP))
    load_modules(tensors, model, posterior, Path("memory"))
    average.take(model, tensors)
    return step


def _averages(state: State) -> dict[str, Tensor]:
    return {name: t for name, t in state.tensors.items() if name.startswith("average.")}
