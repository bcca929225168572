"""The evidence lower bound."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..abilities import has_globals
from ..batch import Batch
from ..distributions import kl
from ..distributions.finite import every_value
from ..errors import AbilityError, ParameterError, choose
from .base import Terms, enumerable
from .finite import check_values
from .gradients import Drawn, Gradient, as_gradient, over_samples
from .shared import with_globals
from .units import unit_kl


@dataclass(frozen=True)
class Elbo:
    """ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)), which is log p(x) - KL(q(z|x) || p(z|x)) <= log p(x).

    Arguments:
        n_samples: L, samples of z per row.
        kl: "closed" uses the closed form of KL(q || p) (estimator B of the paper), "monte-carlo" draws it (estimator
            A), "auto" uses the closed form where the pair of distributions has one.
        gradient: how q's parameters are reached, by name or as one of `bounds.gradients`; "auto" sums over a single
            categorical latent and goes through the draws of all others. The value is the bound's own, whatever is
            differentiated.

    For a finite latent the expectation is a sum and exact. A single row's KL is never negative in closed form; drawn,
    it may be.

    Raises: `ParameterError` for a number of samples that the gradient cannot use, `AbilityError` for a gradient that this
    bound or q does not have.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, equations 6 and 7.

    >>> Elbo(n_samples=2, gradient="leave-one-out").names
    ('reconstruction', 'kl')
    """

    n_samples: int = 1
    kl: str = "auto"
    gradient: str | Gradient = "auto"
    names: ClassVar[tuple[str, ...]] = ("reconstruction", "kl")
    method: ClassVar[str] = "elbo"

    def __post_init__(self) -> None:
        choose("kl", self.kl, ("auto", "closed", "monte-carlo"))
        if self.n_samples < 1:
            raise ParameterError(f"n_samples={self.n_samples} is too small. At least one sample is needed.")
        how = as_gradient(self.gradient, "elbo", self.n_samples)
        if self.kl == "closed" and not how.closed_kl:
            raise ParameterError(f"gradient={how.name!r} needs the KL drawn and kl='closed' came. Use kl='auto'.")

    def auxiliaries(self, model: Any) -> nn.Module | None:
        """A new module of what the gradient learns beside p and q (a baseline); None where nothing is learnt."""
        return as_gradient(self.gradient, "elbo", self.n_samples).auxiliaries(model)

    def __call__(self, model: Any, posterior: Any, batch: Batch, auxiliaries: nn.Module | None = None) -> Terms:
        if has_globals(model):
            return with_globals(model, posterior, batch)
        q, p = posterior(batch, model), model.prior()
        if self.gradient == "enumeration" or (self.gradient == "auto" and enumerable(q)):
            return _enumerated(model, q, p, batch)
        how = self._estimator(q)
        z, noise = how.draw(q, self.n_samples)
        log_lik = model.log_likelihood(batch.x, z, batch.observed)  # (samples, batch)
        closed = self._closed(q, p) if how.closed_kl else None
        divergence = closed if closed is not None else self._drawn_kl(how, q, p, z)
        units = partial(unit_kl, q, p)  # summed already in the closed KL, and wanted by few
        draws = log_lik - divergence
        value = over_samples(draws)
        with torch.no_grad():
            parts = {"reconstruction": over_samples(log_lik)}
        parts["kl"] = divergence if closed is not None else over_samples(divergence)
        if how.through_draw or not torch.is_grad_enabled():
            return Terms(value, value, parts, draws, units=units)
        drawn = Drawn(q, z, noise, model, batch, auxiliaries)
        if closed is not None:
            return Terms(value, how.average(drawn, log_lik) - closed, parts, draws, units=units)
        parts["kl"] = _scored(drawn, divergence)
        return Terms(value, how.average(drawn, draws), parts, draws, units=units)

    def _estimator(self, q: Distribution) -> Gradient:
        how = as_gradient("auto" if not torch.is_grad_enabled() else self.gradient, "elbo", self.n_samples)
        if self.gradient != "auto" and torch.is_grad_enabled():
            how.refuse(q)
        return how

    def _closed(self, q: Distribution, p: Distribution) -> Tensor | None:
        if self.kl == "monte-carlo":
            return None
        try:
            return kl(q, p)
        except NotImplementedError:
            if self.kl == "auto":
                return None
            pair = f"{type(q).__name__} and {type(p).__name__}"
            raise AbilityError(f"The pair {pair} has no closed-form KL. Use kl='auto' or kl='monte-carlo'.") from None

    def _drawn_kl(self, how: Gradient, q: Distribution, p: Distribution, z: Tensor) -> Tensor:
        """log q(z) - log p(z); without a path, log q's own gradient has the mean zero and is left out."""
        log_q = how.log_prob(q, z)
        return (log_q if how.through_draw else log_q.detach()) - p.log_prob(z)


def _scored(drawn: Drawn, divergence: Tensor) -> Tensor:
    """The drawn KL's value, with the score function's gradient for whoever weighs it."""
    credit = over_samples(divergence.detach() * drawn.q.log_prob(drawn.z))
    return over_samples(divergence) + credit - credit.detach()


def _enumerated(model: Any, q: Distribution, p: Distribution, batch: Batch) -> Terms:
    check_values(q)
    every = every_value(q).unsqueeze(1)  # (values, 1, *latent)
    log_lik = model.log_likelihood(batch.x, every, batch.observed)  # (values, batch)
    log_q = q.log_prob(every)
    weight = log_q.exp()
    zero = torch.zeros_like(weight)
    reconstruction = torch.where(weight > 0, weight * log_lik, zero).sum(0)
    divergence = torch.where(weight > 0, weight * (log_q - p.log_prob(every)), zero).sum(0)
    value = reconstruction - divergence
    return Terms(value, value, {"reconstruction": reconstruction, "kl": divergence})
