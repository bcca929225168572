"""What every posterior is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.distributions import Distribution

from ..batch import Batch


class Posterior(nn.Module, ABC):
    """q(z|x), called as `posterior(batch, model)`; the model is passed, never stored."""

    moves_rows: bool = False  # whether it moves q for each row by itself, and then hands no gradient back in evaluation

    @abstractmethod
    def forward(self, batch: Batch, model: Any) -> Distribution:
        """q(z|x) of batch shape `(batch,)` and the model's latent event shape."""


@contextmanager
def still(*modules: nn.Module) -> Iterator[None]:
    """Inside, no gradient is worked out for the modules' parameters; those that moved before move again after.

    >>> layer = nn.Linear(2, 1)
    >>> with still(layer): any(p.requires_grad for p in layer.parameters())
    False
    >>> all(p.requires_grad for p in layer.parameters())
    True
    """
    moving = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moving:
            parameter.requires_grad_(True)
