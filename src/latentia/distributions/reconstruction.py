"""A reconstruction error that looks like a log density and is none."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import binary_cross_entropy_with_logits


class CrossEntropy(Distribution):
    """x log p + (1 - x) log(1 - p) for grey x in [0, 1]: no density, for it does not integrate to one.

    Arguments:
        logits: of p, any shape.

    >>> round(CrossEntropy(torch.tensor(0.0)).log_prob(torch.tensor(0.5)).item(), 4)
    -0.6931
    """

    arg_constraints = {"logits": constraints.real}  # type: ignore[assignment]
    support = constraints.unit_interval  # type: ignore[assignment]

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits
        super().__init__(logits.shape, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = torch.broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.logits)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """The mean: there is no distribution to draw from."""
        return self.mean.expand(self._extended_shape(torch.Size(sample_shape)))
