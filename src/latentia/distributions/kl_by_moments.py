"""KL divergences from a few moments: KL(q || p) = -H(q) - E_q log p, where log p is linear in x, x^2, log x or a power.

Registered with `torch.distributions` for the pairs that torch's table lacks, nats.
"""

from functools import singledispatch
from math import log, pi

import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Distribution,
    Exponential,
    FisherSnedecor,
    Gamma,
    Laplace,
    LogNormal,
    Normal,
    StudentT,
    Uniform,
    register_kl,
)
from torch.special import digamma

from .continuous_bernoulli import ContinuousBernoulli
from .location_scale import Logistic, Triangular
from .positive import EULER, Pareto, Rayleigh, Reciprocal, Weibull
from .unit import Kumaraswamy


def _trigamma(x: Tensor) -> Tensor:
    return torch.special.polygamma(1, x)


# --- moments of q --------------------------------------------------------------------------------------------------


@singledispatch
def log_moments(q: Distribution) -> tuple[Tensor, Tensor]:
    """E_q[log x] and Var_q[log x].

    >>> log_moments(LogNormal(torch.tensor(1.0), torch.tensor(2.0)))
    (tensor(1.), tensor(4.))
    """
    raise NotImplementedError  # torch's word for a pair without a closed form: the bound draws it then


@log_moments.register
def _(q: LogNormal) -> tuple[Tensor, Tensor]:
    return q.loc, q.scale.square()


@log_moments.register
def _(q: Gamma) -> tuple[Tensor, Tensor]:
    return digamma(q.concentration) - torch.log(q.rate), _trigamma(q.concentration)


@log_moments.register
def _(q: Exponential) -> tuple[Tensor, Tensor]:
    return -EULER - torch.log(q.rate), torch.full_like(q.rate, pi**2 / 6)


@log_moments.register
def _(q: Weibull) -> tuple[Tensor, Tensor]:
    return torch.log(q.scale) - EULER / q.concentration, pi**2 / 6 / q.concentration.square()


@log_moments.register
def _(q: Rayleigh) -> tuple[Tensor, Tensor]:
    return torch.log(q.scale) + (log(2) - EULER) / 2, torch.full_like(q.scale, pi**2 / 24)


@log_moments.register
def _(q: Pareto) -> tuple[Tensor, Tensor]:
    return torch.log(q.scale) + q.alpha.reciprocal(), q.alpha.square().reciprocal()


@log_moments.register
def _(q: Reciprocal) -> tuple[Tensor, Tensor]:
    return torch.log(q.low) + q.log_ratio / 2, q.log_ratio.square() / 12


@log_moments.register
def _(q: Beta) -> tuple[Tensor, Tensor]:
    a, total = q.concentration1, q.concentration1 + q.concentration0
    return digamma(a) - digamma(total), _trigamma(a) - _trigamma(total)


@log_moments.register
def _(q: Kumaraswamy) -> tuple[Tensor, Tensor]:
    """x^a is beta(1, b)."""
    a, b = q.concentration1, q.concentration0
    return -(EULER + digamma(1 + b)) / a, (pi**2 / 6 - _trigamma(1 + b)) / a.square()


@log_moments.register
def _(q: FisherSnedecor) -> tuple[Tensor, Tensor]:
    """x is the ratio of two chi-squared over their degrees of freedom."""
    a, b = q.df1 / 2, q.df2 / 2
    return digamma(a) - torch.log(a) - digamma(b) + torch.log(b), _trigamma(a) + _trigamma(b)


@singledispatch
def power_moment(q: Distribution, k: Tensor) -> Tensor:
    """E_q[x^k], k > 0.

    >>> power_moment(Exponential(torch.tensor(1.0)), torch.tensor(3.0))
    tensor(6.)
    """
    raise NotImplementedError  # torch's word for a pair without a closed form: the bound draws it then


@power_moment.register
def _(q: LogNormal, k: Tensor) -> Tensor:
    return torch.exp(k * q.loc + (k * q.scale).square() / 2)


@power_moment.register
def _(q: Gamma, k: Tensor) -> Tensor:
    return torch.exp(torch.lgamma(q.concentration + k) - torch.lgamma(q.concentration) - k * torch.log(q.rate))


@power_moment.register
def _(q: Exponential, k: Tensor) -> Tensor:
    return torch.exp(torch.lgamma(1 + k) - k * torch.log(q.rate))


@power_moment.register
def _(q: Rayleigh, k: Tensor) -> Tensor:
    return torch.exp(k * (torch.log(q.scale) + log(2) / 2) + torch.lgamma(1 + k / 2))


@power_moment.register
def _(q: Reciprocal, k: Tensor) -> Tensor:
    return torch.exp(k * torch.log(q.low)) * torch.expm1(k * q.log_ratio) / (k * q.log_ratio)


@power_moment.register
def _(q: Beta, k: Tensor) -> Tensor:
    a, total = q.concentration1, q.concentration1 + q.concentration0
    return torch.exp(torch.lgamma(a + k) - torch.lgamma(a) + torch.lgamma(total) - torch.lgamma(total + k))


@power_moment.register
def _(q: Kumaraswamy, k: Tensor) -> Tensor:
    share, b = 1 + k / q.concentration1, q.concentration0
    return torch.exp(torch.lgamma(share) + torch.lgamma(1 + b) - torch.lgamma(share + b))


# --- E_q log p -----------------------------------------------------------------------------------------------------


def _to_normal(q: Distribution, p: Normal) -> Tensor:
    squares = q.variance + (q.mean - p.loc).square()
    return log(2 * pi) / 2 + torch.log(p.scale) + squares / (2 * p.scale.square()) - q.entropy()


@register_kl(StudentT, Normal)
def _(q: StudentT, p: Normal) -> Tensor:
    return torch.where(q.df > 2, _to_normal(q, p), torch.inf)


def _to_exponential(q: Distribution, p: Exponential) -> Tensor:
    return p.rate * q.mean - torch.log(p.rate) - q.entropy()


def _to_gamma(q: Distribution, p: Gamma) -> Tensor:
    a, b = p.concentration, p.rate
    return torch.lgamma(a) - a * torch.log(b) - (a - 1) * log_moments(q)[0] + b * q.mean - q.entropy()


def _to_lognormal(q: Distribution, p: LogNormal) -> Tensor:
    mean, variance = log_moments(q)
    squares = variance + (mean - p.loc).square()
    return mean + log(2 * pi) / 2 + torch.log(p.scale) + squares / (2 * p.scale.square()) - q.entropy()


def _to_weibull(q: Distribution, p: Weibull) -> Tensor:
    k, log_scale = p.concentration, torch.log(p.scale)
    powers = power_moment(q, k) * torch.exp(-k * log_scale)
    return k * log_scale - torch.log(k) - (k - 1) * log_moments(q)[0] + powers - q.entropy()


def _to_rayleigh(q: Distribution, p: Rayleigh) -> Tensor:
    squares = q.variance + q.mean.square()
    return 2 * torch.log(p.scale) - log_moments(q)[0] + squares / (2 * p.scale.square()) - q.entropy()


def _to_laplace(distance: Tensor, q: Distribution, p: Laplace) -> Tensor:
    return torch.log(2 * p.scale) + distance / p.scale - q.entropy()


@register_kl(Logistic, Laplace)
def _(q: Logistic, p: Laplace) -> Tensor:
    y = (p.loc - q.loc) / q.scale
    return _to_laplace(q.scale * (torch.nn.functional.softplus(y) + torch.nn.functional.softplus(-y)), q, p)


@register_kl(Uniform, Laplace)
def _(q: Uniform, p: Laplace) -> Tensor:
    low, high = q.low - p.loc, q.high - p.loc
    return _to_laplace((high * high.abs() - low * low.abs()) / (2 * (q.high - q.low)), q, p)


_POSITIVE = (Exponential, Gamma, LogNormal, Weibull, Rayleigh, Reciprocal, Beta, Kumaraswamy)
_KNOWN = {  # what torch's table has, or `closed_kl`
    _to_normal: (Exponential, Gamma, Beta),
    _to_exponential: (Exponential, Gamma, Beta),
    _to_gamma: (Exponential, Gamma, Beta),
    _to_lognormal: (LogNormal,),
    _to_weibull: (Weibull,),
    _to_rayleigh: (Rayleigh,),
}
_TARGETS = {
    _to_normal: (Normal, (*_POSITIVE, Logistic, Triangular, ContinuousBernoulli)),
    _to_exponential: (Exponential, (*_POSITIVE, ContinuousBernoulli)),
    _to_gamma: (Gamma, _POSITIVE),
    _to_lognormal: (LogNormal, (*_POSITIVE, Pareto, FisherSnedecor)),
    _to_weibull: (Weibull, _POSITIVE),
    _to_rayleigh: (Rayleigh, _POSITIVE),
}
for _form, (_p, _each) in _TARGETS.items():
    for _q in _each:
        if _q not in _KNOWN[_form]:
            register_kl(_q, _p)(_form)
