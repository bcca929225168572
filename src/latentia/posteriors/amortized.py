"""The encoder: one network that answers for every row."""

from typing import Any

from torch import Tensor
from torch.distributions import Distribution

from ..batch import Batch
from ..conditional import Conditional
from .base import Posterior


class Amortized(Posterior):
    """q(z|x) = encoder(standardised x).

    Arguments:
        encoder: a Conditional from x to z whose cells are joint.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014.

    >>> import torch
    >>> from latentia.families import Normal
    >>> from latentia.networks import MLP
    >>> q = Amortized(Conditional(MLP(5, 4), Normal((2,)), (5,), joint=True))
    >>> isinstance(q.encoder.family, Normal)
    True
    """

    def __init__(self, encoder: Conditional) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, batch: Batch, model: Any) -> Distribution:
        return self.encoder(as_read(batch, model))


def as_read(batch: Batch, model: Any) -> Tensor:
    """Rows as an encoder reads them: in the model's units, zeros where a cell is missing."""
    x = batch.x if batch.observed is None else batch.x.where(batch.observed, batch.x.new_zeros(()))
    return model.standardise(x)
