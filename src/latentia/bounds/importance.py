"""The importance-weighted bound."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..batch import Batch
from ..distributions import joint_log_prob
from ..errors import ParameterError
from .base import Terms
from .gradients import Drawn, Gradient, LogMean, as_gradient


@dataclass(frozen=True)
class ImportanceWeighted:
    """IW-k = E[log 1/k sum_i w_i], w_i = p(x, z_i) / q(z_i|x); ELBO = IW-1 <= IW-k <= log p(x).

    Arguments:
        n_samples: k, samples of z per row.
        gradient: how q's parameters are reached, by name or as one of `bounds.gradients`; "auto" goes through the draws.

    Raises: `ParameterError` for a number of samples that the gradient cannot use, `AbilityError` for a gradient that this
    bound or q does not have.

    Source: Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8.

    >>> ImportanceWeighted(n_samples=50, gradient="dreg").names
    ('log_weight', 'ess')
    """

    n_samples: int = 50
    gradient: str | Gradient = "auto"
    names: ClassVar[tuple[str, ...]] = ("log_weight", "ess")
    method: ClassVar[str] = "importance"

    def __post_init__(self) -> None:
        check_weights(self.n_samples, self.gradient)

    def auxiliaries(self, model: Any) -> nn.Module | None:
        """A new module of what the gradient learns beside p and q (a baseline); None where nothing is learnt."""
        return as_gradient(self.gradient, "importance", self.n_samples).auxiliaries(model)

    def __call__(self, model: Any, posterior: Any, batch: Batch, auxiliaries: nn.Module | None = None) -> Terms:
        return weighted(self.n_samples, self.gradient, LogMean(), model, posterior, batch, auxiliaries)


def check_weights(n_samples: int, gradient: str | Gradient) -> None:
    """Raise where a bound of log weights cannot be made of so many samples with this gradient."""
    if n_samples < 1:
        raise ParameterError(f"n_samples={n_samples} is too small. At least one sample is needed.")
    as_gradient(gradient, "importance", n_samples)


def weighted(
    n_samples: int,
    gradient: str | Gradient,
    reduce: LogMean,
    model: Any,
    posterior: Any,
    batch: Batch,
    auxiliaries: nn.Module | None,
) -> Terms:
    """`reduce` of the log weights of `n_samples` draws, and what to differentiate for it."""
    learning = torch.is_grad_enabled()
    how = as_gradient(gradient if learning else "auto", "importance", n_samples)
    q = posterior(batch, model)
    if learning and gradient != "auto":
        how.refuse(q)
    z, noise = how.draw(q, n_samples)
    log_weight = model.log_joint(batch.x, z, batch.observed) - how.log_prob(q, z)
    value = reduce(log_weight)
    parts = {"log_weight": log_weight.mean(0), "ess": effective_sample_size(log_weight)}
    if not learning:
        return Terms(value, value, parts, log_weight)
    drawn = Drawn(q, z, noise, model, batch, auxiliaries)
    return Terms(value, how.combine(drawn, log_weight, reduce), parts, log_weight)


def log_weights(model: Any, q: Distribution, batch: Batch, n_samples: int, at_once: int) -> tuple[Tensor, Tensor]:
    """log p(x, z) - log q(z|x) of `n_samples` draws per row, the bound before its mean is taken, and log q; `(samples, batch)`.

    p(x, z) is worked out for `at_once` of the samples together, since there is more of x than of z.
    """
    z, _ = as_gradient("auto", "importance", n_samples).draw(q, n_samples)
    log_joint = [model.log_joint(batch.x, part, batch.observed) for part in z.split(at_once)]
    log_q = joint_log_prob(q, z)
    return torch.cat(log_joint) - log_q, log_q


def effective_sample_size(log_weight: Tensor) -> Tensor:
    """(sum w)^2 / sum w^2 over the samples, between 1 and k, `(batch,)`.

    >>> effective_sample_size(torch.zeros(5, 2))
    tensor([5., 5.])
    """
    twice = 2 * torch.logsumexp(log_weight, 0) - torch.logsumexp(2 * log_weight, 0)
    return torch.exp(twice)
