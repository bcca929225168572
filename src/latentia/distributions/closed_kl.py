"""KL divergences in closed form that torch's table lacks, nats, registered with `torch.distributions`."""

import torch
from torch import Tensor
from torch.distributions import (
    Independent,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    register_kl,
)

from .continuous_bernoulli import ContinuousBernoulli, log_sinhc
from .positive import EULER, Rayleigh, Reciprocal, Weibull
from .unit import Kumaraswamy
from .von_mises_fisher import VonMisesFisher


@register_kl(Rayleigh, Rayleigh)
def _(q: Rayleigh, p: Rayleigh) -> Tensor:
    log_ratio = torch.log(q.scale) - torch.log(p.scale)
    return torch.expm1(2 * log_ratio) - 2 * log_ratio


@register_kl(Reciprocal, Reciprocal)
def _(q: Reciprocal, p: Reciprocal) -> Tensor:
    inside = (q.low >= p.low) & (q.high <= p.high)
    return torch.where(inside, torch.log(p.log_ratio) - torch.log(q.log_ratio), torch.inf)


@register_kl(Weibull, Weibull)
def _(q: Weibull, p: Weibull) -> Tensor:
    """Bauckhage, "Computing the Kullback-Leibler divergence between two Weibull distributions", 2013, equation 4."""
    k, j = q.concentration, p.concentration
    log_ratio = torch.log(q.scale) - torch.log(p.scale)
    moment = torch.exp(j * log_ratio + torch.lgamma(j / k + 1))
    return torch.log(k) - torch.log(j) - j * log_ratio + (j / k - 1) * EULER + moment - 1


@register_kl(Kumaraswamy, Kumaraswamy)
def _(q: Kumaraswamy, p: Kumaraswamy) -> Tensor:
    raise NotImplementedError  # torch would compare the parameters, and answer only where they are equal


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _(q: ContinuousBernoulli, p: ContinuousBernoulli) -> Tensor:
    constants = log_sinhc(p.logits / 2) - log_sinhc(q.logits / 2)
    return (q.logits - p.logits) * (q.mean - 0.5) + constants


@register_kl(VonMisesFisher, VonMisesFisher)
def _(q: VonMisesFisher, p: VonMisesFisher) -> Tensor:
    a = q.resultant()
    cosine = (q.loc * p.loc).sum(-1)
    own = q.concentration * (a - 1) - q.log_normaliser()
    return own - p.concentration * (a * cosine - 1) + p.log_normaliser()


@register_kl(MultivariateNormal, Independent)
def _(q: MultivariateNormal, p: Independent) -> Tensor:
    variance = q.scale_tril.square().sum(-1)
    log_det = 2 * torch.log(torch.diagonal(q.scale_tril, dim1=-2, dim2=-1)).sum(-1)
    return _to_diagonal(q.loc, variance, log_det, p)


@register_kl(LowRankMultivariateNormal, Independent)
def _(q: LowRankMultivariateNormal, p: Independent) -> Tensor:
    capacitance = torch.diagonal(q._capacitance_tril, dim1=-2, dim2=-1)
    log_det = 2 * torch.log(capacitance).sum(-1) + torch.log(q._unbroadcasted_cov_diag).sum(-1)
    return _to_diagonal(q.loc, q.variance, log_det, p)


def _to_diagonal(loc: Tensor, variance: Tensor, log_det: Tensor, p: Independent) -> Tensor:
    """KL from a normal with this mean, these variances and this log determinant to one of independent cells."""
    base = p.base_dist
    if not isinstance(base, Normal) or p.event_shape != loc.shape[-1:]:
        raise NotImplementedError  # torch's word for a pair without a closed form: the bound draws it then
    squares = (variance + (loc - base.loc).square()) / base.scale.square()
    return (squares - 1 + 2 * torch.log(base.scale)).sum(-1) / 2 - log_det / 2
