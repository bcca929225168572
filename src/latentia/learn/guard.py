"""Where a loss stopped being a number: the first offending tensor by name, and what to try."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..bounds import Bound
from ..errors import MemoryLimitError, NonFiniteError
from ..processes import ALONE, Processes

LAST_RESORT = "a gradient of the last step"


def guard(
    loss: Tensor,
    model: nn.Module,
    posterior: nn.Module,
    bound: Bound,
    batch: Batch,
    step: int,
    processes: Processes = ALONE,
) -> None:
    """Raise `NonFiniteError` if the loss is not finite; on a CPU, where asking does not wait.

    Of several processes, all of which have the loss of all, the first whose rows explain it is believed.
    """
    if loss.device.type == "cpu" and not isfinite(float(loss.detach())):
        found = processes.texts(explain(model, posterior, bound, batch, step))
        raise NonFiniteError(next((text for text in found if LAST_RESORT not in text), found[0]))


def explain(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch, step: int) -> str:
    """One sentence: the step, the first tensor that is not finite in the order of the computation, what to try."""
    name = _first_bad(model, posterior, bound, batch)
    return (
        f"The loss stopped being a finite number at step {step + 1}; the first tensor that is not finite is {name}. "
        "Try a smaller learning_rate, gradient_clip=1.0, or scale='standard'; the weights of the last checkpoint are kept."
    )


def _first_bad(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch) -> str:
    if not bool(torch.isfinite(batch.x).all()):
        return "the data (batch.x)"
    for owner, module in (("posterior", posterior), ("model", model)):
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                return f"{owner}.{name}"
    return _first_bad_output(model, posterior, bound, batch)


def _first_bad_output(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch) -> str:
    found: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if torch.is_tensor(output) and not found and not bool(torch.isfinite(output).all()):
                found.append(f"the output of {name}")

        return hook

    hooks = [
        module.register_forward_hook(watch(f"{owner}.{name}"))
        for owner, root in (("posterior", posterior), ("model", model))
        for name, module in root.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            terms = bound(model, posterior, batch)
    finally:
        for hook in hooks:
            hook.remove()
    for name, part in terms.parts.items():
        if not found and not bool(torch.isfinite(part).all()):
            found.append(f"the bound's part {name!r} (row {int((~torch.isfinite(part)).nonzero()[0])} of the batch)")
    return found[0] if found else LAST_RESORT


def out_of_memory(batch_size: int, device: torch.device) -> MemoryLimitError:
    """What to say when the device's memory is full: about the batch size that would fit."""
    free, total = torch.cuda.mem_get_info(device) if device.type == "cuda" else (0, 0)
    room = f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB were free)" if total else ""
    return MemoryLimitError(
        f"The device ran out of memory in a step of {batch_size} rows{room}. Half of them fit more often than not: try "
        f"batch_size={max(1, batch_size // 2)}, fewer samples, or precision='bfloat16'; the last checkpoint is kept."
    )
