"""Rows of the table `from_noise`: the noise of a row turned into draws, for whatever has no inverse cdf of its own."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Dirichlet,
    FisherSnedecor,
    Gamma,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    NegativeBinomial,
    OneHotCategorical,
    Poisson,
    StudentT,
    TransformedDistribution,
)
from torch.nn.functional import one_hot

from ..randomness import RowNoise
from .counts import ZeroInflated
from .flow import FlowDistribution
from .inverse_cdf import finite_positive, into_open
from .logistic_mixture import DiscretisedLogisticMixture
from .multivariate_t import MultivariateStudentT
from .quantiles import gamma_icdf, poisson_icdf
from .ratios import f_of, t_of
from .relaxed import RelaxedCategorical, StraightThroughBernoulli, StraightThroughCategorical
from .rows import from_noise
from .unit import off_the_ends
from .von_mises_fisher import VonMisesFisher


def _gamma(concentration: Tensor, noise: RowNoise, n_samples: int) -> Tensor:
    """Gammas of rate one in float64, one for each cell of `concentration` `(batch, ...)`."""
    return gamma_icdf(concentration, noise.uniform(n_samples, concentration.shape[1:]))


def _log_gamma(concentration: Tensor, noise: RowNoise, n_samples: int) -> Tensor:
    """Their logarithms, from gammas of a shape that is one more and uniform numbers, see `ratios.log_gamma_draw`."""
    u = noise.uniform(n_samples, concentration.shape[1:])
    boost = torch.log(into_open(u, torch.float64)) / concentration.double()
    return torch.log(_gamma(concentration + 1, noise, n_samples)) + boost


def _positive(x: Tensor, dtype: torch.dtype) -> Tensor:
    return finite_positive(x.to(dtype))


@from_noise.register(Gamma)
def _(q: Gamma, noise: RowNoise, n_samples: int) -> Tensor:
    return _positive(_gamma(q.concentration, noise, n_samples) / q.rate.double(), q.rate.dtype)


@from_noise.register(Beta)
def _(q: Beta, noise: RowNoise, n_samples: int) -> Tensor:
    one, zero = _gamma(q.concentration1, noise, n_samples), _gamma(q.concentration0, noise, n_samples)
    return off_the_ends((one / (one + zero).clamp_min(1e-300)).to(q.concentration1.dtype))


@from_noise.register(Dirichlet)
def _(q: Dirichlet, noise: RowNoise, n_samples: int) -> Tensor:
    parts = _gamma(q.concentration, noise, n_samples).clamp_min(1e-300)
    return _positive(parts / parts.sum(-1, keepdim=True), q.concentration.dtype)


@from_noise.register(FisherSnedecor)
def _(q: FisherSnedecor, noise: RowNoise, n_samples: int) -> Tensor:
    above, below = (_log_gamma(df / 2, noise, n_samples).to(df.dtype) for df in (q.df1, q.df2))
    return f_of(q, above, below)


@from_noise.register(StudentT)
def _(q: StudentT, noise: RowNoise, n_samples: int) -> Tensor:
    normal = noise.normal(n_samples, q.batch_shape[1:]).to(q.loc.dtype)
    return t_of(q, normal, _log_gamma(q.df / 2, noise, n_samples).to(q.loc.dtype))


@from_noise.register(MultivariateStudentT)
def _(q: MultivariateStudentT, noise: RowNoise, n_samples: int) -> Tensor:
    normal = noise.normal(n_samples, q.batch_shape[1:] + q.event_shape).to(q.loc.dtype)
    return q.from_noise(normal, _log_gamma(q.df / 2, noise, n_samples).to(q.loc.dtype))


@from_noise.register(LowRankMultivariateNormal)
def _(q: LowRankMultivariateNormal, noise: RowNoise, n_samples: int) -> Tensor:
    factor, diagonal = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag
    few = noise.normal(n_samples, q.batch_shape[1:] + factor.shape[-1:]).to(factor.dtype)
    own = noise.normal(n_samples, q.batch_shape[1:] + q.event_shape).to(factor.dtype)
    return q.loc + (factor @ few.unsqueeze(-1)).squeeze(-1) + torch.sqrt(diagonal) * own


@from_noise.register(VonMisesFisher)
def _(q: VonMisesFisher, noise: RowNoise, n_samples: int) -> Tensor:
    u = into_open(noise.uniform(n_samples, q.batch_shape[1:]), q.loc.dtype)
    return q.from_noise(u, noise.normal(n_samples, q.batch_shape[1:] + q.event_shape).to(q.loc.dtype))


@from_noise.register(Poisson)
def _(q: Poisson, noise: RowNoise, n_samples: int) -> Tensor:
    return poisson_icdf(q.rate, noise.uniform(n_samples, q.batch_shape[1:])).to(q.rate.dtype)


@from_noise.register(NegativeBinomial)
def _(q: NegativeBinomial, noise: RowNoise, n_samples: int) -> Tensor:
    rate = _gamma(q.total_count, noise, n_samples) * torch.exp(q.logits.double())
    return poisson_icdf(rate, noise.uniform(n_samples, q.batch_shape[1:])).to(q.logits.dtype)


@from_noise.register(ZeroInflated)
def _(q: ZeroInflated, noise: RowNoise, n_samples: int) -> Tensor:
    gate = noise.uniform(n_samples, q.batch_shape[1:]) < q.probs
    return from_noise(q.base, noise, n_samples).masked_fill(gate, 0)


@from_noise.register(DiscretisedLogisticMixture)
def _(q: DiscretisedLogisticMixture, noise: RowNoise, n_samples: int) -> Tensor:
    which, where = (noise.uniform(n_samples, q.batch_shape[1:]) for _ in range(2))
    return q.from_uniform(which, into_open(where, q.loc.dtype))


@from_noise.register(StraightThroughBernoulli)
def _(q: StraightThroughBernoulli, noise: RowNoise, n_samples: int) -> Tensor:
    return q.from_uniform(into_open(noise.uniform(n_samples, q.batch_shape[1:]), q.logits.dtype))


@from_noise.register(RelaxedCategorical)
@from_noise.register(StraightThroughCategorical)
def _(q: RelaxedCategorical | StraightThroughCategorical, noise: RowNoise, n_samples: int) -> Tensor:
    u = noise.uniform(n_samples, q.batch_shape[1:] + q.event_shape)
    return q.from_uniform(into_open(u, q.logits.dtype))


@from_noise.register(OneHotCategorical)
def _(q: OneHotCategorical, noise: RowNoise, n_samples: int) -> Tensor:
    u = noise.uniform(n_samples, q.batch_shape[1:]).unsqueeze(-1)
    below = (q.probs.to(u.dtype).cumsum(-1)[..., :-1] <= u).sum(-1)
    return one_hot(below, q.event_shape[0]).to(q.probs.dtype)


@from_noise.register(MixtureSameFamily)
def _(q: MixtureSameFamily, noise: RowNoise, n_samples: int) -> Tensor:
    which = from_noise(q.mixture_distribution, noise, n_samples)  # (samples, batch, ...)
    every = from_noise(q.component_distribution, noise, n_samples)  # (samples, batch, ..., components, *event)
    axis = every.ndim - 1 - len(q.event_shape)
    place = which.reshape(which.shape + (1,) * (1 + len(q.event_shape)))
    return every.take_along_dim(place, axis).squeeze(axis)


@from_noise.register(FlowDistribution)
def _(q: FlowDistribution, noise: RowNoise, n_samples: int) -> Tensor:
    dtype = q.base.mean.dtype
    return q.from_noise(noise.normal(n_samples, q.batch_shape[1:] + q.event_shape).to(dtype))


@from_noise.register(TransformedDistribution)
def _(q: TransformedDistribution, noise: RowNoise, n_samples: int) -> Tensor:
    icdf = type(q).icdf
    if icdf is not TransformedDistribution.icdf:  # a closed form of its own
        u = noise.uniform(n_samples, q.batch_shape[1:])
        return q.icdf(into_open(u, q.mean.dtype))  # type: ignore[return-value]
    z: Any = from_noise(q.base_dist, noise, n_samples)
    for transform in q.transforms:
        z = transform(z)
    return z
