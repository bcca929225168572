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

from .inverse_cdf import finite_positive, inside


def far(x: Tensor) -> Tensor:
    """Draws with heavy tails, kept where a small scale can still divide them.

    >>> far(torch.tensor([1.0, torch.inf]))
    tensor([1.0000e+00, 7.9228e+28])
    """
    most = torch.finfo(x.dtype).max ** 0.75
    return x.clamp(-most, most)


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
        return far(super().rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        half = self.df / 2
        y = (value - self.loc) / (self.scale * torch.sqrt(self.df))
        normaliser = torch.lgamma(half + 0.5) - torch.lgamma(half) - (torch.log(self.df) + log(pi)) / 2
        return normaliser - torch.log(self.scale) - (2 * half + 1) * torch.log(torch.hypot(y, torch.ones_like(y)))


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
        return finite_positive(super().rsample(sample_shape))

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
