"""Where a loss stopped being a number: the first offending tensor by name, and what to try."""

from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..bounds import Bound, WakeSleepGoals
from ..errors import MemoryLimitError, NonFiniteError
from ..processes import ALONE, Processes
from ..processes.layers import local


def guard(
    loss: Tensor,
    model: nn.Module,
    posterior: nn.Module,
    bound: Bound,
    batch: Batch,
    step: int,
    processes: Processes = ALONE,
) -> None:
    """Raise `NonFiniteError` if the loss is not finite; on a CPU, where asking does not wait."""
    if loss.device.type == "cpu" and not isfinite(float(loss.detach())):
        raise NonFiniteError(explain(model, posterior, bound, batch, step, processes))


def explain(
    model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch, step: int, processes: Processes = ALONE
) -> str:
    """One sentence: the step, the first tensor that is not finite in the order of the computation, what to try.

    Of several processes, all of which have the loss of all, the first that finds something is believed; they look at the
    same things at the same time, for a layer may be dealt out among them.
    """
    name = _first_bad(model, posterior, bound, batch, processes)
    return (
        f"The loss stopped being a finite number at step {step + 1}; the first tensor that is not finite is {name}. "
        f"{_advice(model, posterior, bound, batch)}."
    )


def _advice(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch) -> str:
    with torch.no_grad(), suppress(Exception):  # a model without a prior of this kind; then the general advice serves
        q, p = posterior(batch, model), model.prior()  # type: ignore[operator]
        if bool(torch.isneginf(p.log_prob(q.sample())).any()):
            return (
                "Some draws of z lie where the prior has no density, so that KL(q || p) is infinite: give a prior whose support "
                "holds them, or a posterior whose support does not move"
            )
        dreams = p.sample(torch.Size((len(batch),)))
        if isinstance(bound, WakeSleepGoals) and bool(torch.isneginf(q.log_prob(dreams)).any()):
            return (
                "Some z of the prior lie where q has no density, and wake-sleep learns q from such z: give a posterior whose "
                "support does not move, or another learner"
            )
    return "Try a smaller learning_rate, gradient_clip=1.0, or scale='standard'"


def _first_bad(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch, processes: Processes) -> str:
    for look in (_bad_data, _bad_parameter, _bad_output):
        found = [name for name in processes.texts(look(model, posterior, bound, batch)) if name]
        if found:
            return found[0]
    return "a gradient of the last step"


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every number in them is finite."""
    return all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point())


def refuse_bad_rows(batch: Batch, step: int) -> None:
    """Raise `NonFiniteError` where a row of the batch holds what is no finite number."""
    if not all_finite({"x": batch.x}):
        raise NonFiniteError(
            f"The loss stopped being a finite number at step {step + 1}; the data (batch.x) hold what is no finite number. Leave "
            "these rows out, or fill in what is missing."
        )


def _bad_data(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch) -> str:
    return "" if bool(torch.isfinite(batch.x).all()) else "the data (batch.x)"


def _bad_parameter(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch) -> str:
    for owner, module in (("posterior", posterior), ("model", model)):
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.is_floating_point() and not bool(torch.isfinite(local(value)).all()):
                return f"{owner}.{name}"
    return ""


def _bad_output(model: nn.Module, posterior: nn.Module, bound: Bound, batch: Batch) -> str:
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
    return found[0] if found else ""


def out_of_memory(batch_size: int, device: torch.device) -> MemoryLimitError:
    """What to say when the device's memory is full: about the batch size that would fit."""
    free, total = torch.cuda.mem_get_info(device) if device.type == "cuda" else (0, 0)
    room = f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB were free)" if total else ""
    return MemoryLimitError(
        f"The device ran out of memory in a step of {batch_size} rows{room}. Half of them fit more often than not: try "
        f"batch_size={max(1, batch_size // 2)}, fewer samples, or precision='bfloat16'; the last checkpoint is kept."
    )
