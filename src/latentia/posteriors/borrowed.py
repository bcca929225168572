"""A posterior whose network belongs to the model."""

from typing import Any

from torch.distributions import Distribution

from ..batch import Batch
from ..errors import AbilityError
from .base import Posterior


class Borrowed(Posterior):
    """q(z|x) = the model's shared Conditional of the standardised x; no parameters of its own.

    For models whose prior needs q's network, as a VampPrior does: the network is learnt with the model.

    Raises: `AbilityError` where the model shares none.

    >>> list(Borrowed().parameters())
    []
    """

    def forward(self, batch: Batch, model: Any) -> Distribution:
        shared = getattr(model, "shared", None)
        if shared is None:
            raise AbilityError(
                f"posteriors.Borrowed needs a model that shares its encoder; {type(model).__name__} does not. Use "
                "posteriors.Amortized, or a model whose prior is a VampPrior."
            )
        x = batch.x if batch.observed is None else batch.x.where(batch.observed, batch.x.new_zeros(()))
        return shared(model.standardise(x))
