"""The encoder's proposal, moved for each row by some steps on its own bound, with the gradient kept."""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..batch import Batch
from ..conditional import Conditional
from ..errors import ParameterError
from ..randomness import row_noise
from .amortized import as_read
from .base import Posterior, still
from .row_bound import check_moved, check_through, row_elbo


class SemiAmortized(Posterior):
    """q(z|x) = family(raw_K), raw_0 = encoder(x), raw_{k+1} = raw_k + rate d ELBO(x; raw_k) / d raw_k.

    In training mode the gradient of what comes after flows back through all K steps, into the encoder and, through the
    bound whose slope they follow, into the model; or, with `through=False`, as if the steps had added a constant. In
    evaluation mode the steps are the same, with noise that belongs to each row.

    Arguments:
        encoder: a Conditional from x to z whose cells are joint.
        n_steps: K.
        learning_rate: of the steps, in the encoder's raw numbers.
        n_samples: draws of z per row and step.
        max_norm: longest gradient of a row's step.
        through: whether gradients flow through the steps (twice the time and more), or the refinement is held.
        seed: of the noise in evaluation mode.

    Raises: `ParameterError` for settings that cannot be used; `AbilityError` for a family without raw numbers, or
        without a gradient that goes `through` its steps.

    Source: Kim et al., "Semi-amortized variational autoencoders", 2018, algorithm 1.

    >>> from latentia.families import Normal
    >>> from latentia.models import ProbabilisticPCA
    >>> encoder = Conditional(torch.nn.Linear(3, 4), Normal((2,)), (3,), joint=True)
    >>> x = torch.zeros(5, 3, dtype=torch.float64)
    >>> SemiAmortized(encoder).double()(Batch(x, torch.arange(5)), ProbabilisticPCA(3, 2)).mean.shape
    torch.Size([5, 2])
    """

    moves_rows = True

    def __init__(
        self,
        encoder: Conditional,
        *,
        n_steps: int = 10,
        learning_rate: float = 0.1,
        n_samples: int = 1,
        max_norm: float = 5.0,
        through: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if n_steps < 1 or n_samples < 1 or not (learning_rate > 0 and max_norm > 0):
            raise ParameterError(
                f"n_steps={n_steps}, n_samples={n_samples}, learning_rate={learning_rate}, max_norm={max_norm} cannot be "
                "used. Use at least one step, one sample, and positive numbers."
            )
        if through:
            check_through(encoder)
        check_moved(encoder, n_samples)
        self.encoder, self.n_steps, self.learning_rate = encoder, n_steps, learning_rate
        self.n_samples, self.max_norm, self.through, self.seed = n_samples, max_norm, through, seed

    def forward(self, batch: Batch, model: Any) -> Distribution:
        raw = self.propose(batch, model)
        if self.training and self.through:
            return self.encoder.distribution(self._climb(batch, model, raw))
        noise = nullcontext() if self.training else row_noise(batch.x, self.seed)
        with still(model), noise:
            moved = self._climb(batch, model, raw.detach())
        return self.encoder.distribution(raw + (moved - raw).detach())

    def propose(self, batch: Batch, model: Any) -> Tensor:
        """The encoder's raw numbers, `(batch, family.n_outputs)`."""
        return self.encoder.raw(as_read(batch, model))

    def _climb(self, batch: Batch, model: Any, raw: Tensor) -> Tensor:
        keep = self.training and self.through and torch.is_grad_enabled()
        for _ in range(self.n_steps):
            with torch.enable_grad():
                at = raw if keep else raw.detach().requires_grad_()
                value = row_elbo(self.encoder, batch, model, at, self.n_samples, hold=False)
                (slope,) = torch.autograd.grad(value.sum(), at, create_graph=keep)
            norm = slope.detach().norm(dim=-1, keepdim=True)
            raw = raw + self.learning_rate * slope * (self.max_norm / norm.clamp_min(self.max_norm))
        return raw
