"""Gradients through the draw: z is a smooth function of noise and of q's parameters."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...distributions import draw
from .base import Drawn, Gradient, LogMean, needs_draws, over_event, over_samples


@dataclass(frozen=True)
class Pathwise(Gradient):
    """d/dphi E_q[f(z)] = E_noise[f'(z) dz/dphi + df/dphi], z = g(noise, phi).

    Also what is meant by "implicit" (dz/dphi from the cdf), "relaxed" (unbiased for the relaxed q) and
    "straight-through" (the relaxed draw's gradient at a hard draw: biased): the family decides how it draws.

    Sources: Kingma and Welling, "Auto-encoding variational Bayes", 2014, section 2.4; Figurnov, Mohamed, Mnih, "Implicit
    reparameterization gradients", NeurIPS 2018.

    >>> Pathwise().through_draw
    True
    """

    name: ClassVar[str] = "pathwise"
    through_draw: ClassVar[bool] = True

    def draw(self, q: Distribution, n_samples: int) -> tuple[Tensor, Tensor | None]:
        z = draw(q, n_samples)
        if not q.has_rsample:
            needs_draws(q, z)
        return z, None

    def average(self, drawn: Drawn, values: Tensor) -> Tensor:
        return over_samples(values)

    def combine(self, drawn: Drawn, log_weight: Tensor, reduce: LogMean) -> Tensor:
        return reduce(log_weight)


@dataclass(frozen=True)
class Implicit(Pathwise):
    """Pathwise, for families whose draws are differentiated through their cdf: dz/dphi = -(dF/dphi) / p(z)."""

    name: ClassVar[str] = "implicit"


@dataclass(frozen=True)
class Relaxed(Pathwise):
    """Pathwise, for relaxed families: unbiased for the bound of the relaxed q, which is the one reported."""

    name: ClassVar[str] = "relaxed"


@dataclass(frozen=True)
class StraightThrough(Pathwise):
    """Hard draws with the gradient of relaxed ones: biased, of low variance."""

    name: ClassVar[str] = "straight-through"


@dataclass(frozen=True)
class StickingTheLanding(Pathwise):
    """Pathwise, without the part of d log q(z) / dphi that does not pass through z, whose expectation is zero.

    The KL is drawn. Where q is the exact posterior the estimate's variance is zero.

    Source: Roeder, Wu, Duvenaud, "Sticking the landing", NeurIPS 2017.

    >>> StickingTheLanding().closed_kl
    False
    """

    name: ClassVar[str] = "sticking-the-landing"
    bounds: ClassVar[tuple[str, ...]] = ("elbo",)
    closed_kl: ClassVar[bool] = False

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        return along_path(q, z)


@dataclass(frozen=True)
class DoublyReparameterised(Pathwise):
    """DReG: sum_i v_i d log w_i / dtheta for p, sum_i (a v_i + (1 - a) v_i^2) (d log w_i / dz_i) (dz_i / dphi) for q.

    v = softmax((1 - a) log w), a the order of a Renyi bound, 0 for the importance-weighted one. Its signal-to-noise ratio
    rises with the number of samples, where the plain one's falls.

    Source: Tucker, Lawson, Gu, Maddison, "Doubly reparameterized gradient estimators for Monte Carlo objectives", ICLR
    2019, equation 8; for a > 0 the same steps from Li and Turner, "Renyi divergence variational inference", 2016.

    >>> DoublyReparameterised().bounds
    ('importance',)
    """

    name: ClassVar[str] = "dreg"
    bounds: ClassVar[tuple[str, ...]] = ("importance",)

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        return along_path(q, z)

    def combine(self, drawn: Drawn, log_weight: Tensor, reduce: LogMean) -> Tensor:
        alone, z = log_weight.detach().requires_grad_(), drawn.z
        with torch.enable_grad():
            (share,) = torch.autograd.grad(reduce(alone).sum(), alone)
        if z.requires_grad:
            factor = (reduce.order + (1 - reduce.order) * share).reshape(*share.shape, *[1] * (z.ndim - share.ndim))
            z.register_hook(lambda gradient: factor * gradient)
        return (share * log_weight).sum(0)


def along_path(q: Distribution, z: Tensor) -> Tensor:
    """log q(z), whose gradient reaches q's parameters through z alone."""
    if not z.requires_grad:
        return q.log_prob(z)
    point = z.detach().requires_grad_()
    with torch.enable_grad():
        log_q = q.log_prob(point)
        (slope,) = torch.autograd.grad(log_q.sum(), point)
    return log_q.detach() + over_event(slope * (z - z.detach()), q)
