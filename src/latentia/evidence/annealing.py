"""From a distribution that can be drawn to p(x, z), in small steps, by Hamiltonian moves: what AIS is made of.

Everything is batched over chains and rows, `(chains, batch, ...)`; each row has its own noise and its own step sizes, so
that nothing of a row depends on the rows beside it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.distributions import Distribution, biject_to, constraints

from ..batch import Batch
from ..errors import AbilityError
from ..randomness import RowNoise

TARGET = 0.7  # acceptance that step sizes are adapted to
PILOT_CHAINS, PILOT_SHARE = 8, 4  # the burn-in has this many chains at most, and a fourth of the temperatures
SHARPNESS = 4.0


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


class Steps(NamedTuple):
    """Step sizes at each temperature.

    Arguments:
        size: of a leapfrog step, in units of `unit`, `(temperatures, batch)`.
        unit: width of each coordinate, `(temperatures, batch, *latent)`.
    """

    size: Tensor
    unit: Tensor


def temperatures(n_steps: int) -> list[float]:
    """0 = b_0 < ... < b_n = 1, close together at both ends: a sigmoid's values.

    Source: Wu, Burda, Salakhutdinov, Grosse, "On the quantitative analysis of decoder-based generative models", 2017.

    >>> [round(b, 3) for b in temperatures(4)]
    [0.0, 0.105, 0.5, 0.895, 1.0]
    """
    s = torch.sigmoid(SHARPNESS * torch.linspace(-1, 1, n_steps + 1, dtype=torch.float64))
    return ((s - s[0]) / (s[-1] - s[0])).tolist()


@final
class Path:
    """log f_b(z) = (1 - b) log start(z) + b log p(x, z), in coordinates without bounds.

    Arguments:
        model: p.
        batch: rows.
        start: a distribution of batch shape `(batch,)`; None is the prior.

    Raises: `AbilityError` where z is discrete, or has no gradient.
    """

    def __init__(self, model: Any, batch: Batch, start: Distribution | None) -> None:
        self.model, self.batch, self.start = model, batch, start
        self.prior = model.prior()
        self.map = _unbounded(self.prior)

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
                raise _no_gradient(self.model)
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


def _unbounded(prior: Distribution) -> Any:
    """The map from coordinates without bounds to z; None where z has none."""
    try:
        support: Any = prior.support
    except NotImplementedError:
        return None
    if getattr(support, "is_discrete", False):
        raise AbilityError(
            f"annealed evidence moves z along gradients, and this z is discrete ({type(prior).__name__}). Use "
            "evidence.exact where the model knows it, or evidence.importance."
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
            f"annealed evidence needs coordinates without bounds, which the z of a {type(prior).__name__} prior has not. "
            "Use evidence.importance."
        ) from None


def _no_gradient(model: Any) -> AbilityError:
    return AbilityError(
        f"annealed evidence moves z along gradients, and log p(x|z) of {type(model).__name__} has none. Use "
        "evidence.importance."
    )


def move(
    path: Path, point: Point, b: float, size: Tensor, unit: Tensor, n_leapfrog: int, noise: RowNoise
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


def adapted(path: Path, start: Tensor, betas: Sequence[float], n_leapfrog: int, noise: RowNoise) -> Steps:
    """Step sizes for each temperature, from chains of their own: those of the estimate never see them change.

    The size goes up where more than 0.7 of the moves are accepted, else down; a coordinate's unit is the spread of the
    chains, averaged over some temperatures.
    """
    every = range(1, len(betas), PILOT_SHARE)
    point = path.at(start)
    log_size = torch.full((start.shape[1],), -1.0, dtype=torch.float64, device=start.device)
    variance, sizes, units = _variance(start), [], []
    for i, t in enumerate(every):
        for again in range(8 if i == 0 else 1):
            unit = variance.sqrt()
            own = noise.apart(1000 * i + again)
            point, chance = move(path, point, betas[t], log_size.exp(), unit, n_leapfrog, own)
            log_size = (log_size + 0.5 * (chance.mean(0) - TARGET)).clamp(-12, 1.5)
        if len(start) > 1:
            variance = torch.lerp(variance, _variance(point.u), 0.15)
        sizes.append(log_size.exp())
        units.append(variance.sqrt())
    nearest = torch.tensor([min(t // PILOT_SHARE, len(sizes) - 1) for t in range(len(betas) - 1)])
    return Steps(torch.stack(sizes)[nearest.to(start.device)], torch.stack(units)[nearest.to(start.device)])


def _variance(u: Tensor) -> Tensor:
    """Of each coordinate over the chains, `(batch, *latent)`; a spread that has vanished counts as a small one."""
    return u.var(0, correction=0).clamp_min(1e-10) if len(u) > 1 else torch.ones_like(u[0])


def forward_weight(
    path: Path, start: Tensor, betas: Sequence[float], steps: Steps, n_leapfrog: int, noise: Callable[[int], RowNoise]
) -> Tensor:
    """log w of chains from the start to p(x, z), `(chains, batch)`: E[w] = p(x).

    Source: Neal, "Annealed importance sampling", 2001, equations 11 and 12.
    """
    point, log_weight = path.at(start), 0.0
    for t in range(1, len(betas)):
        log_weight = log_weight + (betas[t] - betas[t - 1]) * point.ratio
        if t + 1 < len(betas):
            point, _ = move(path, point, betas[t], steps.size[t - 1], steps.unit[t - 1], n_leapfrog, noise(t))
    return torch.as_tensor(log_weight)


def backward_weight(
    path: Path, end: Tensor, betas: Sequence[float], steps: Steps, n_leapfrog: int, noise: Callable[[int], RowNoise]
) -> Tensor:
    """log w of chains from a draw of p(z|x) back to the start, `(chains, batch)`: E[1 / w] = 1 / p(x).

    Source: Grosse, Ghahramani, Adams, "Sandwiching the marginal likelihood using bidirectional Monte Carlo", 2015.
    """
    point, log_weight = path.at(end), 0.0
    for t in range(len(betas) - 1, 0, -1):
        point, _ = move(path, point, betas[t], steps.size[t - 1], steps.unit[t - 1], n_leapfrog, noise(t))
        log_weight = log_weight + (betas[t] - betas[t - 1]) * point.ratio
    return torch.as_tensor(log_weight)
