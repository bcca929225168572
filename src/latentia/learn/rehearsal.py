"""Programs tried out before they are used: run, compared by bits, and everything put back as it was."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from .captured import Captured
from .program import Program

RUNS = 2  # torch's interpreter settles on its final form in its second run


class Kept:
    """Buffers, further tensors and random state, to go back to after a rehearsal."""

    def __init__(self, modules: Sequence[nn.Module], device: torch.device, more: Sequence[Tensor] = ()) -> None:
        self.device = device
        buffers = [b for module in modules for b in module.buffers()]
        self.buffers = [(tensor, tensor.clone()) for tensor in (*buffers, *more)]
        self.random = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restore(self) -> None:
        with torch.no_grad():
            for buffer, kept in self.buffers:
                buffer.copy_(kept)
        torch.set_rng_state(self.random)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)


def quicker(
    module: GraphModule, arguments: Sequence[Tensor], modules: Sequence[nn.Module], changed: Sequence[Tensor] = ()
) -> Program:
    """The program without Python in it, where that can be had and gives the same numbers.

    On a CPU torch's interpreter calls the operations, with the same bits; on a CUDA device they become one graph of kernels,
    the same to float tolerance, if the program changes all that it is for and hands out little.

    Arguments:
        module: the recorded program.
        arguments: to rehearse it with.
        modules: whose buffers it may change.
        changed: other tensors that it changes: parameters and moments, where the update is in the program.

    >>> from .program import record
    >>> program = quicker(record(lambda x: [x * 2], [torch.ones(2)]), [torch.ones(2)], ())
    >>> program(torch.ones(2))[0]
    tensor([2., 2.])
    """
    device = arguments[0].device
    make = MAKERS.get(device.type)
    if make is None or (device.type != "cpu" and not changed):
        return module.forward
    kept = Kept(modules, device, changed)
    try:
        quick = make(module, arguments)
        kept.restore()
        equal = torch.equal if device.type == "cpu" else torch.allclose
        seen, wanted = (_rehearsed(each, arguments, changed, kept) for each in (quick, module))
    except Exception:  # results that are no tensors, a torch without its interpreter: the program itself serves
        return module.forward
    finally:
        kept.restore()
    return quick if same(seen, wanted, equal) else module.forward


def _traced(module: GraphModule, arguments: Sequence[Tensor]) -> Any:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.jit.trace(module, tuple(arguments), check_trace=False)


@torch.no_grad()
def _rehearsed(program: Program, arguments: Sequence[Tensor], changed: Sequence[Tensor], kept: Kept) -> list[Tensor]:
    seen = []
    for _ in range(RUNS):
        seen += [tensor.clone() for tensor in (*program(*arguments), *changed)]
    kept.restore()
    return seen


def same(
    seen: Sequence[Tensor | None], wanted: Sequence[Tensor | None], equal: Callable[..., bool] = torch.equal
) -> bool:
    """Whether both hold the same tensors, and none at the same places.

    >>> same([torch.ones(2), None], [torch.ones(2), None])
    True
    """
    return len(seen) == len(wanted) and all(
        a is b or (a is not None and b is not None and equal(a, b)) for a, b in zip(seen, wanted)
    )


MAKERS: dict[str, Callable[..., Any]] = {"cpu": _traced, "cuda": Captured}
