"""The reconstruction term alone: what an autoencoder ascends."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..batch import Batch
from ..distributions import draw
from ..errors import ParameterError
from .base import Terms


@dataclass(frozen=True)
class Reconstruction:
    """E_q[log p(x|z)], for a point posterior log p(x | z(x)): a reconstruction error, and no bound on log p(x).

    With a corruption c it is log p(x | z(c(x))): the code is made from the corrupted row, the row itself is explained.
    What is differentiated has penalties taken off; what is reported as the value has not:

        surrogate = value - sparsity sum_u |z_u| - contraction |dz/dx|^2   (Frobenius norm, x in the model's units)

    and a model's own `penalty(z)` `(batch,)`, where it has one, likewise. The norm of the Jacobian is estimated without bias by one random direction v ~ N(0, I) in z: E_v |v^T dz/dx|^2.

    Arguments:
        corruption: rows in the user's units -> rows of the same shape; None leaves them as they are.
        sparsity, contraction: weights of the penalties, nats.

    Sources: Vincent et al., "Extracting and composing robust features with denoising autoencoders", 2008; Rifai et al.,
    "Contractive auto-encoders", 2011, equation 2.

    >>> Reconstruction().names
    ('reconstruction', 'penalty')
    """

    corruption: Callable[[Tensor], Tensor] | None = None
    sparsity: float = 0.0
    contraction: float = 0.0
    names: ClassVar[tuple[str, ...]] = ("reconstruction", "penalty")
    method: ClassVar[str] = "reconstruction"

    def __post_init__(self) -> None:
        for name in ("sparsity", "contraction"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ParameterError(f"{name}={value} cannot be used. Use a number of at least 0.")

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms:
        seen = batch if self.corruption is None else replace(batch, x=self.corruption(batch.x))
        if self.contraction and torch.is_grad_enabled():
            seen = replace(seen, x=seen.x.detach().requires_grad_())
        q = posterior(seen, model)
        value = model.log_likelihood(batch.x, draw(q, 1), batch.observed).squeeze(0)
        penalty = self._penalty(q, seen.x, model)
        if penalty is None:
            return Terms(value, value, {"reconstruction": value})
        return Terms(value, value - penalty, {"reconstruction": value, "penalty": -penalty})

    def _penalty(self, q: Distribution, x: Tensor, model: Any) -> Tensor | None:
        own = getattr(model, "penalty", None)
        penalty = None if own is None else own(q.mean)
        if self.sparsity:
            sparse = self.sparsity * q.mean.abs().flatten(1).sum(1)
            penalty = sparse if penalty is None else penalty + sparse
        if not self.contraction or not torch.is_grad_enabled():
            return penalty
        v = torch.randn_like(q.mean)
        (slope,) = torch.autograd.grad(q.mean, x, v, create_graph=True)
        unit = model.scaling.scale.to(slope.dtype)
        norm = self.contraction * (slope * unit).square().flatten(1).sum(1)
        return norm if penalty is None else penalty + norm


@dataclass(frozen=True)
class LabelBound:
    """E_q[log p(label|z)]: how well the code of a row tells its label.

    >>> LabelBound().names
    ('reconstruction',)
    """

    names: ClassVar[tuple[str, ...]] = ("reconstruction",)
    method: ClassVar[str] = "reconstruction"

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms:
        assert batch.label is not None
        z = draw(posterior(batch, model), 1)
        value = model.log_likelihood(batch.label.unsqueeze(1), z).squeeze(0)
        return Terms(value, value, {"reconstruction": value})
