"""The multivariate Student's t: the elliptical distribution whose tails are a power."""

from math import pi
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .normals import log_determinant, whitened
from .ratios import far, log_gamma_draw, log_gamma_rise, stretch

FAR = 1e8  # in units of the scale; the squares of what is nearer fit


class MultivariateStudentT(Distribution):
    """x = loc + L e / sqrt(w), e ~ N(0, I), w ~ chi-squared(df) / df, L = scale_tril.

    log p(x) = lgamma((df + d) / 2) - lgamma(df / 2) - d/2 log(df pi) - log|L| - (df + d)/2 log(1 + |L^-1 (x - loc)|^2 / df).

    Arguments:
        df: degrees of freedom, positive, `(...)`.
        loc: centre, `(..., d)`; the mean where df > 1.
        scale_tril: Cholesky factor of the scale matrix, `(..., d, d)`; the covariance is df / (df - 2) of it.

    Source: Kotz and Nadarajah, "Multivariate t distributions and their applications", 2004, equation 1.1.

    >>> q = MultivariateStudentT(torch.tensor(1.0), torch.zeros(2), torch.eye(2))
    >>> q.log_prob(torch.zeros(2)).exp()  # 1 / (2 pi)
    tensor(0.1592)
    """

    arg_constraints = {  # type: ignore[assignment]
        "df": constraints.positive,
        "loc": constraints.real_vector,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, df: Tensor, loc: Tensor, scale_tril: Tensor, validate_args: bool | None = None) -> None:
        batch = torch.broadcast_shapes(df.shape, loc.shape[:-1], scale_tril.shape[:-2])
        self.df, self.loc = df.expand(batch), loc.expand(*batch, loc.shape[-1])
        self.scale_tril = scale_tril.expand(*batch, *scale_tril.shape[-2:])
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "MultivariateStudentT":
        d = self.event_shape[0]
        loc, tril = self.loc.expand(*batch_shape, d), self.scale_tril.expand(*batch_shape, d, d)
        return MultivariateStudentT(self.df.expand(batch_shape), loc, tril, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        d, half = self.event_shape[0], self.df / 2
        y = whitened(self.scale_tril, value - self.loc)
        constant = log_gamma_rise(half, d) - d / 2 * torch.log(self.df * pi) - log_determinant(self.scale_tril)
        size = y.detach().abs().amax(-1)
        size = torch.where(size > FAR, size, 1.0)  # taken out of the square, which would overflow
        share = (y / size.unsqueeze(-1)).square().sum(-1) / self.df
        far_out = 2 * torch.log(size) + torch.log(
            size.square().reciprocal() + share.clamp_min(torch.finfo(y.dtype).tiny)
        )
        return constant - (half + d / 2) * torch.where(size > FAR, far_out, torch.log1p(share))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        normal = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.from_noise(normal, log_gamma_draw(self.df / 2, shape[:-1]))

    def from_noise(self, normal: Tensor, log_gamma: Tensor) -> Tensor:
        """A draw from standard normals `(..., d)` and logarithms of gammas of shape df / 2 `(...)`."""
        far_out = normal * stretch(log_gamma, self.df / 2).unsqueeze(-1)
        return far(self.loc + (self.scale_tril @ far_out.unsqueeze(-1)).squeeze(-1))

    def entropy(self) -> Tensor:
        d, half = self.event_shape[0], self.df / 2
        constant = d / 2 * torch.log(self.df * pi) + log_determinant(self.scale_tril) - log_gamma_rise(half, d)
        return constant + (half + d / 2) * (torch.digamma(half + d / 2) - torch.digamma(half))

    @property
    def mean(self) -> Tensor:
        """The centre; NaN with one degree of freedom or fewer."""
        return torch.where(self.df.unsqueeze(-1) > 1, self.loc, torch.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def covariance_matrix(self) -> Tensor:
        """df / (df - 2) L L^T; infinite with two degrees of freedom or fewer."""
        factor = torch.where(self.df > 2, self.df / (self.df - 2).clamp_min(1e-30), torch.inf)
        return factor[..., None, None] * (self.scale_tril @ self.scale_tril.mT)

    @property
    def variance(self) -> Tensor:
        factor = torch.where(self.df > 2, self.df / (self.df - 2).clamp_min(1e-30), torch.inf).unsqueeze(-1)
        factor = torch.where(self.df.unsqueeze(-1) > 1, factor, torch.nan)
        return factor * self.scale_tril.square().sum(-1)
