"""log of the probability that a continuous distribution gives to an interval."""

from functools import singledispatch
from math import log, pi

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from ..errors import AbilityError
from .continuous_bernoulli import ContinuousBernoulli, log_sinhc


@singledispatch
def log_interval(base: Distribution, lower: Tensor, upper: Tensor) -> Tensor:
    """log P(lower < x < upper), nats, without cancellation in the tails.

    >>> log_interval(Normal(0.0, 1.0), torch.tensor(-1.0), torch.tensor(1.0)).exp()
    tensor(0.6827)
    """
    raise AbilityError(f"The mass of an interval is not known for {type(base).__name__}. Use a normal likelihood.")


@log_interval.register(ContinuousBernoulli)
def _(base: ContinuousBernoulli, lower: Tensor, upper: Tensor) -> Tensor:
    return base.log_mass(lower, upper)


@log_interval.register(Normal)
def _(base: Normal, lower: Tensor, upper: Tensor) -> Tensor:
    a, b = (lower - base.loc) / base.scale, (upper - base.loc) / base.scale
    right = a + b > 0
    a, b = (
        torch.where(right, -b, a),
        torch.where(right, -a, b),
    )  # both ends to the left, where log_ndtr is exact
    width = b - a
    narrow = width < 0.02
    log_ratio = _log_cdf_ratio(b, torch.where(narrow, torch.ones_like(width), width))
    wide = torch.special.log_ndtr(b) + torch.log(-torch.expm1(log_ratio))
    safe = torch.where(narrow, width, torch.ones_like(width)).clamp_min(torch.finfo(width.dtype).tiny)
    middle = torch.where(narrow, (a + b) / 2, torch.zeros_like(a))
    slim = torch.log(safe) + log_sinhc(middle * safe / 2) - safe.square() / 24 - middle.square() / 2 - log(2 * pi) / 2
    return torch.where(narrow, slim, wide)


def _log_cdf_ratio(b: Tensor, width: Tensor) -> Tensor:
    """log(cdf(b - width) / cdf(b)) of the standard normal; far out from Mills' ratio, where the logs cancel."""
    far = b < -20
    size = torch.where(far, -b, torch.full_like(b, 20.0))
    mills = -(size * width + width.square() / 2 + torch.log1p(width / size))
    close = torch.where(far, torch.zeros_like(b), b)
    near = torch.special.log_ndtr((close - width).clamp_min(-60.0)) - torch.special.log_ndtr(close)
    return torch.where(far, mills, near)
