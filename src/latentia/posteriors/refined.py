"""The encoder's proposal, refined for each row by some steps on the bound."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from ..batch import Batch
from ..errors import AbilityError, ParameterError
from ..randomness import RowNoise
from .base import Posterior


class Refined(Posterior):
    """q(z|x) = N(loc, scale^2), started at another posterior's and moved up the ELBO of its own row, p held.

    Every row has its own noise and its own steps, so that what comes out does not depend on the rows beside it. No
    gradient flows back into the start or the model.

    Arguments:
        start: where the steps begin; its q must be Normal in each unit.
        n_steps: steps of Adam, the rate falling to zero by half a cosine.
        learning_rate: of loc (in units of the starting scale) and of log scale.
        n_samples: draws of z per row and step.
        seed: of the noise.

    Raises: `AbilityError` where the start's q is not Normal.

    Sources: Kim et al., "Semi-amortized variational autoencoders", 2018; Cremer et al., "Inference suboptimality in
    variational autoencoders", 2018, section 3.

    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.families import Normal as Gaussian
    >>> from latentia.conditional import Conditional
    >>> from latentia.posteriors import Amortized
    >>> encoder = Conditional(torch.nn.Linear(3, 4), Gaussian((2,)), (3,), joint=True)
    >>> rows = Batch(torch.zeros(5, 3, dtype=torch.float64), torch.arange(5))
    >>> Refined(Amortized(encoder).double())(rows, ProbabilisticPCA(3, 2)).mean.shape
    torch.Size([5, 2])
    """

    def __init__(
        self, start: Posterior, *, n_steps: int = 100, learning_rate: float = 0.1, n_samples: int = 8, seed: int = 0
    ) -> None:
        super().__init__()
        if n_steps < 1 or n_samples < 1 or not learning_rate > 0:
            raise ParameterError(
                f"n_steps={n_steps}, n_samples={n_samples}, learning_rate={learning_rate} cannot be used. "
                "Use at least one step, one sample and a positive rate."
            )
        self.start, self.n_steps, self.learning_rate = start, n_steps, learning_rate
        self.n_samples, self.seed = n_samples, seed

    def forward(self, batch: Batch, model: Any) -> Distribution:
        with torch.no_grad():
            q = self.start(batch, model)
        if not isinstance(q, Independent) or not isinstance(q.base_dist, Normal):
            raise AbilityError(
                f"Only a Normal q is refined; this one is {type(q).__name__}. Use the posterior as it is."
            )
        loc, scale = q.base_dist.loc.detach(), q.base_dist.scale.detach()
        loc, scale = self._climb(batch, model, loc, scale)
        return Independent(Normal(loc, scale, validate_args=False), q.reinterpreted_batch_ndims, validate_args=False)

    def _climb(self, batch: Batch, model: Any, start: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Steps of (shift, log stretch): loc = start + unit shift, scale = unit exp(stretch)."""
        moved = [torch.zeros_like(start, requires_grad=True) for _ in range(2)]
        optimizer = torch.optim.Adam(moved, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.n_steps)
        noise = RowNoise(batch.x, self.seed)
        for _ in range(self.n_steps):
            eps = noise.normal(self.n_samples, start.shape[1:]).to(start.dtype)
            noise.skip(self.n_samples)
            with torch.enable_grad():
                loss = -self._elbo(batch, model, start + unit * moved[0], unit * moved[1].exp(), eps).sum()
                gradients = torch.autograd.grad(loss, moved)
            for tensor, gradient in zip(moved, gradients):
                tensor.grad = gradient
            optimizer.step()
            schedule.step()
        shift, stretch = (tensor.detach() for tensor in moved)
        return start + unit * shift, unit * stretch.exp()

    def _elbo(self, batch: Batch, model: Any, loc: Tensor, scale: Tensor, eps: Tensor) -> Tensor:
        """E_q[log p(x, z)] + entropy of each row, up to a constant, `(batch,)`."""
        log_joint = model.log_joint(batch.x, loc + scale * eps, batch.observed).mean(0)
        return log_joint + torch.log(scale).flatten(1).sum(1)
