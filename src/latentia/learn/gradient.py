"""Loss and gradient of one minibatch: step by step in Python, or by a program that was recorded from it."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.optim import Optimizer

from ..batch import Batch
from ..bounds import Terms
from ..errors import ParameterError, choose
from ..processes import ALONE, Processes
from ..processes.layers import is_sharded
from ..randomness import part_noise
from .program import Program, compiled, copied, is_plain, record, signature
from .rehearsal import Kept, quicker, same
from .update import Update

EXECUTIONS = ("auto", "eager", "recorded", "compiled")
RECORD_AFTER = 200  # steps: recording costs about as much as it saves in 300
Evaluate = Callable[..., tuple[Terms, Tensor]]
_COLUMNS = tuple(field.name for field in fields(Batch) if field.name != "place")


class GradientStep:
    """Called as `gradient(batch, *tensors)`: terms and loss of the batch, and the gradient left in `parameter.grad`.

    Arguments:
        evaluate: `evaluate(batch, *tensors) -> (Terms, loss)`; tensors are what changes from step to step.
        modules: all that it reads.
        settings: whatever else decides what it computes (the bound, the objective).
        execution: "eager"; "recorded": from some step on a recorded program of the same operations, which gives the
            same bits; "auto": recorded where every module is torch's or latentia's own, which decide nothing in Python,
            else eager; "compiled": the recorded operations compiled by `torch.compile`, from the first step on.
        processes: among whom the batch is shared. Each one's loss is its rows' sum over the count of all; losses and
            gradients are then added up, in one buffer, and are the same bits in all.
        optimizer: whose update may become a part of the program, where the gradient is wanted for nothing else: then
            `updated` is True after a call, the parameters have made their step, and no gradient is left.

    A program is dropped for good when it did not give the same bits as the step it was recorded from, and recorded anew
    when modules were frozen, moved or hooked in between.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        modules: tuple[nn.Module, ...],
        settings: tuple[Any, ...] = (),
        execution: str = "auto",
        processes: Processes = ALONE,
        optimizer: Optimizer | None = None,
    ) -> None:
        self.evaluate, self.modules, self.settings = evaluate, modules, settings
        self.processes, self._reached = processes, {}
        self.execution = choose("execution", execution, EXECUTIONS)
        self.optimizer = None if processes.many or execution == "compiled" else optimizer
        self.steps, self.updated = 0, False
        self.program: Program | None = None
        self._module: Any = None
        self._update: Update | None = None
        self._names: tuple[str, ...] = ()
        self._shape: tuple[Any, ...] = ()
        self._signature: tuple[Any, ...] = ()

    def __call__(self, batch: Batch, *tensors: Tensor) -> tuple[Terms, Tensor]:
        terms, loss = self._own(batch, *tensors)
        return terms, self._add_up(loss) if self.processes.many else loss

    def _own(self, batch: Batch, *tensors: Tensor) -> tuple[Terms, Tensor]:
        self.steps += 1
        self.updated = False
        if self.program is not None and self._shape == _shape(batch):
            if self._update is not None:
                return self._replay_updating(batch, tensors)
            return self._replay(batch, tensors) if self.optimizer is None else self._join(batch, tensors)
        if self.program is None and self._wants_program():
            return self._record(batch, tensors)
        return self._eager(batch, tensors)

    def look_again(self) -> None:
        """Drop the program if the modules are no longer as they were; to be called where others may have touched them."""
        if self.program is not None and self._signature != self._now():
            self.program = self._update = None

    def _now(self) -> tuple[Any, ...]:
        held = () if self._update is None else tuple(id(t) for t in self._update.state())
        return signature(*self.modules), held

    # --- eager -------------------------------------------------------------------------------------------------

    def _eager(self, batch: Batch, tensors: tuple[Tensor, ...]) -> tuple[Terms, Tensor]:
        terms, loss = self._evaluated(batch, *tensors)
        for parameter in self._parameters():
            parameter.grad = None
        loss.backward()
        return terms, loss

    def _evaluated(self, batch: Batch, *tensors: Tensor) -> tuple[Terms, Tensor]:
        if batch.place is None:
            return self.evaluate(batch, *tensors)
        start, rows = batch.place
        with part_noise(start, start + len(batch), rows):
            return self.evaluate(batch, *tensors)

    def _parameters(self) -> list[nn.Parameter]:
        return [p for module in self.modules for p in module.parameters()]

    # --- several processes -------------------------------------------------------------------------------------

    def _add_up(self, loss: Tensor) -> Tensor:
        """The gradients of all processes into `parameter.grad`; the loss of all."""
        reached = [p for p in self._reached_parameters() if not is_sharded(p)]  # the others' are added up
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in reached]
        flat = self.processes.sum_(torch.cat([*(g.reshape(-1) for g in gradients), loss.detach().reshape(1)]))
        *parts, total = flat.split([*(p.numel() for p in reached), 1])
        for parameter, part in zip(reached, parts):
            parameter.grad = part.view_as(parameter).to(parameter.dtype)
        return total.reshape(())

    def _reached_parameters(self) -> list[nn.Parameter]:
        """Parameters that a gradient has reached in any process: the others keep none, as they would in one."""
        moving = list(dict.fromkeys(p for p in self._parameters() if p.requires_grad))
        key = tuple(id(p) for p in moving)
        if key not in self._reached:
            seen = self.processes.all_max([float(p.grad is not None) for p in moving])
            self._reached = {key: [p for p, here in zip(moving, seen) if here]}
        return self._reached[key]

    # --- recorded ----------------------------------------------------------------------------------------------

    def _wants_program(self) -> bool:
        if self.execution == "compiled":
            return True
        if self.execution == "eager" or self.steps < RECORD_AFTER:
            return False
        if any(map(is_sharded, self._parameters())):
            self.execution = "eager"
            return False
        if self.execution == "auto" and not is_plain(*self.modules, *self.settings):
            self.execution = "eager"
            return False
        return True

    def _record(self, batch: Batch, tensors: tuple[Tensor, ...]) -> tuple[Terms, Tensor]:
        """One eager step, and a program that was seen to give its bits."""
        moving = [p for p in self._parameters() if p.requires_grad]
        arguments = [*_columns(batch), *tensors]
        state = Kept(self.modules, batch.x.device)
        try:
            program = (compiled if self.execution == "compiled" else record)(self._flat(batch, moving), arguments)
            state.restore()
            with torch.no_grad():
                seen = program(*arguments)
        except Exception as error:
            if self.execution in ("recorded", "compiled"):
                raise ParameterError(
                    f"execution={self.execution!r} did not work for this model: {_first_line(error)} Use execution='eager'."
                ) from error
            seen, program = [], None
        state.restore()
        terms, loss = self._eager(batch, tensors)
        wanted = [loss, terms.value, *terms.parts.values(), *(p.grad for p in moving)]
        if program is None or not (
            self.execution == "compiled" or (same(seen, wanted) and _all_laid_out(seen, moving))
        ):
            self.execution = "eager"
            return terms, loss
        self._module, self._shape, self._moving = program, _shape(batch), moving
        self.program = program
        if isinstance(program, GraphModule):
            self.program = program.forward if self.optimizer else quicker(program, arguments, self.modules)
        self._names, self._signature = tuple(terms.parts), self._now()
        return terms, loss

    def _flat(self, batch: Batch, moving: list[nn.Parameter]) -> Callable[..., list[Tensor]]:
        present = [name for name in _COLUMNS if getattr(batch, name) is not None]

        def flat(*arguments: Tensor) -> list[Tensor]:
            rows = replace(batch, **dict(zip(present, arguments)))
            terms, loss = self._evaluated(rows, *arguments[len(present) :])
            found = torch.autograd.grad(loss, moving, allow_unused=True)
            gradients: Any = map(_laid_out, found, moving)  # None where none reaches a parameter
            return [loss.detach(), terms.value.detach(), *(p.detach() for p in terms.parts.values()), *gradients]

        return flat

    def _replay(self, batch: Batch, tensors: tuple[Tensor, ...]) -> tuple[Terms, Tensor]:
        assert self.program is not None
        for parameter in self._moving:
            parameter.grad = None  # its memory serves the new gradient, still warm
        with torch.no_grad():
            loss, value, *rest = self.program(*_columns(batch), *tensors)
        names = self._names
        for parameter, gradient in zip(self._moving, rest[len(names) :]):
            parameter.grad = gradient
        return Terms(value, value, dict(zip(names, rest))), loss

    def _replay_updating(self, batch: Batch, tensors: tuple[Tensor, ...]) -> tuple[Terms, Tensor]:
        assert self.program is not None
        assert self._update is not None
        self._update.follow()
        with torch.no_grad():
            loss, value, *rest = self.program(*_columns(batch), *tensors)
        if loss.device.type == "cpu" and not isfinite(float(loss)):  # elsewhere asking would wait for the device
            return self._eager(batch, tensors)
        self.updated = True
        return Terms(value, value, dict(zip(self._names, rest))), loss

    def _join(self, batch: Batch, tensors: tuple[Tensor, ...]) -> tuple[Terms, Tensor]:
        """One step, and the update in the program if it was seen to change all by the same bits as the optimiser."""
        optimizer, self.optimizer = self.optimizer, None
        assert optimizer is not None
        reached = [p for p in self._moving if p.grad is not None]
        arguments = [*_columns(batch), *tensors]
        if not Update.fits(optimizer, reached) or len(reached) < len(self._moving):
            self.program = quicker(self._module, arguments, self.modules)
            return self._replay(batch, tensors)
        update, module = Update(optimizer, reached), copied(self._module)
        update.join(module)
        state = Kept(self.modules, batch.x.device, update.tensors())
        with torch.no_grad():
            module(*arguments)
        seen = [tensor.clone() for tensor in update.tensors()]
        state.restore()
        terms, loss = self._replay(batch, tensors)
        if not isfinite(float(loss)):
            return terms, loss
        optimizer.step()
        self.updated = True
        if same(seen, update.tensors()):
            self.program, self._update = quicker(module, arguments, self.modules, update.tensors()), update
            self._signature = self._now()
            for parameter in reached:
                parameter.grad = None
        return terms, loss


def _laid_out(gradient: Tensor | None, parameter: Tensor) -> Tensor | None:
    """The gradient in memory as its parameter is, as a backward pass leaves it: torch's fused optimisers read both in one order.

    A convolution's own gradient has its channels last, and would be taken for another.
    """
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    if parameter.is_contiguous():
        return gradient.clone(memory_format=torch.contiguous_format)
    return torch.empty_like(parameter).copy_(gradient)


def _all_laid_out(results: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> bool:
    """Whether the gradients, the last results, lie in memory as their parameters do."""
    pairs = zip(results[len(results) - len(parameters) :], parameters)
    return all(gradient is None or gradient.stride() == p.stride() for gradient, p in pairs)


def _columns(batch: Batch) -> list[Tensor]:
    columns = (batch.x, batch.index, batch.weight, batch.observed, batch.label)
    return [column for column in columns if column is not None]


def _shape(batch: Batch) -> tuple[Any, ...]:
    return batch.x.shape, batch.place, batch.weight is None, batch.observed is None, batch.label is None


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}".rstrip(".") + "."
