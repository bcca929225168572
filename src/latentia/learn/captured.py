"""A recorded step as one graph of kernels: the device is told once what to do, and then only when."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .program import Program

WARM_UPS = 3  # runs before the capture, in which libraries set up their workspaces
Run = Callable[[], Sequence[Tensor]]
Capture = Callable[[Run], tuple[Callable[[], Any], Sequence[Tensor]]]


class Captured:
    """Copies its arguments into the memory that the graph reads, launches the graph, and hands out copies of the results.

    Arguments:
        program: to capture; all that it reads besides its arguments stays where it is.
        arguments: of the shapes, types and device that all later calls have.
        capture: runs a function once and returns what launches it again, and the results it writes; CUDA's without it.

    Results are copies: the graph writes the next step's over its own, which the history may not have read by then.

    >>> def by_hand(run):
    ...     results = run()
    ...     return (lambda: [held.copy_(new) for held, new in zip(results, run())]), results
    >>> doubled = Captured(lambda x: [2 * x], [torch.ones(2)], by_hand)
    >>> doubled(torch.tensor([3.0, 4.0]))
    [tensor([6., 8.])]
    """

    def __init__(self, program: Program, arguments: Sequence[Tensor], capture: Capture | None = None) -> None:
        self.inputs = [argument.clone() for argument in arguments]
        with torch.no_grad():
            self.launch, self.results = (capture or on_cuda)(lambda: program(*self.inputs))

    @torch.no_grad()
    def __call__(self, *arguments: Tensor) -> list[Tensor]:
        for held, given in zip(self.inputs, arguments, strict=True):
            held.copy_(given, non_blocking=True)
        self.launch()
        return [result.clone() for result in self.results]


def on_cuda(run: Run) -> tuple[Callable[[], Any], Sequence[Tensor]]:
    """`run` captured as a CUDA graph; its draws go on with the device's random state at every launch."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = run()
    return graph.replay, results
