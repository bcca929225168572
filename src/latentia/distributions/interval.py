"""log of the probability that a continuous distribution gives to an interval."""

from functools import singledispatch
from math import log, pi, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from ..errors import AbilityError
from .continuous_bernoulli import ContinuousBernoulli, log_sinhc

_LOG_ROOT_2PI = log(2 * pi) / 2
_FAR = {torch.float32: -12.0, torch.float64: -37.0}  # below it erfc underflows
_NARROW = {torch.float32: 0.02, torch.float64: 1e-3}  # below it the two ends cancel


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
    a, b = torch.broadcast_tensors(a, b)
    return _LogMass.apply(a.flatten(), b.flatten()).reshape(a.shape)  # type: ignore[union-attr]


class _LogMass(torch.autograd.Function):
    """log(cdf(b) - cdf(a)) of the standard normal, with d/db = pdf(b) / mass and d/da = -pdf(a) / mass."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        right = a + b > 0
        left_a, left_b = torch.where(right, -b, a), torch.where(right, -a, b)  # the side on which erfc is exact
        value, slope_a, slope_b = _near(left_a, left_b)
        hard = (left_b < _FAR.get(b.dtype, -12.0)) | (left_b - left_a < _NARROW.get(b.dtype, 0.02))
        if value.device.type == "cpu":
            at = hard.nonzero(as_tuple=True)  # also where there are none: a step that is recorded may meet some later
            value[at], slope_a[at], slope_b[at] = _far_or_narrow(left_a[at], left_b[at])
        else:  # asking how many there are would wait for the device
            others = _far_or_narrow(left_a, left_b)
            value, slope_a, slope_b = (torch.where(hard, x, y) for x, y in zip(others, (value, slope_a, slope_b)))
        ctx.save_for_backward(torch.where(right, slope_b, slope_a), torch.where(right, slope_a, slope_b))
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        slope_a, slope_b = ctx.saved_tensors
        return -grads[0] * slope_a, grads[0] * slope_b


def _near(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log mass, pdf(a) / mass and pdf(b) / mass, where neither end is far out nor close to the other."""
    mass = (torch.erfc(b * -sqrt(0.5)) - torch.erfc(a * -sqrt(0.5))) / 2
    value = torch.log(mass)
    slope_a = torch.exp(-a.square() / 2 - _LOG_ROOT_2PI - value)
    return value, slope_a, torch.exp(-b.square() / 2 - _LOG_ROOT_2PI - value)


def _far_or_narrow(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same from Mills' ratio (far out) or from the density at the middle (narrow)."""
    width = (b - a).clamp_min(torch.finfo(b.dtype).tiny)
    middle = (a + b) / 2
    fall = (-width * middle).clamp_min(0)  # log(pdf(b) / pdf(a))
    narrow = width < _NARROW.get(b.dtype, 0.02)
    size = (-b).clamp_min(1.0)
    share = -torch.expm1(-fall - torch.log1p(width / size))  # 1 - cdf(a) / cdf(b), by Mills' ratio
    far_value = torch.special.log_ndtr(b) + torch.log(share.clamp_min(torch.finfo(b.dtype).tiny))
    far_slope = sqrt(2 / pi) / torch.special.erfcx(b * -sqrt(0.5)) / share
    slim = torch.log(width) + log_sinhc(middle * width / 2) - width.square() / 24
    slim_slope = torch.exp(fall / 2 - width.square() / 8 - slim)
    value = torch.where(narrow, slim - middle.square() / 2 - _LOG_ROOT_2PI, far_value)
    slope_b = torch.where(narrow, slim_slope, far_slope)
    return value, slope_b * torch.exp(-fall), slope_b
