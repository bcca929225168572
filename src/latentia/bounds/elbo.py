"""The evidence lower bound."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from ..batch import Batch
from ..distributions import draw, kl
from ..errors import AbilityError, ParameterError, choose
from .base import Terms, enumerable


@dataclass(frozen=True)
class Elbo:
    """ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)), which is log p(x) - KL(q(z|x) || p(z|x)) <= log p(x).

    Arguments:
        n_samples: L, samples of z per row.
        kl: "closed" uses the closed form of KL(q || p) (estimator B of the paper), "monte-carlo" draws it (estimator
            A), "auto" uses the closed form where the pair of distributions has one.

    For a finite latent the expectation is a sum and exact. A single row's KL is never negative in closed form; drawn,
    it may be.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, equations 6 and 7.

    >>> Elbo(n_samples=1).names
    ('reconstruction', 'kl')
    """

    n_samples: int = 1
    kl: str = "auto"
    names: ClassVar[tuple[str, ...]] = ("reconstruction", "kl")
    method: ClassVar[str] = "elbo"

    def __post_init__(self) -> None:
        choose("kl", self.kl, ("auto", "closed", "monte-carlo"))
        if self.n_samples < 1:
            raise ParameterError(f"n_samples={self.n_samples} is too small. At least one sample is needed.")

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms:
        q, p = posterior(batch, model), model.prior()
        if enumerable(q):
            return _enumerated(model, q, p, batch)
        z = draw(q, self.n_samples)
        log_lik = model.log_likelihood(batch.x, z, batch.observed)  # (samples, batch)
        divergence = self._kl(q, p, z)  # (batch,) or (samples, batch)
        draws = log_lik - divergence
        value = over_samples(draws)
        with torch.no_grad():
            parts = {"reconstruction": over_samples(log_lik)}
        parts["kl"] = divergence if divergence.ndim == 1 else over_samples(divergence)
        return Terms(value, value, parts, draws)

    def _kl(self, q: Distribution, p: Distribution, z: Tensor) -> Tensor:
        if self.kl != "monte-carlo":
            try:
                return kl(q, p)
            except NotImplementedError:
                if self.kl == "closed":
                    pair = f"{type(q).__name__} and {type(p).__name__}"
                    raise AbilityError(
                        f"The pair {pair} has no closed-form KL. Use kl='auto' or kl='monte-carlo'."
                    ) from None
        return q.log_prob(z) - p.log_prob(z)


def over_samples(values: Tensor) -> Tensor:
    """Mean over the first axis; of a single sample the sample itself."""
    return values.squeeze(0) if values.shape[0] == 1 else values.mean(0)


def _enumerated(model: Any, q: Categorical, p: Distribution, batch: Batch) -> Terms:
    every = torch.arange(q.logits.shape[-1], device=batch.x.device).unsqueeze(1)  # (K, 1)
    log_lik = model.log_likelihood(batch.x, every, batch.observed)  # (K, batch)
    weight, log_q = q.probs.T, q.logits.T
    zero = torch.zeros_like(weight)
    reconstruction = torch.where(weight > 0, weight * log_lik, zero).sum(0)
    kl = torch.where(weight > 0, weight * (log_q - p.log_prob(every)), zero).sum(0)
    value = reconstruction - kl
    return Terms(value, value, {"reconstruction": reconstruction, "kl": kl})
