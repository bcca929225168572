"""The encoder's proposal, refined for each row by some steps on the bound."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from ..batch import Batch
from ..errors import AbilityError, ParameterError
from ..randomness import RowNoise
from .base import Posterior, still


class Refined(Posterior):
    """q(z|x) = N(loc, scale^2), started at another posterior's and moved up the ELBO of its own row, p held.

    With `full`, q(z|x) = N(loc, L L'), L lower triangular, from the same start: what a richer family could do. Every row has its own noise and its own steps, so that what comes out does not depend on the rows beside it. No
    gradient flows back into the start or the model.

    Arguments:
        start: where the steps begin; its q must be Normal in each unit.
        n_steps: steps of Adam, the rate falling to zero by half a cosine.
        learning_rate: of loc (in units of the starting scale) and of log scale.
        n_samples: draws of z per row and step.
        seed: of the noise.
        full: whether the coordinates may come to depend on each other; z must be flat.

    The gradient goes through the draws alone ("sticking the landing"), so that its noise vanishes where q is exact.

    Raises: `AbilityError` where the start's q is not Normal.

    Sources: Kim et al., "Semi-amortized variational autoencoders", 2018; Cremer et al., "Inference suboptimality in
    variational autoencoders", 2018, section 3; Roeder, Wu, Duvenaud, "Sticking the landing", 2017.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.families import Normal as Gaussian
    >>> from latentia.conditional import Conditional
    >>> from latentia.posteriors import Amortized
    >>> encoder = Conditional(torch.nn.Linear(3, 4), Gaussian((2,)), (3,), joint=True)
    >>> rows = Batch(torch.zeros(5, 3, dtype=torch.float64), torch.arange(5))
    >>> Refined(Amortized(encoder).double())(rows, ProbabilisticPCA(3, 2)).mean.shape
    torch.Size([5, 2])
    """

    moves_rows = True

    def __init__(
        self,
        start: Posterior,
        *,
        n_steps: int = 100,
        learning_rate: float = 0.1,
        n_samples: int = 8,
        seed: int = 0,
        full: bool = False,
    ) -> None:
        super().__init__()
        check_steps(n_steps, n_samples, learning_rate)
        self.start, self.n_steps, self.learning_rate = start, n_steps, learning_rate
        self.n_samples, self.seed, self.full = n_samples, seed, full

    def forward(self, batch: Batch, model: Any) -> Distribution:
        with torch.no_grad():
            q = self.start(batch, model)
        if not isinstance(q, Independent) or not isinstance(q.base_dist, Normal):
            raise AbilityError(
                f"Only a Normal q is refined; this one is {type(q).__name__}. Use the posterior as it is."
            )
        loc, unit = q.base_dist.loc.detach(), q.base_dist.scale.detach()
        if self.full and loc.ndim != 2:
            raise AbilityError(f"A full covariance needs a flat z; this one is {tuple(loc.shape[1:])}. Use full=False.")
        with still(model):
            shift, stretch, lower = self._climb(batch, model, loc, unit)
        loc, scale = loc + unit * shift, unit * stretch.exp()
        if self.full:
            tril = unit.unsqueeze(-1) * _tril(stretch, lower)
            return MultivariateNormal(loc, scale_tril=tril, validate_args=False)
        return Independent(Normal(loc, scale, validate_args=False), q.reinterpreted_batch_ndims, validate_args=False)

    def _climb(self, batch: Batch, model: Any, start: Tensor, unit: Tensor) -> list[Tensor]:
        """Steps of (shift, log stretch, lower): z = start + unit (shift + M eps), M from stretch and lower."""
        lower = start.new_zeros(*start.shape, start.shape[-1] if self.full else 0)
        moved = [t.requires_grad_() for t in (torch.zeros_like(start), torch.zeros_like(start), lower)]

        def draw(eps: Tensor) -> tuple[Tensor, Tensor]:
            u, pull = self._draws(moved, eps)
            return start + unit * u, (pull * u).flatten(2).sum(-1)

        few = moved if self.full else moved[:2]
        climbed(batch, model, few, draw, start.shape[1:], self.n_steps, self.n_samples, self.learning_rate, self.seed)
        return [tensor.detach() for tensor in moved]

    def _draws(self, moved: list[Tensor], eps: Tensor) -> tuple[Tensor, Tensor]:
        """u = shift + M eps, `(samples, batch, *latent)`, and -d log q(u) / du there."""
        shift, stretch, lower = moved
        if not self.full:
            return shift + stretch.exp() * eps, eps * (-stretch.detach()).exp()
        tril = _tril(stretch, lower)
        draws = shift + (tril @ eps.unsqueeze(-1)).squeeze(-1)
        pull = torch.linalg.solve_triangular(tril.detach().mT, eps.permute(1, 2, 0), upper=True)
        return draws, pull.permute(2, 0, 1)


def check_steps(n_steps: int, n_samples: int, learning_rate: float) -> None:
    """Raise `ParameterError` where nothing would move."""
    if n_steps < 1 or n_samples < 1 or not learning_rate > 0:
        raise ParameterError(
            f"n_steps={n_steps}, n_samples={n_samples}, learning_rate={learning_rate} cannot be used. "
            "Use at least one step, one sample and a positive rate."
        )


def climbed(
    batch: Batch,
    model: Any,
    moved: list[Tensor],
    draw: Callable[[Tensor], tuple[Tensor, Tensor]],
    shape: Sequence[int],
    n_steps: int,
    n_samples: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Steps of Adam of `moved` up the ELBO of each row, the rate falling to zero by half a cosine.

    Arguments:
        batch, model: rows, and p.
        moved: numbers of each row, changed in place.
        draw: of normal noise `(samples, batch, *shape)`: z, and -log q(z) or what has its gradient, `(samples, batch)`.
        shape: of one row's noise.
        n_steps, n_samples, learning_rate, seed: as of `Refined`.
    """
    optimizer = torch.optim.Adam(moved, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    noise = RowNoise(batch.x, seed)
    for _ in range(n_steps):
        eps = noise.normal(n_samples, tuple(shape)).to(moved[0].dtype)
        noise.skip(n_samples)
        with torch.enable_grad():
            z, surprise = draw(eps)
            rise = model.log_joint(batch.x, z, batch.observed).mean(0)
            gradients = torch.autograd.grad(-(rise + surprise.mean(0)).sum(), moved)
        for tensor, gradient in zip(moved, gradients):
            tensor.grad = gradient
        optimizer.step()
        schedule.step()


def _tril(stretch: Tensor, lower: Tensor) -> Tensor:
    return torch.diag_embed(stretch.exp()) + torch.tril(lower, -1)
