"""Learning networks whose layers are dealt out: parts while it goes on, whole weights before and after."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import AbilityError, ParameterError
from ..fitted import Fit, load_modules, module_tensors
from ..processes import Processes
from ..processes.group import lost
from ..processes.layers import gathered, largest_layer, layers_from, sharded
from .base import Learner

Run = Callable[[Any, Any], Fit]


def learn_sharded(run: Run, model: nn.Module, learner: Learner, shard_from: int, processes: Processes) -> Fit:
    """`run(model, learner)` on copies whose large layers are dealt out; what it learns goes back into the originals.

    Arguments:
        run: one fit.
        model, learner: as `latentia.fit` takes them; until the fit has ended they wait on the CPU.
        shard_from: weights from which a layer is dealt out.
        processes: among whom.

    Raises:
        AbilityError: a learner, or a network, that cannot work with parts.
        ParameterError: no layer is so large.
    """
    _check(learner, shard_from)
    device = next((p.device for module in (model, learner.posterior) for p in module.parameters()), torch.device("cpu"))
    processes.copy_first_(model, learner.posterior)
    parts, player = deepcopy((model, learner))
    layers = layers_from((parts, player.posterior), shard_from)
    if not layers:
        raise ParameterError(
            f"shard_from={shard_from} deals out no layer: the largest one that could be has "
            f"{largest_layer((parts, player.posterior))} weights. Use a smaller number, or leave it out."
        )
    for module in (model, learner.posterior):
        module.cpu()
    try:
        with _told(), sharded(layers, processes):
            found = run(parts, player)
            learnt = gathered(module_tensors(parts, player.posterior), keep=True)
    finally:
        for module in (model, learner.posterior):
            module.to(device)
    load_modules(learnt, model, learner.posterior, Path("memory"))
    model.eval()
    learner.posterior.eval()
    return replace(found, model=model, posterior=learner.posterior)


def _check(learner: Learner, shard_from: int) -> None:
    if shard_from < 1:
        raise ParameterError(
            f"shard_from={shard_from} is too small. Use the number of weights from which a layer is large."
        )
    if not learner.can_shard:
        raise AbilityError(
            f"{type(learner).__name__} cannot learn networks whose layers are dealt out over the processes. Use AmortizedVI, or "
            "leave shard_from out."
        )
    execution = getattr(learner, "execution", "auto")
    if execution not in ("auto", "eager"):
        raise ParameterError(f"execution={execution!r} does not go with shard_from. Use execution='eager'.")


@contextmanager
def _told() -> Iterator[None]:
    """Torch's complaints about layers that are dealt out, and about processes that are gone, in sentences."""
    try:
        yield
    except RuntimeError as error:
        text = (str(error).splitlines() or [""])[0]
        if "DTensor" in text:
            raise AbilityError(
                "A network reads a layer's weights elsewhere than in the layer itself, which does not go with layers that are "
                "dealt out over the processes. Leave shard_from out, or raise it above that layer's size."
            ) from error
        if isinstance(error, torch.distributed.DistError) or "gloo" in text.lower():
            raise lost(error) from error
        raise
