"""The moving average of a model's parameters: steadier than the parameters themselves where two players circle."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...errors import ParameterError


class Average:
    """average <- d average + (1 - d) parameter after each step, d = min(decay, (1 + t) / (10 + t)) at step t.

    The averages are plain tensors of the learner's state; what a network counts for itself (batch norms) is not averaged.

    Arguments:
        decay: below 1; 0 averages nothing.

    Source: Yazici et al., "The unusual effectiveness of averaging in GAN training", 2019.

    >>> Average(0.999).decay_at(0)
    0.1
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ParameterError(
                f"average={decay} cannot be used. Use a number from 0 (none) to below 1, such as 0.999."
            )
        self.decay = decay

    def decay_at(self, step: int) -> float:
        """How much of the average stays at a step, counted from 0."""
        return min(self.decay, (1 + step) / (10 + step))

    def start(self, model: nn.Module) -> dict[str, Tensor]:
        """The averages before the first step, `average.<parameter>`."""
        if not self.decay:
            return {}
        return {f"average.{name}": p.detach().clone() for name, p in model.named_parameters()}

    def update(self, model: nn.Module, tensors: dict[str, Tensor], step: int) -> None:
        """Take in the parameters as they are after a step."""
        if self.decay:
            share = 1 - self.decay_at(step)
            for average, parameter in zip(self._of(model, tensors), model.parameters()):
                average.lerp_(parameter.detach(), share)

    def take(self, model: nn.Module, tensors: dict[str, Tensor]) -> None:
        """Give the model its averages for good."""
        if self.decay:
            _copy(self._of(model, tensors), model)

    @contextmanager
    def shown(self, model: nn.Module, tensors: dict[str, Tensor]) -> Iterator[None]:
        """Inside, the model has its averages."""
        kept = [p.detach().clone() for p in model.parameters()] if self.decay else []
        self.take(model, tensors)
        try:
            yield
        finally:
            if self.decay:
                _copy(kept, model)

    def of_kept(self) -> str:
        """A sentence about weights of an earlier step, to follow another; empty where nothing is averaged."""
        return (
            f"The generator's are averaged over the steps before it, with decay {self.decay:g}." if self.decay else ""
        )

    def _of(self, model: nn.Module, tensors: dict[str, Tensor]) -> list[Tensor]:
        return [tensors[f"average.{name}"] for name, _ in model.named_parameters()]


@torch.no_grad()
def _copy(values: list[Tensor], model: nn.Module) -> None:
    for parameter, value in zip(model.parameters(), values):
        parameter.copy_(value)
