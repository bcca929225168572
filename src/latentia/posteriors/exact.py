"""The exact posterior, where the model knows it."""

from typing import Any

from torch.distributions import Distribution

from ..abilities import HasPosterior, require
from ..batch import Batch
from .base import Posterior


class Exact(Posterior):
    """q(z|x) = p(z|x); no parameters of its own.

    >>> list(Exact().parameters())
    []
    """

    def forward(self, batch: Batch, model: Any) -> Distribution:
        require(model, HasPosterior, "the exact posterior", "posteriors.Amortized")
        return model.posterior(batch.x, batch.observed)
