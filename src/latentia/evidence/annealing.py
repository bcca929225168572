"""From a distribution that can be drawn to p(x, z), in small steps, by Hamiltonian moves: what AIS is made of.

Everything is batched over chains and rows, `(chains, batch, ...)`; each row has its own noise and its own step sizes, so
that nothing of a row depends on the rows beside it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..hamiltonian import TARGET, Path, move
from ..randomness import RowNoise

PILOT_CHAINS, PILOT_SHARE = 8, 4  # the burn-in has this many chains at most, and a fourth of the temperatures
SHARPNESS = 4.0


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
