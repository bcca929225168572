"""The encoder's proposal, moved for each row by some steps on its own bound, with the gradient kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..batch import Batch
from ..conditional import Conditional
from ..errors import AbilityError, ParameterError
from ..networks import NormalisedMean
from ..randomness import row_noise
from .amortized import as_read
from .base import Posterior, still
from .row_bound import check_moved, check_through, row_elbo

Goal = Callable[[Distribution, Batch, Any], Tensor]  # q, rows and model -> what is climbed, 0-dimensional


class SemiAmortized(Posterior):
    """q(z|x) = family(raw_K), raw_0 = encoder(x), raw_{k+1} = raw_k + rate d ELBO(x; raw_k) / d raw_k.

    `learn.SemiAmortizedVI` has it climb, in place of the ELBO, the objective that is learnt (a weighted KL, free bits, a
    target rate), so that the steps do not pay a KL that is free at that step; in evaluation mode it is the ELBO. In
    training mode the gradient of what comes after flows back through all K steps, into the encoder and, through the
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
        without a gradient that goes `through` its steps, and for means that a `NormalisedMean` holds in their place.

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
        if any(isinstance(part, NormalisedMean) for part in encoder.modules()):
            raise AbilityError(
                "Refinement moves the means of q off the spread that batch_norm_mean gives them, so that their KL is kept up no "
                "more. Use an amortised learner, or keep the KL up by committed_rate or free_bits."
            )
        if through:
            check_through(encoder)
        check_moved(encoder, n_samples, "step_samples")
        self.encoder, self.n_steps, self.learning_rate = encoder, n_steps, learning_rate
        self.n_samples, self.max_norm, self.through, self.seed = n_samples, max_norm, through, seed
        self._goal: Goal | None = None

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

    @contextmanager
    def climbing(self, goal: Goal) -> Iterator[None]:
        """Inside, the steps climb the sum over the rows, each times its weight, of something else than the ELBO."""
        before, self._goal = self._goal, goal
        try:
            yield
        finally:
            self._goal = before

    def _climb(self, batch: Batch, model: Any, raw: Tensor) -> Tensor:
        keep = self.training and self.through and torch.is_grad_enabled()
        for _ in range(self.n_steps):
            # the other kernels of attention have no gradient of their gradient
            with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH) if keep else nullcontext():
                at = raw if keep else raw.detach().requires_grad_()
                slope = self._slope(batch, model, at, keep)
            norm = slope.detach().norm(dim=-1, keepdim=True)
            raw = raw + self.learning_rate * slope * (self.max_norm / norm.clamp_min(self.max_norm))
        return raw

    def _slope(self, batch: Batch, model: Any, at: Tensor, keep: bool) -> Tensor:
        """Each row's by its own raw numbers, whatever the row weighs."""
        if self._goal is None:
            value = row_elbo(self.encoder, batch, model, at, self.n_samples, hold=False)
            return torch.autograd.grad(value.sum(), at, create_graph=keep)[0]
        total = self._goal(self.encoder.distribution(at), batch, model)
        (slope,) = torch.autograd.grad(total, at, create_graph=keep)
        if batch.weight is None:
            return slope
        return slope / batch.weight.to(slope).clamp_min(torch.finfo(slope.dtype).tiny).unsqueeze(-1)
