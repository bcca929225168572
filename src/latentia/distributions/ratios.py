"""torch's Student's t and F, whose inner chi-squared and gammas are validated only where the whole is.

torch builds them with the process's default, which reads the parameters back from the device at every construction.
"""

from math import log, pi
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Chi2, Distribution, Gamma
from torch.distributions import FisherSnedecor as _FisherSnedecor
from torch.distributions import StudentT as _StudentT
from torch.distributions.utils import broadcast_all
from torch.nn.functional import softplus
from torch.special import digamma

from .inverse_cdf import exp_far, inside, open_uniform

LARGE = 20.0  # from which the series of a half step is exact in double precision to 1e-12


def far(x: Tensor) -> Tensor:
    """Draws with heavy tails, kept where a small scale can still divide them.

    >>> far(torch.tensor([1.0, torch.inf]))
    tensor([1.0000e+00, 7.9228e+28])
    """
    most = torch.finfo(x.dtype).max ** 0.75
    return x.clamp(-most, most)


def log_gamma_draw(concentration: Tensor, shape: torch.Size) -> Tensor:
    """log of gammas of rate one, of that shape: G_a = G_(a+1) U^(1/a), whose logarithm is a number where G_a rounds to 0.

    Source: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000, section 6.

    >>> bool(log_gamma_draw(torch.tensor(1e-3), torch.Size((5,))).isfinite().all())
    True
    """
    above = torch._standard_gamma((concentration + 1).expand(shape))  # type: ignore[attr-defined]
    return torch.log(above) + torch.log(open_uniform(shape, concentration)) / concentration


def log_gamma_rise(h: Tensor, n: int) -> Tensor:
    """lgamma(h + n / 2) - lgamma(h), where h is so large too that the two have no digits left to differ in.

    Source: the half step is the series of Tricomi and Erdelyi, "The asymptotic expansion of a ratio of gamma functions", 1951.

    >>> log_gamma_rise(torch.tensor(1e8), 2), log_gamma_rise(torch.tensor(0.5), 1)
    (tensor(18.4207), tensor(-0.5724))
    """
    whole = torch.log(h.unsqueeze(-1) + torch.arange(n // 2, dtype=h.dtype, device=h.device)).sum(-1)
    if n % 2 == 0:
        return whole
    h = h + n // 2
    large = h > LARGE
    small, x = torch.where(large, torch.ones_like(h), h), torch.where(large, h, torch.ones_like(h)).reciprocal()
    series = -0.5 * torch.log(x) - x / 8 + x**3 / 192 - x**5 / 640
    return whole + torch.where(large, series, torch.lgamma(small + 0.5) - torch.lgamma(small))


def stretch(log_gamma: Tensor, half: Tensor) -> Tensor:
    """1 / sqrt(w) of a t's w = gamma / half, from the logarithm of gammas of shape half."""
    return exp_far(0.5 * (torch.log(half) - log_gamma))


def t_of(q: Any, normal: Tensor, log_gamma: Tensor) -> Tensor:
    """Draws of a Student's t from standard normals and logarithms of gammas of shape df / 2."""
    return far(q.loc + q.scale * (normal * stretch(log_gamma, q.df / 2)))


def f_of(q: Any, log_above: Tensor, log_below: Tensor) -> Tensor:
    """Draws of an F from logarithms of gammas of shape df1 / 2 and df2 / 2."""
    return exp_far(log_above - log_below + torch.log(q.df2) - torch.log(q.df1))


class StudentT(_StudentT):
    """torch's Student's t: x = loc + scale e / sqrt(w), e ~ N(0, 1), w ~ chi-squared(df) / df; its density does not overflow.

    >>> StudentT(torch.tensor(3.0), torch.tensor(1.0), torch.tensor(2.0), validate_args=False).variance
    tensor(12.)
    """

    def __init__(self, df: Tensor, loc: Tensor, scale: Tensor, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df, validate_args=validate_args)
        Distribution.__init__(self, self.df.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, type(self).__new__(type(self)))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        normal = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return t_of(self, normal, log_gamma_draw(self.df / 2, shape))

    def log_prob(self, value: Tensor) -> Tensor:
        half = self.df / 2
        y = (value - self.loc) / (self.scale * torch.sqrt(self.df))
        normaliser = log_gamma_rise(half, 1) - (torch.log(self.df) + log(pi)) / 2
        near = y.abs() < 1
        inner = torch.log1p(torch.where(near, y, torch.zeros_like(y)).square()) / 2
        outer = torch.log(torch.hypot(torch.where(near, torch.ones_like(y), y), torch.ones_like(y)))
        return normaliser - torch.log(self.scale) - (2 * half + 1) * torch.where(near, inner, outer)


class FisherSnedecor(_FisherSnedecor):
    """torch's F, the ratio of two chi-squared over their degrees of freedom; its density is worked out in logarithms.

    >>> FisherSnedecor(torch.tensor(3.0), torch.tensor(4.0), validate_args=False).mean
    tensor(2.)
    """

    def __init__(self, df1: Tensor, df2: Tensor, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 / 2, self.df1, validate_args=validate_args)
        self._gamma2 = Gamma(self.df2 / 2, self.df2, validate_args=validate_args)
        Distribution.__init__(self, self.df1.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, type(self).__new__(type(self)))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return f_of(self, log_gamma_draw(self.df1 / 2, shape), log_gamma_draw(self.df2 / 2, shape))

    def log_prob(self, value: Tensor) -> Tensor:
        a, b = self.df1 / 2, self.df2 / 2
        log_x = torch.log(value.clamp_min(torch.finfo(self.df1.dtype).tiny))
        log_ratio = torch.log(self.df1) - torch.log(self.df2)
        normaliser = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
        density = normaliser + a * log_ratio + (a - 1) * log_x - (a + b) * softplus(log_ratio + log_x)
        return inside(value, value > 0, density)

    def entropy(self) -> Tensor:
        a, b = self.df1 / 2, self.df2 / 2
        log_beta = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
        slopes = (1 - a) * digamma(a) - (1 + b) * digamma(b) + (a + b) * digamma(a + b)
        return torch.log(self.df2) - torch.log(self.df1) + log_beta + slopes
