"""Penalties on the slope of a critic: what keeps a game from running away."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import grad

from ...families.base import at_least
from .packs import part_of_noise

Critic = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Penalties:
    """gradient weight E(|slope between| - 1)^2 + r1 / 2 E|slope at rows|^2 + r2 / 2 E|slope at samples|^2.

    Arguments:
        gradient: weight of the penalty that asks for a slope of length one on lines between rows and samples.
        r1, r2: weights of the squared slope at rows and at samples.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", 2017, equation 3; Mescheder et al., "Which training
    methods for GANs do actually converge?", 2018, equations 9 and 10.
    """

    gradient: float = 0.0
    r1: float = 0.0
    r2: float = 0.0

    def __post_init__(self) -> None:
        for name in ("gradient", "r1", "r2"):
            at_least(name if name != "gradient" else "gradient_penalty", getattr(self, name), 0.0, strictly=False)

    @property
    def any(self) -> bool:
        """Whether there is something to pay."""
        return bool(self.gradient or self.r1 or self.r2)

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """What the critic pays for each pack, `(packs,)`; `real` and `fake` are packs, `(packs, *event)`."""
        total = real.new_zeros(real.shape[0])
        if self.r1:
            total = total + 0.5 * self.r1 * squared_slope(critic, real)
        if self.r2:
            total = total + 0.5 * self.r2 * squared_slope(critic, fake)
        if self.gradient:
            total = total + self.gradient * (_slope_between(critic, real, fake) - 1).square()
        return total


def squared_slope(critic: Critic, x: Tensor) -> Tensor:
    """|d critic / d x|^2 of each pack, `(packs,)`, which can itself be differentiated.

    >>> squared_slope(lambda x: (3 * x).sum(1), torch.zeros(2, 4))
    tensor([36., 36.])
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = grad(critic(x).sum(), x, create_graph=True)
    return slope.square().flatten(1).sum(1)


def _slope_between(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    with part_of_noise(real.shape[0], axis=0):
        share = torch.rand(real.shape[0], *[1] * (real.ndim - 1), dtype=real.dtype, device=real.device)
    return (squared_slope(critic, share * real + (1 - share) * fake) + 1e-12).sqrt()
