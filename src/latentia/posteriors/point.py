"""One point for each row: the posteriors of autoencoders."""

from typing import Any

import torch
from torch import nn
from torch.distributions import Distribution

from ..abilities import HasBestPoint, require
from ..batch import Batch
from ..distributions import PointMass
from ..errors import AbilityError
from .base import Posterior


class Point(Posterior):
    """q(z|x) has all its mass at encoder(standardised x).

    Arguments:
        encoder: maps `(rows, *event)` in the model's units to `(rows, n_latent)`; None borrows the model's
            own, as where the weights of encoder and decoder are tied.

    Raises: `AbilityError` where it is to borrow an encoder and the model has none.

    >>> from latentia.models import Decoder
    >>> from latentia.conditional import Conditional
    >>> from latentia.families import Normal
    >>> p = Decoder(Conditional(nn.Linear(2, 5), Normal((5,), scale=1.0), (2,)))
    >>> Point(nn.Linear(5, 2))(Batch(torch.zeros(3, 5), torch.arange(3)), p).mean.shape
    torch.Size([3, 2])
    """

    def __init__(self, encoder: nn.Module | None) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, batch: Batch, model: Any) -> Distribution:
        x = batch.x if batch.observed is None else batch.x.where(batch.observed, batch.x.new_zeros(()))
        network = getattr(model, "encoder", None) if self.encoder is None else self.encoder
        if network is None:
            raise AbilityError(
                f"posteriors.Point(None) needs a model that holds the encoder; {type(model).__name__} does not. "
                "Give it an encoder."
            )
        z = network(model.standardise(x))
        z = z.float() if z.dtype in (torch.bfloat16, torch.float16) else z
        return PointMass(z.reshape(len(z), *model.latent_shape), len(model.latent_shape))


class BestPoint(Posterior):
    """q(z|x) has all its mass at argmax_z log p(x, z), found anew for each row; no parameters of its own.

    The model's gradient under it is that of max_z log p(x, z): where z is best, moving it changes nothing.

    >>> list(BestPoint().parameters())
    []
    """

    def forward(self, batch: Batch, model: Any) -> Distribution:
        require(model, HasBestPoint, "posteriors.BestPoint", "posteriors.Point with an encoder")
        return PointMass(model.best_point(batch.x, batch.observed), len(model.latent_shape))
