"""Hamiltonian moves of z under log f_b(z) = (1 - b) log start(z) + b log p(x, z): annealed evidence and Monte Carlo EM.

Everything is batched over chains and rows, `(chains, batch, ...)`; each row has its own noise and its own step sizes, so
that nothing of a row depends on the rows beside it.
"""

from typing import Any, NamedTuple, Protocol, final

import torch
from torch import Tensor
from torch.distributions import Distribution, biject_to, constraints

from .batch import Batch
from .errors import AbilityError

TARGET = 0.7  # acceptance that step sizes are adapted to


class Noise(Protocol):
    """Random numbers for chains of rows: those of `randomness.RowNoise`, or of a run's own stream."""

    def normal(self, n_samples: int, shape: torch.Size | tuple[int, ...] = ...) -> Tensor: ...

    def uniform(self, n_samples: int, shape: torch.Size | tuple[int, ...] = ...) -> Tensor: ...


class Point(NamedTuple):
    """Where the chains are, and what is known there: `(chains, batch)`, and `(chains, batch, *latent)` the gradients.

    Arguments:
        u: position, in unbounded coordinates.
        base: log density of the start.
        ratio: log p(x, z) less base.
        base_slope, ratio_slope: their gradients.
    """

    u: Tensor
    base: Tensor
    ratio: Tensor
    base_slope: Tensor
    ratio_slope: Tensor

    def where(self, chosen: Tensor, other: "Point") -> "Point":
        """This point for the chosen chains, else the other."""
        wide = chosen.reshape(chosen.shape + (1,) * (self.u.ndim - chosen.ndim))
        return Point(*(torch.where(wide if a.ndim > 2 else chosen, a, b) for a, b in zip(self, other)))


@final
class Path:
    """log f_b(z) = (1 - b) log start(z) + b log p(x, z), in coordinates without bounds.

    Arguments:
        model: p.
        batch: rows.
        start: a distribution of batch shape `(batch,)`; None is the prior.
        what: moves z, and `instead` would do where it cannot: for the sentence that refuses.

    Raises: `AbilityError` where z is discrete, or has no gradient.
    """

    def __init__(
        self,
        model: Any,
        batch: Batch,
        start: Distribution | None,
        what: str = "annealed evidence",
        instead: str = "evidence.exact where the model knows it, or evidence.importance",
    ) -> None:
        self.model, self.batch, self.start = model, batch, start
        self.prior = model.prior()
        self.map = unbounded(self.prior, what, instead)
        self.words = (what, instead)

    def first(self) -> Distribution:
        """What the chains start from."""
        return self.prior.expand((len(self.batch),)) if self.start is None else self.start

    def to_u(self, z: Tensor) -> Tensor:
        return z if self.map is None else self.map.inv(z)

    def at(self, u: Tensor) -> Point:
        """What is known at u."""
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            base, ratio = self._densities(u)
            if not ratio.requires_grad:
                raise _no_gradient(self.model, *self.words)
            base_slope = _slope(base, u, keep=True)
            ratio_slope = _slope(ratio, u, keep=False)
        return Point(u.detach(), base.detach().double(), ratio.detach().double(), base_slope, ratio_slope)

    def _densities(self, u: Tensor) -> tuple[Tensor, Tensor]:
        z = u if self.map is None else self.map(u)
        log_prior, x, observed = self.prior.log_prob(z), self.batch.x, self.batch.observed
        log_likelihood = self.model.log_likelihood(x, z, observed)
        if self.start is None:
            base, ratio = log_prior, log_likelihood
        else:
            base = self.start.log_prob(z)
            ratio = log_prior + log_likelihood - base
        if self.map is not None:
            jacobian = self.map.log_abs_det_jacobian(u, z)
            base = base + jacobian.reshape(*base.shape, -1).sum(-1)
        return base, ratio


def _slope(value: Tensor, u: Tensor, keep: bool) -> Tensor:
    (slope,) = torch.autograd.grad(value.sum(), u, retain_graph=keep, allow_unused=True)
    return torch.zeros_like(u) if slope is None else slope.nan_to_num(0.0, 0.0, 0.0)


def unbounded(prior: Distribution, what: str, instead: str) -> Any:
    """The map from coordinates without bounds to z; None where z has none."""
    try:
        support: Any = prior.support
    except NotImplementedError:
        return None
    while isinstance(support, constraints.MixtureSameFamilyConstraint):
        support = support.base_constraint
    if getattr(support, "is_discrete", False):
        raise AbilityError(
            f"{what} moves z along gradients, and this z is discrete ({type(prior).__name__}). Use {instead}."
        )
    inner = support
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    if inner is constraints.real or inner is constraints.real_vector:
        return None
    try:
        return biject_to(support)
    except NotImplementedError:
        raise AbilityError(
            f"{what} needs coordinates without bounds, which the z of a {type(prior).__name__} prior has not. Use {instead}."
        ) from None


def _no_gradient(model: Any, what: str, instead: str) -> AbilityError:
    return AbilityError(
        f"{what} moves z along gradients, and log p(x|z) of {type(model).__name__} has none. Use {instead}."
    )


def move(
    path: Path, point: Point, b: float, size: Tensor, unit: Tensor, n_leapfrog: int, noise: Noise
) -> tuple[Point, Tensor]:
    """One Hamiltonian move that leaves f_b as it is, and its acceptance probability, `(chains, batch)`.

    Source: Neal, "MCMC using Hamiltonian dynamics", 2011, section 5.3.
    """
    wide = (1, -1) + (1,) * (point.u.ndim - 2)
    step = size.reshape(wide).to(point.u.dtype)
    momentum = noise.normal(len(point.u), point.u.shape[2:]).to(point.u.dtype)
    before, new, speed = _energy(point, b, momentum), point, momentum
    for _ in range(n_leapfrog):
        speed = speed + 0.5 * step * unit * _force(new, b)
        new = path.at(new.u + step * unit * speed)
        speed = speed + 0.5 * step * unit * _force(new, b)
    chance = torch.exp((before - _energy(new, b, speed)).clamp(max=0)).nan_to_num(0.0)
    taken = noise.uniform(len(point.u)) < chance
    return new.where(taken, point), chance


def _force(point: Point, b: float) -> Tensor:
    return point.base_slope + b * point.ratio_slope


def _energy(point: Point, b: float, momentum: Tensor) -> Tensor:
    return 0.5 * momentum.double().square().flatten(2).sum(-1) - point.base - b * point.ratio
