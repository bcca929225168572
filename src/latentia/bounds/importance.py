"""The importance-weighted bound."""

from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..batch import Batch
from ..distributions import draw
from ..errors import AbilityError, ParameterError
from .base import Terms


@dataclass(frozen=True)
class ImportanceWeighted:
    """IW-k = E[log 1/k sum_i w_i], w_i = p(x, z_i) / q(z_i|x); ELBO = IW-1 <= IW-k <= log p(x).

    Arguments:
        n_samples: k, samples of z per row.

    Source: Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8.

    >>> ImportanceWeighted(n_samples=50).names
    ('log_weight', 'ess')
    """

    n_samples: int = 50
    names: ClassVar[tuple[str, ...]] = ("log_weight", "ess")
    method: ClassVar[str] = "importance"

    def __post_init__(self) -> None:
        if self.n_samples < 1:
            raise ParameterError(f"n_samples={self.n_samples} is too small. At least one sample is needed.")

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms:
        q = posterior(batch, model)
        z = draw(q, self.n_samples)
        if z.requires_grad is False and torch.is_grad_enabled() and not q.has_rsample:
            raise AbilityError(
                f"{type(q).__name__} cannot be reparameterised, so that the importance-weighted bound has no gradient "
                "for q. Use bounds.Elbo, which sums over a finite latent."
            )
        log_weight = model.log_joint(batch.x, z, batch.observed) - q.log_prob(z)
        value = torch.logsumexp(log_weight, 0) - log(self.n_samples)
        parts = {"log_weight": log_weight.mean(0), "ess": effective_sample_size(log_weight)}
        return Terms(value, value, parts, log_weight)


def effective_sample_size(log_weight: Tensor) -> Tensor:
    """(sum w)^2 / sum w^2 over the samples, between 1 and k, `(batch,)`.

    >>> effective_sample_size(torch.zeros(5, 2))
    tensor([5., 5.])
    """
    twice = 2 * torch.logsumexp(log_weight, 0) - torch.logsumexp(2 * log_weight, 0)
    return torch.exp(twice)
