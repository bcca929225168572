"""What every posterior is."""

from abc import ABC, abstractmethod
from typing import Any

from torch import nn
from torch.distributions import Distribution

from ..batch import Batch


class Posterior(nn.Module, ABC):
    """q(z|x), called as `posterior(batch, model)`; the model is passed, never stored."""

    @abstractmethod
    def forward(self, batch: Batch, model: Any) -> Distribution:
        """q(z|x) of batch shape `(batch,)` and the model's latent event shape."""
