"""A mixture of logistics read off at whole numbers: a likelihood of 8-bit images."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import log_softmax, softplus

from .inverse_cdf import log1mexp, open_uniform


class DiscretisedLogisticMixture(Distribution):
    """P(y = k) = sum_i weight_i (F_i(k + 1/2) - F_i(k - 1/2)), F_i logistic, for whole numbers low <= k <= high.

    The mass beyond either end belongs to the end level, so that the levels sum to one.

    Arguments:
        logits: of the weights, `(..., components)`.
        loc, scale: of each component, in levels, `(..., components)`; scale > 0.
        low, high: the first and last level.

    Source: Salimans et al., "PixelCNN++", ICLR 2017, equation 2, for each cell by itself.

    >>> q = DiscretisedLogisticMixture(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.ones(2), low=0, high=3)
    >>> round(q.log_prob(torch.arange(4.0)).exp().sum().item(), 5)
    1.0
    """

    arg_constraints = {  # type: ignore[assignment]
        "logits": constraints.real_vector,
        "loc": constraints.real_vector,
        "scale": constraints.independent(constraints.positive, 1),
    }

    def __init__(
        self, logits: Tensor, loc: Tensor, scale: Tensor, *, low: int = 0, high: int = 255, validate_args: Any = None
    ) -> None:
        self.logits, self.loc, self.scale = torch.broadcast_tensors(logits, loc, scale)
        self.low, self.high = low, high
        super().__init__(self.logits.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):  # type: ignore[override]
        return constraints.integer_interval(self.low, self.high)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "DiscretisedLogisticMixture":
        shape = (*batch_shape, self.logits.shape[-1])
        parts = (t.expand(shape) for t in (self.logits, self.loc, self.scale))
        return DiscretisedLogisticMixture(*parts, low=self.low, high=self.high, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        value = value.unsqueeze(-1)
        a, b = (value - 0.5 - self.loc) / self.scale, (value + 0.5 - self.loc) / self.scale
        zero = torch.zeros((), dtype=a.dtype, device=a.device)
        below, above = value <= self.low, value >= self.high
        left = torch.where(below, zero, softplus(a))
        right = torch.where(above, zero, softplus(-b))
        width = torch.where(below | above, zero, log1mexp(1 / self.scale))
        return torch.logsumexp(log_softmax(self.logits, -1) - left - right + width, -1)

    def cdf(self, value: Tensor) -> Tensor:
        level = torch.floor(value).unsqueeze(-1)
        share = torch.sigmoid((level + 0.5 - self.loc) / self.scale)
        total = (torch.softmax(self.logits, -1) * share).sum(-1)
        return torch.where(value >= self.high, 1.0, torch.where(value < self.low, 0.0, total))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.from_uniform(open_uniform(shape, self.loc), open_uniform(shape, self.loc))

    @torch.no_grad()
    def from_uniform(self, which: Tensor, where: Tensor) -> Tensor:
        """A draw from two uniform numbers: one chooses the component, one its value."""
        below = (torch.softmax(self.logits, -1).cumsum(-1)[..., :-1] <= which.unsqueeze(-1)).sum(-1, keepdim=True)
        shape = (*below.shape[:-1], self.logits.shape[-1])
        loc, scale = (t.expand(shape).gather(-1, below).squeeze(-1) for t in (self.loc, self.scale))
        return torch.round(loc + scale * torch.logit(where)).clamp(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return self._moments()[0]

    @property
    def variance(self) -> Tensor:
        mean, square = self._moments()
        return (square - mean.square()).to(self.loc.dtype)

    def _moments(self) -> tuple[Tensor, Tensor]:
        """E[y] = low + sum_k P(y > k) and E[y^2], summed level by level."""
        mean = torch.full(self.batch_shape, float(self.low), dtype=self.loc.dtype, device=self.loc.device)
        square = mean.square()
        for k in range(self.low, self.high):
            above = (torch.softmax(self.logits, -1) * torch.sigmoid((self.loc - k - 0.5) / self.scale)).sum(-1)
            mean, square = mean + above, square + (2 * k + 1) * above
        return mean, square
