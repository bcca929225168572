"""A normalising flow as a distribution like any other."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Transform, constraints


class FlowDistribution(Distribution):
    """x = g(e), e ~ base: log p(x) = log base(g^-1(x)) + log|d g^-1 / dx|.

    Arguments:
        transform: g^-1, from x to the base's noise, over the last axis.
        base: of the noise; standard normal cells, joint.

    >>> from torch.distributions import AffineTransform, Independent, Normal
    >>> base = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    >>> q = FlowDistribution(AffineTransform(torch.zeros(2), 2.0, event_dim=1), base)
    >>> q.log_prob(torch.zeros(2))  # -log(2 pi) + 2 log 2
    tensor(-0.4516)
    """

    arg_constraints = {}  # type: ignore[assignment]
    support = constraints.real_vector  # type: ignore[assignment]
    has_rsample = True

    def __init__(
        self, transform: Transform, base: Distribution, batch_shape: Sequence[int] = (), family: str | None = None
    ) -> None:
        self.transform, self.base, self.family = transform, base, family
        super().__init__(torch.Size(batch_shape), base.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        value = value.expand(torch.broadcast_shapes(value.shape, self.batch_shape + self.event_shape))
        noise: Any = self.transform(value)
        return self.base.log_prob(noise) + self.transform.log_abs_det_jacobian(value, noise)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = self.base.rsample(shape[: len(shape) - len(self.base.batch_shape) - 1])
        return self.from_noise(noise)

    def from_noise(self, noise: Tensor) -> Tensor:
        """A draw from the base's noise, `(..., size)`."""
        return self.transform.inv(noise)  # type: ignore[return-value]

    @property
    def mean(self) -> Tensor:
        """The image of the base's mean: a centre, for the mean of a flow is not known."""
        centre = self.base.mean.expand(*self.batch_shape, *self.event_shape)
        return self.from_noise(centre)
