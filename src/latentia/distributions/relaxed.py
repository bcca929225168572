"""Discrete distributions through which a gradient can flow: relaxed to the inside of the simplex, or straight through."""

from math import lgamma, log
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, OneHotCategorical, constraints
from torch.nn.functional import one_hot, softplus

from .inverse_cdf import open_uniform
from .unit import off_the_ends


class RelaxedBernoulli(Distribution):
    """x = sigmoid((logits + L) / temperature), L logistic: a density on (0, 1) that tends to coin flips as it cools.

    torch has it through a chain of transforms, whose density overflows; this one is in closed form.

    Arguments:
        temperature: a positive number.
        logits: of the coin, any real number.

    Source: Maddison, Mnih, Teh, "The concrete distribution", ICLR 2017, equation 25.

    >>> RelaxedBernoulli(1.0, torch.tensor(0.0)).log_prob(torch.tensor(0.3)).abs() < 1e-6
    tensor(True)
    """

    arg_constraints = {"logits": constraints.real}  # type: ignore[assignment]
    support = constraints.unit_interval  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, temperature: float, logits: Tensor, validate_args: bool | None = None) -> None:
        self.temperature, self.logits = float(temperature), logits
        super().__init__(logits.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "RelaxedBernoulli":
        return RelaxedBernoulli(self.temperature, self.logits.expand(batch_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        value = off_the_ends(value)
        log_x, log_rest = torch.log(value), torch.log1p(-value)
        y = self.temperature * (log_x - log_rest) - self.logits
        return log(self.temperature) - softplus(y) - softplus(-y) - log_x - log_rest

    def cdf(self, value: Tensor) -> Tensor:
        return torch.sigmoid(self.temperature * torch.logit(off_the_ends(value)) - self.logits)

    def icdf(self, value: Tensor) -> Tensor:
        return off_the_ends(torch.sigmoid((self.logits + torch.logit(value)) / self.temperature))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(open_uniform(self._extended_shape(torch.Size(sample_shape)), self.logits))

    @property
    def mean(self) -> Tensor:
        """E[x], by the midpoint rule over 1000 quantiles."""
        return self._quantiles().mean(0)

    @property
    def variance(self) -> Tensor:
        return self._quantiles().var(0, correction=0)

    def _quantiles(self) -> Tensor:
        u = (torch.arange(1000, dtype=self.logits.dtype, device=self.logits.device) + 0.5) / 1000
        return self.icdf(u.reshape(-1, *[1] * self.logits.ndim))


class RelaxedCategorical(Distribution):
    """x = softmax((logits + G) / temperature), G Gumbel: a density inside the simplex (Concrete, Gumbel-softmax).

    Arguments:
        temperature: a positive number.
        logits: of the categories, `(..., categories)`; any real numbers.

    Source: Maddison, Mnih, Teh, "The concrete distribution", ICLR 2017, equation 10; Jang, Gu, Poole, "Categorical
    reparameterization with Gumbel-softmax", ICLR 2017.

    >>> RelaxedCategorical(0.5, torch.zeros(3)).rsample().sum()
    tensor(1...)
    """

    arg_constraints = {"logits": constraints.real_vector}  # type: ignore[assignment]
    support = constraints.simplex  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, temperature: float, logits: Tensor, validate_args: bool | None = None) -> None:
        self.temperature, self.logits = float(temperature), logits
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "RelaxedCategorical":
        logits = self.logits.expand(*batch_shape, *self.event_shape)
        return RelaxedCategorical(self.temperature, logits, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        k, t = self.event_shape[0], self.temperature
        log_x = torch.log(value.clamp_min(torch.finfo(value.dtype).tiny))
        score = self.logits - t * log_x
        return lgamma(k) + (k - 1) * log(t) + (score - log_x).sum(-1) - k * torch.logsumexp(score, -1)

    def from_uniform(self, u: Tensor) -> Tensor:
        """A draw from uniform numbers, `(..., categories)`."""
        x = torch.softmax((self.logits - torch.log(-torch.log(u))) / self.temperature, -1)
        return x.clamp_min(torch.finfo(x.dtype).tiny)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.from_uniform(open_uniform(self._extended_shape(torch.Size(sample_shape)), self.logits))

    @property
    def mean(self) -> Tensor:
        """The vertex that is most probable, smoothed: softmax(logits). The mean itself has no closed form."""
        return torch.softmax(self.logits, -1)


class StraightThroughBernoulli(Bernoulli):
    """A Bernoulli whose draw is 0 or 1 and whose gradient is that of its relaxed draw: biased, of low variance.

    Arguments:
        temperature: of the relaxed draw, positive.
        logits: of P(x = 1).

    Source: Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic neurons", 2013; Jang, Gu,
    Poole, ICLR 2017, section 2.2.

    >>> StraightThroughBernoulli(0.5, torch.zeros(4)).rsample().round().sub(0.5).abs()
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """

    has_rsample = True

    def __init__(self, temperature: float, logits: Tensor, validate_args: bool | None = None) -> None:
        self.temperature = float(temperature)
        super().__init__(logits=logits, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "StraightThroughBernoulli":  # type: ignore[override]
        return StraightThroughBernoulli(self.temperature, self.logits.expand(batch_shape), validate_args=False)

    def from_uniform(self, u: Tensor) -> Tensor:
        """A draw from uniform numbers."""
        soft = torch.sigmoid((self.logits + torch.logit(u)) / self.temperature)
        return (soft > 0.5).to(soft.dtype) + (soft - soft.detach())

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.from_uniform(open_uniform(self._extended_shape(torch.Size(sample_shape)), self.logits))


class StraightThroughCategorical(OneHotCategorical):
    """A one-hot categorical whose draw is hard and whose gradient is that of its Gumbel-softmax draw: biased.

    Arguments:
        temperature: of the relaxed draw, positive.
        logits: of the categories, `(..., categories)`.

    Source: Jang, Gu, Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017, section 2.2.

    >>> StraightThroughCategorical(0.5, torch.zeros(3)).rsample().max()
    tensor(1.)
    """

    has_rsample = True

    def __init__(self, temperature: float, logits: Tensor, validate_args: bool | None = None) -> None:
        self.temperature = float(temperature)
        self._categorical = Categorical(logits=logits, validate_args=validate_args)  # torch's would always validate
        Distribution.__init__(self, logits.shape[:-1], logits.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "StraightThroughCategorical":  # type: ignore[override]
        logits = self.logits.expand(*batch_shape, *self.event_shape)
        return StraightThroughCategorical(self.temperature, logits, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """sum_k x_k log p_k: torch's asks where the one is, which has no gradient."""
        return (value * self.logits).sum(-1)

    def from_uniform(self, u: Tensor) -> Tensor:
        """A draw from uniform numbers, `(..., categories)`."""
        noisy = self.logits - torch.log(-torch.log(u))
        soft = torch.softmax(noisy / self.temperature, -1)
        hard = one_hot(noisy.argmax(-1), self.event_shape[0]).to(soft.dtype)
        return hard + (soft - soft.detach())

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.from_uniform(open_uniform(self._extended_shape(torch.Size(sample_shape)), self.logits))
