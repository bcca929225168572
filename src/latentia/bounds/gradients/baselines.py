"""Baselines that are learnt: modules that belong neither to p nor to q, and live in the learner's state."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from ...networks import MLP


class RunningMean(nn.Module):
    """c, the exponential average of the signals of earlier batches; 0 before the first.

    Arguments:
        decay: of an average that is old enough; a young one is the plain mean.

    >>> c = RunningMean()
    >>> c(torch.full((1, 4), -3.0)).item(), c(torch.zeros(1, 4)).item()
    (0.0, -3.0)
    """

    mean: Tensor
    count: Tensor

    def __init__(self, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, signal: Tensor) -> Tensor:
        before = self.mean.clone()
        with torch.no_grad():
            self.count.add_(1)
            rate = self.count.reciprocal().clamp_min(1 - self.decay)
            self.mean.add_(rate * (signal.mean() - self.mean))
        return before


class InputBaseline(nn.Module):
    """c + C(x), C a network of the standardised row, fitted to the signal by squared error.

    Arguments:
        event_shape: of one row.
        hidden: sizes of the network's hidden layers.
        decay: of the running mean c.

    >>> InputBaseline((3,), hidden=(4,)).network.layers[-1].weight.abs().sum().item()
    0.0
    """

    def __init__(self, event_shape: Sequence[int], hidden: Sequence[int] = (100,), decay: float = 0.99) -> None:
        super().__init__()
        self.running = RunningMean(decay)
        self.network = MLP(prod(event_shape), 1, hidden)
        last = self.network.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, signal: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The baseline and minus the network's error, both `(batch,)`, for a signal `(samples, batch)`."""
        centre, guess = self.running(signal), self.network(x.flatten(1)).squeeze(-1)
        error = (signal - centre - guess).square().mean(0) / 2
        return centre + guess.detach(), -error
