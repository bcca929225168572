"""Zero inflation of any distribution of counts."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid


class ZeroInflated(Distribution):
    """0 with probability gate, else a draw of the base: p(0) = gate + (1 - gate) base(0), p(k) = (1 - gate) base(k).

    Arguments:
        base: a distribution of counts, cell by cell.
        logits: of the gate, any real number, the base's batch shape.

    Source: Lambert, "Zero-inflated Poisson regression", Technometrics 1992, equation 1.

    >>> q = ZeroInflated(torch.distributions.Poisson(torch.tensor(2.0)), torch.tensor(0.0))
    >>> q.mean, round(q.log_prob(torch.tensor(0.0)).exp().item(), 4)
    (tensor(1.), 0.5677)
    """

    arg_constraints = {"logits": constraints.real}  # type: ignore[assignment]
    support = constraints.nonnegative_integer  # type: ignore[assignment]

    def __init__(self, base: Distribution, logits: Tensor, validate_args: bool | None = None) -> None:
        self.base, self.logits = base, logits
        super().__init__(base.batch_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "ZeroInflated":
        return ZeroInflated(self.base.expand(batch_shape), self.logits.expand(batch_shape), validate_args=False)

    @property
    def probs(self) -> Tensor:
        """Probability of the gate."""
        return torch.sigmoid(self.logits)

    def log_prob(self, value: Tensor) -> Tensor:
        drawn = logsigmoid(-self.logits) + self.base.log_prob(value)
        return torch.where(value == 0, torch.logaddexp(logsigmoid(self.logits), drawn), drawn)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        counts = self.base.sample(sample_shape)
        gate = torch.rand(counts.shape, dtype=counts.dtype, device=counts.device) < self.probs
        return counts.masked_fill(gate, 0)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(-self.logits) * self.base.mean

    @property
    def variance(self) -> Tensor:
        return torch.sigmoid(-self.logits) * (self.base.variance + self.probs * self.base.mean.square())
