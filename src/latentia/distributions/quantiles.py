"""Inverse cdfs that have no closed form: gamma, with its gradient by the shape, and Poisson."""

from typing import Any

import torch
from torch import Tensor

STEPS = 14


def gamma_icdf(concentration: Tensor, u: Tensor) -> Tensor:
    """x with P(concentration, x) = u, P the regularised lower incomplete gamma function; float64.

    Its gradient by the concentration is implicit, dx/da = -(dP/da) / p(x), as torch draws gammas. Newton's iteration in y = log x, on log P where u < 1/2 and on log(1 - P) elsewhere. Both are concave in y (the density
    of log x is log-concave), so that the iteration comes from one side and cannot cycle.

    Arguments:
        concentration: positive, any shape.
        u: in (0, 1), a shape that broadcasts.

    >>> gamma_icdf(torch.tensor(1.0), torch.tensor([0.5, 0.75]))
    tensor([0.6931, 1.3863], dtype=torch.float64)
    """
    return _GammaQuantile.apply(*torch.broadcast_tensors(concentration.double(), u.double()))  # type: ignore[no-any-return]


class _GammaQuantile(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, u: Tensor) -> Tensor:  # type: ignore[override]
        x = _gamma_icdf(a, u)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        a, x = ctx.saved_tensors
        return gradient * torch._standard_gamma_grad(a, x), None  # pyright: ignore[reportPrivateImportUsage]


def _gamma_icdf(a: Tensor, u: Tensor) -> Tensor:
    lowest = (torch.log(u) + torch.lgamma(a + 1)) / a  # where x^a / G(a + 1), which is above P, reaches u
    left = u < 0.5
    goal = torch.where(left, torch.log(u), torch.log1p(-u))
    y = torch.where(a < 1, lowest, torch.maximum(torch.log(_wilson_hilferty(a, u)), lowest))
    for _ in range(STEPS):
        x = torch.exp(y)
        share = torch.where(left, torch.special.gammainc(a, x), torch.special.gammaincc(a, x)).clamp_min(1e-300)
        log_density = a * y - x - torch.lgamma(a)  # of y
        slope = torch.exp(log_density - torch.log(share)) * torch.where(left, 1.0, -1.0)
        step = (torch.log(share) - goal) / torch.where(slope.abs() < 1e-300, 1e-300, slope)
        y = torch.maximum(y - step.clamp(-5, 5), lowest)
    return torch.exp(y)


def _wilson_hilferty(a: Tensor, u: Tensor) -> Tensor:
    """The cube of a normal: Wilson and Hilferty, 1931."""
    cube = 1 - 1 / (9 * a) + torch.special.ndtri(u) / (3 * torch.sqrt(a))
    return (a * cube.clamp_min(1e-3) ** 3).clamp_min(1e-300)


@torch.no_grad()
def poisson_icdf(rate: Tensor, u: Tensor) -> Tensor:
    """The least whole number k with P(X <= k) >= u, X Poisson; by bisection, float64.

    >>> poisson_icdf(torch.tensor(3.0), torch.tensor([0.01, 0.5, 0.99])).tolist()
    [0.0, 3.0, 8.0]
    """
    rate, u = torch.broadcast_tensors(rate.double(), u.double())
    low = torch.full_like(rate, -1.0)
    high = torch.ceil(rate + 12 * torch.sqrt(rate) + 60)  # beyond it lies less than 2^-54
    steps = int(torch.log2(high.max() + 2).ceil()) if high.numel() else 0
    for _ in range(steps):
        middle = torch.floor((low + high) / 2)
        enough = torch.special.gammaincc(middle + 1, rate) >= u
        high, low = torch.where(enough, middle, high), torch.where(enough, low, middle)
    return high
