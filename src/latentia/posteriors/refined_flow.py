"""A flow for each row, begun at another posterior's normal q."""

from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from ..batch import Batch
from ..distributions.row_flow import RowFlow
from ..errors import AbilityError
from .base import Posterior, still
from .refined import check_steps, climbed

SCATTER = 0  # seed of the couplings' first layers


class RefinedFlow(Posterior):
    """q(z|x) = a flow of the row's own, from the start's normal q moved up the ELBO of its row, p held.

    What a family beyond the normal ones could do: skewed units and units whose place and spread bend with others. It has one
    mode, or nearly. A z of a single unit has no couplings, and bends alone.

    Arguments:
        start: where the steps begin; its q must be normal over a flat z, factorised or with full covariance.
        n_steps: steps of Adam, the rate falling to zero by half a cosine.
        learning_rate: of all numbers of the flow, in units of the starting scale.
        n_samples: draws of z per row and step.
        seed: of the noise.
        n_couplings, hidden: of the flow; tanh units per coupling.

    Raises: `AbilityError` where the start's q is not normal.

    Sources: Rezende and Mohamed, "Variational inference with normalizing flows", 2015; Cremer et al., "Inference suboptimality
    in variational autoencoders", 2018, section 4.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> rows = Batch(torch.zeros(5, 3, dtype=torch.float64), torch.arange(5))
    >>> RefinedFlow(Exact(), n_steps=5)(rows, ProbabilisticPCA(3, 2)).batch_shape
    torch.Size([5])
    """

    moves_rows = True

    def __init__(
        self,
        start: Posterior,
        *,
        n_steps: int = 300,
        learning_rate: float = 0.03,
        n_samples: int = 16,
        seed: int = 0,
        n_couplings: int = 4,
        hidden: int = 16,
    ) -> None:
        super().__init__()
        check_steps(n_steps, n_samples, learning_rate)
        self.start, self.n_steps, self.learning_rate = start, n_steps, learning_rate
        self.n_samples, self.seed = n_samples, seed
        self.n_couplings, self.hidden = n_couplings, hidden

    def forward(self, batch: Batch, model: Any) -> Distribution:
        with torch.no_grad():
            loc, unit = normal_parts(self.start(batch, model))
        moved = self._zero(loc)

        def draw(eps: Tensor) -> tuple[Tensor, Tensor]:
            q = _flow(loc, unit, moved)
            z = q.from_noise(eps)
            return z, -q.detach().log_prob(
                z
            )  # the gradient through the draws alone: its noise vanishes where q is exact

        with still(model):
            climbed(
                batch, model, moved, draw, loc.shape[1:], self.n_steps, self.n_samples, self.learning_rate, self.seed
            )
        return _flow(loc, unit, moved).detach()

    def _zero(self, loc: Tensor) -> list[Tensor]:
        """What moves: shift, log stretch and lower triangle of the start's frame, bends, and two layers per coupling."""
        d = loc.shape[-1]
        moved = [
            torch.zeros_like(loc),
            torch.zeros_like(loc),
            loc.new_zeros(*loc.shape, d),
            loc.new_zeros(*loc.shape, 2),
        ]
        generator = torch.Generator().manual_seed(SCATTER)
        for i in range(self.n_couplings if d > 1 else 0):
            led = d // 2 if i % 2 == 0 else d - d // 2
            inner = torch.randn(self.hidden, led + 1, generator=generator, dtype=torch.float64) / sqrt(led + 1)
            moved += [inner.to(loc).repeat(len(loc), 1, 1), loc.new_zeros(len(loc), 2 * (d - led), self.hidden + 1)]
        return [tensor.requires_grad_() for tensor in moved]


def normal_parts(q: Distribution) -> tuple[Tensor, Tensor]:
    """loc `(batch, d)` and lower triangular scale `(batch, d, d)` of a normal q over a flat z; `AbilityError` for others."""
    if isinstance(q, MultivariateNormal):
        return q.loc.detach(), q.scale_tril.detach()
    base = q.base_dist if isinstance(q, Independent) else None
    if isinstance(base, Normal) and base.loc.ndim == 2:
        return base.loc.detach(), torch.diag_embed(base.scale.detach())
    raise AbilityError(f"A flow begins at a normal q over a flat z; this one is {type(q).__name__}. Use richer='full'.")


def _flow(loc: Tensor, unit: Tensor, moved: list[Tensor]) -> RowFlow:
    shift, stretch, lower, bend, *weights = moved
    tril = unit @ (torch.diag_embed(stretch.exp()) + torch.tril(lower, -1))
    place = loc + (unit @ shift.unsqueeze(-1)).squeeze(-1)
    return RowFlow(place, tril, bend, list(zip(weights[::2], weights[1::2])))
