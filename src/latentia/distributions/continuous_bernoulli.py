"""The continuous Bernoulli on [0, 1]: an exponential family whose natural parameter is a logit.

`torch.distributions.ContinuousBernoulli` turns logits into probabilities and clamps them: in float32 its density
stops following the logits beyond 16, and so does its gradient. This one stays in the natural parameter.
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


def log_sinhc(a: Tensor) -> Tensor:
    """log(sinh(a) / a), with its limit 0 at a = 0.

    >>> log_sinhc(torch.tensor([0.0, 1e4], dtype=torch.float64)).tolist()
    [0.0, 9990.096512447464]
    """
    size = a.abs()
    small = size < 0.05
    safe = torch.where(small, torch.ones_like(size), size)
    large = safe + torch.log(-torch.expm1(-2 * safe) / (2 * safe))
    square = size.square()
    return torch.where(small, square / 6 - square.square() / 180, large)


class ContinuousBernoulli(Distribution):
    """p(x) = exp(logits x) logits / (exp(logits) - 1) on [0, 1].

    Arguments:
        logits: the natural parameter, any real number, any shape.

    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", NeurIPS 2019, equation 2.

    >>> x = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    >>> p = ContinuousBernoulli(torch.tensor(-7.0, dtype=torch.float64)).log_prob(x).exp()
    >>> round(torch.trapezoid(p, x).item(), 6)
    1.0
    """

    arg_constraints = {"logits": constraints.real}  # type: ignore[assignment]
    support = constraints.unit_interval  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits
        super().__init__(logits.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "ContinuousBernoulli":
        return ContinuousBernoulli(self.logits.expand(batch_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.logits * (value - 0.5) - log_sinhc(self.logits / 2)

    def log_mass(self, lower: Tensor, upper: Tensor) -> Tensor:
        """log of the probability of the interval [lower, upper] inside [0, 1]."""
        middle, half = (lower + upper) / 2, (upper - lower) / 2
        return self.log_prob(middle) + torch.log(2 * half) + log_sinhc(self.logits * half)

    def cdf(self, value: Tensor) -> Tensor:
        a = self.logits / 2
        ratio = self._sinh_ratio(a * value, a) * torch.exp(a * (value - 1))
        return torch.where(a.abs() < 1e-4, value + a * value * (value - 1), ratio)

    def icdf(self, value: Tensor) -> Tensor:
        """Where the cdf reaches `value`; computed from the side on which the mass lies."""
        size = self.logits.abs().clamp_min(1e-3)
        u = torch.where(self.logits > 0, 1 - value, value)
        x = -torch.log1p(u * torch.expm1(-size)) / size
        x = torch.where(self.logits > 0, 1 - x, x)
        flat = value - self.logits * value * (value - 1) / 2
        return torch.where(self.logits.abs() < 1e-3, flat, x).clamp(0, 1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.icdf(torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device))

    @property
    def mean(self) -> Tensor:
        """1 / (1 - exp(-logits)) - 1 / logits, which is 1/2 + logits / 12 near zero."""
        a = self.logits
        small = a.abs() < 0.05
        safe = torch.where(small, torch.ones_like(a), a)
        exact = -1 / torch.expm1(-safe) - 1 / safe
        return torch.where(small, 0.5 + a / 12 - a**3 / 720, exact)

    @property
    def variance(self) -> Tensor:
        a = self.logits.abs()
        small = a < 0.1
        safe = torch.where(small, torch.ones_like(a), a)
        exact = 1 / safe.square() - torch.exp(-safe) / torch.expm1(-safe).square()
        return torch.where(small, 1 / 12 - a.square() / 240, exact)

    def entropy(self) -> Tensor:
        return log_sinhc(self.logits / 2) - self.logits * (self.mean - 0.5)

    @staticmethod
    def _sinh_ratio(small: Tensor, large: Tensor) -> Tensor:
        sign = torch.sign(small) * torch.sign(large)
        small, large = small.abs(), large.abs().clamp_min(1e-12)
        ratio = torch.exp(small - large) * torch.expm1(-2 * small) / torch.expm1(-2 * large)
        return torch.where(sign < 0, -ratio, ratio)
