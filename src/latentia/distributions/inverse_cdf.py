"""Distributions of single cells that are drawn by their inverse cdf, and the numerics that they share."""

from math import log
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.utils import broadcast_all

TANGENT = 40.0  # e^40 nats: a density so small is no number in any float, and its gradient still is


def exp_tangent(x: Tensor) -> Tensor:
    """exp(x), and beyond 40 its tangent there: densities below -2e17 nats stay finite, and so do their gradients.

    >>> exp_tangent(torch.tensor([1.0, 1e9]))
    tensor([2.7183e+00, 2.3539e+26])
    """
    return torch.exp(x.clamp(max=TANGENT)) * (1 + torch.relu(x - TANGENT))


def into_open(u: Tensor, dtype: torch.dtype) -> Tensor:
    """Uniform numbers of another type, kept off both ends of (0, 1), where an inverse cdf may be infinite.

    >>> bool(into_open(torch.tensor([0.0, 1.0]), torch.float32).logit().isfinite().all())
    True
    """
    half = torch.finfo(dtype).eps / 2
    return u.to(dtype).clamp(half, 1 - half)


def open_uniform(shape: torch.Size, like: Tensor) -> Tensor:
    """Uniform on the open interval (0, 1), of the type and device of `like`."""
    return into_open(torch.rand(shape, dtype=like.dtype, device=like.device), like.dtype)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(-x)) for x > 0, exact at both ends.

    Source: Maechler, "Accurately computing log(1 - exp(-|a|))", 2012.

    >>> log1mexp(torch.tensor([1e-20, 50.0], dtype=torch.float64)).tolist()
    [-46.051701859880914, -1.9287498479639178e-22]
    """
    near = x < 0.6931471805599453
    small = torch.log(-torch.expm1(-torch.where(near, x, torch.ones_like(x))))
    return torch.where(near, small, torch.log1p(-torch.exp(-torch.where(near, torch.ones_like(x), x))))


def finite_positive(x: Tensor) -> Tensor:
    """x > 0, kept inside the positive floats: a draw that rounds to 0 or to infinity would have no density.

    >>> finite_positive(torch.tensor([0.0, torch.inf])).tolist()
    [1.1754943508222875e-38, 3.4028234663852886e+38]
    """
    info = torch.finfo(x.dtype)
    return x.clamp(info.tiny, info.max)


def exp_far(log_x: Tensor) -> Tensor:
    """exp, held between the powers -0.74 and 0.74 of the largest float; without a slope where it is held.

    A draw so far out that the float has no room for it has none for its slope either, which would be zero times infinity.

    >>> exp_far(torch.tensor([1.0, 1e4]))
    tensor([2.7183e+00, 3.2626e+28])
    """
    most = 0.74 * log(torch.finfo(log_x.dtype).max)
    return torch.exp(log_x.clamp(-most, most))


class DrawnByIcdf(Distribution):
    """Mixed into a distribution of torch's: its draws, by `sample` too, are icdf(u), u uniform on (0, 1)."""

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        like = getattr(self, next(iter(self.arg_constraints)))
        return self.icdf(open_uniform(self._extended_shape(torch.Size(sample_shape)), like))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            return self.rsample(sample_shape)


class Cellwise(Distribution):
    """A distribution of single cells whose parameters are the keys of `arg_constraints`, broadcast together."""

    def __init__(self, *parameters: Any, validate_args: bool | None = None) -> None:
        values = broadcast_all(*parameters)
        for name, value in zip(self.arg_constraints, values):
            setattr(self, name, value)
        super().__init__(values[0].shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        shape = torch.Size(batch_shape)
        return type(self)(*(getattr(self, name).expand(shape) for name in self.arg_constraints), validate_args=False)


class InverseCdf(DrawnByIcdf, Cellwise):
    """Drawn as icdf(u), u uniform on (0, 1): the gradient flows through the parameters of icdf."""

    has_rsample = True


def inside(value: Tensor, is_inside: Tensor, log_prob: Tensor) -> Tensor:
    """log_prob where the value lies in the support, else -inf."""
    return torch.where(is_inside, log_prob, log_prob.new_tensor(float("-inf")))
