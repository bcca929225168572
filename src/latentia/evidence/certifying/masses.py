"""Total masses: sums over what is discrete, integrals over what is continuous, by rules that know no family."""

from math import lgamma, log, pi
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, Dirichlet, Distribution, Independent

from ...distributions import Rescaled
from ...distributions.multivariate_t import MultivariateStudentT
from ...randomness import Stream
from .base import Unproven

NODES, MOST_LEVELS, MOST_OUTCOMES, DRAWS = 4001, 2**14, 4096, 20_000
LEAST_SIZE = 0.05  # share of importance draws that must count, for an integral to be decided by them


def cell_masses(p: Distribution, seed: int) -> Tensor:
    """Total mass of each cell of a distribution without event axes, of p's batch shape.

    Discrete cells are summed over their levels; continuous ones integrated by the double-exponential rule, which copes
    with half-lines, heavy tails and densities that grow without bound at an end.

    Raises: `Unproven` where neither can be done.

    Source: Takahasi and Mori, "Double exponential formulas for numerical integration", 1974.

    >>> cell_masses(torch.distributions.Gamma(torch.tensor([0.5, 3.0]).double(), torch.ones(2).double()), 0).round(decimals=6)
    tensor([1., 1.], dtype=torch.float64)
    """
    with Stream(seed):
        draws = p.sample(torch.Size((200,))).double()
    levels = _levels(p, draws)
    if levels is not None:
        each = levels.reshape(-1, *[1] * draws[0].ndim).expand(-1, *draws.shape[1:])
        return torch.logsumexp(p.log_prob(each), 0).exp()
    nodes, log_weight = _nodes(p, draws)
    log_prob = p.log_prob(nodes)
    return torch.logsumexp(torch.where(torch.isnan(log_prob), torch.inf, log_prob) + log_weight, 0).exp()


def _levels(p: Any, draws: Tensor) -> Tensor | None:
    """What a discrete cell may be, `(levels,)`; None for a continuous one."""
    if hasattr(p, "low") and hasattr(p, "high") and _whole(draws):
        return torch.arange(float(p.low), float(p.high) + 1, dtype=draws.dtype)
    if isinstance(p, Categorical):
        return torch.arange(p.logits.shape[-1])
    support = _support(p)
    discrete = bool(getattr(support, "is_discrete", False)) if support is not None else _whole(draws)
    if not discrete:
        return None
    name = type(support).__name__
    low, high = getattr(support, "lower_bound", 0), getattr(support, "upper_bound", None)
    if "Boolean" in name or high is not None:
        top = 1 if high is None else int(torch.as_tensor(high).max())
        bottom = 0 if high is None else int(torch.as_tensor(low).min())
    else:
        bottom = int(torch.as_tensor(low).min())
        top = min(MOST_LEVELS, bottom + 200 + 20 * int(draws.max() - bottom))
    return torch.arange(bottom, top + 1, dtype=draws.dtype)


def _support(p: Any) -> Any:
    try:
        return p.support
    except (NotImplementedError, AttributeError):
        return None


def _whole(draws: Tensor) -> bool:
    return bool((draws == draws.round()).all())


def _nodes(p: Any, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes of the rule, `(nodes, *cells)`, and log weights."""
    if isinstance(p, Rescaled):
        nodes, log_weight = _nodes(p.base, (draws - p.loc) / p.scale)
        return p.loc + p.scale * nodes, log_weight + torch.log(p.scale)
    t = torch.linspace(-3.6, 3.6, NODES, dtype=torch.float64).reshape(-1, *[1] * draws[0].ndim)
    step = 7.2 / (NODES - 1)
    inner, slope = pi / 2 * torch.sinh(t), torch.log(pi / 2 * torch.cosh(t) * step)
    support = _support(p)
    low, high = (_end(support, name) for name in ("lower_bound", "upper_bound"))
    if low is not None and high is not None:
        half = (high - low) / 2
        nodes = low + half * (1 + torch.tanh(inner))
        tiny = 1e-15 * (high - low)
        log_weight = slope + torch.log(half) - 2 * torch.log(torch.cosh(inner))
        return nodes.clamp(low + tiny, high - tiny).expand(-1, *draws.shape[1:]), log_weight
    middle = draws.median(0).values
    if low is not None:
        width = (middle - low).clamp_min(1e-12)
        nodes = low + width * torch.exp(inner)
        return nodes.clamp_max(1e300), slope + torch.log(width) + inner
    width = (draws.quantile(0.75, 0) - draws.quantile(0.25, 0)).clamp_min(1e-12)
    return middle + width * torch.sinh(inner), slope + torch.log(width) + torch.log(torch.cosh(inner))


def _end(support: Any, name: str) -> Tensor | None:
    value = getattr(support, name, None)
    return None if value is None else torch.as_tensor(value, dtype=torch.float64)


def event_mass(p: Distribution, seed: int) -> tuple[float, float]:
    """Total mass of the first row of a distribution of whole rows, and the standard error of that number.

    A few outcomes, and one-hot rows, are summed over; densities are averaged over draws of a uniform on a simplex or a
    sphere, elsewhere of a multivariate t with p's own location and spread.

    Raises: `Unproven` where the average over draws cannot decide.
    """
    shape = p.event_shape
    with Stream(seed):
        draws = p.sample(torch.Size((2000,))).double()
    flat = draws.reshape(2000, -1, shape.numel())[:, 0]
    log_prob = lambda x: _first(p, x, shape)  # noqa: E731
    if len(shape) == 1 and bool(((flat == 0) | (flat == 1)).all() and (flat.sum(1) == 1).all()):
        return float(torch.logsumexp(log_prob(torch.eye(shape[0], dtype=flat.dtype)), 0).exp()), 0.0
    if _whole(flat):
        return _sum_over(flat, log_prob), 0.0
    return _by_importance(flat, log_prob, _support(p), seed)


def _first(p: Distribution, x: Tensor, shape: torch.Size) -> Tensor:
    lead = [1] * len(p.batch_shape)
    found = p.log_prob(x.reshape(len(x), *lead, *shape))
    return found.reshape(len(x), -1)[:, 0]


def _sum_over(flat: Tensor, log_prob: Any) -> float:
    top = int(flat.max()) + 1
    if top ** flat.shape[1] > MOST_OUTCOMES:
        raise Unproven(f"Rows of {flat.shape[1]} discrete cells have too many outcomes to be summed over.")
    grids = torch.meshgrid(*[torch.arange(top, dtype=flat.dtype)] * flat.shape[1], indexing="ij")
    return float(torch.logsumexp(log_prob(torch.stack([g.reshape(-1) for g in grids], 1)), 0).exp())


def _by_importance(flat: Tensor, log_prob: Any, support: Any, seed: int) -> tuple[float, float]:
    d = flat.shape[1]
    with Stream(seed + 1):
        x, log_density = _proposal(flat, type(support).__name__.lower())
    weight = torch.exp(log_prob(x) - log_density)
    size = float(weight.sum().square() / weight.square().sum().clamp_min(1e-300))
    if size < LEAST_SIZE * DRAWS:
        raise Unproven(f"Only {size:.0f} of {DRAWS} draws count in {d} dimensions: too few to decide.")
    return float(weight.mean()), float(weight.std()) / DRAWS**0.5


def _proposal(flat: Tensor, support: str) -> tuple[Tensor, Tensor]:
    """DRAWS rows and their log density: uniform on a simplex or a sphere, elsewhere a wide multivariate t."""
    d, n = flat.shape[1], torch.Size((DRAWS,))
    if "simplex" in support:
        uniform = Dirichlet(torch.ones(d, dtype=torch.float64))
        x = uniform.sample(n)
        return x, uniform.log_prob(x)
    if bool(((flat.square().sum(1) - 1).abs() < 1e-6).all()):
        x = torch.nn.functional.normalize(torch.randn(DRAWS, d, dtype=torch.float64), dim=1)
        return x, torch.full((DRAWS,), lgamma(d / 2) - log(2) - d / 2 * log(pi), dtype=torch.float64)
    middle = flat.median(0).values
    width = flat.quantile(0.75, 0) - flat.quantile(0.25, 0)
    near = flat[((flat - middle).abs() <= 5 * width).all(1)]  # a covariance may not exist
    covariance = 1.2 * torch.cov(near.T).reshape(d, d) + 1e-12 * torch.eye(d, dtype=torch.float64)
    root, failed = torch.linalg.cholesky_ex(covariance)
    if bool(failed):
        raise Unproven("Its draws lie on a surface, where no rule of this proof integrates.")
    wide = MultivariateStudentT(torch.tensor(2.0, dtype=torch.float64), middle, root)
    x = wide.sample(n)
    return x, wide.log_prob(x)


def masses(p: Distribution, seed: int) -> tuple[Tensor, float, str]:
    """Masses, the standard error of the worst one, and how they were found."""
    if isinstance(p, Independent):
        return masses(p.base_dist, seed)
    if p.event_shape:
        value, error = event_mass(p, seed)
        return torch.tensor([value]).double(), error, "summed" if error == 0 else f"{DRAWS} draws"
    found = cell_masses(p, seed)
    return found.flatten(), 0.0, f"{found.numel()} cells"
