"""Claims that are put to the proof on rows simulated from the model; each would fail by chance once in a million runs."""

from math import sqrt
from typing import Any

import torch
from torch import Tensor

from ...abilities import HasLogProb
from ...randomness import Stream
from ..ais import bidirectional, simulated
from ..calibration import calibrate
from ..estimators import elbo, exact, importance
from .base import LONG, ROWS, Noted, Refuted, Subject, Unproven, claim, is_finite, require_close
from .consistency import along, directions

SIGMAS = 5.5
RANKS = 39
FEW, MANY = 10, 100
SUMMED = 1e-6
CHAINS, TEMPERATURES = 8, 200


@claim("sampling", "sample() draws what prior and likelihood say: means and spreads agree along random directions")
def sampling(s: Subject) -> str:
    _, x = s.pairs
    with Stream(s.seed + 3):
        other = s.model.sample(LONG).double()
    flat = [t.reshape(LONG, -1) for t in (x, other)]
    if not all(bool(torch.isfinite(t).all()) for t in flat):
        raise Refuted("Some samples are not finite.")
    d = flat[0].shape[1]
    generator = torch.Generator().manual_seed(s.seed)
    axes = torch.randn(d, min(8, d), generator=generator, dtype=torch.float64)
    lines = [_bounded(t @ axes, flat[0] @ axes) for t in flat]
    worst = max(_t(a, b) for power in (1, 2) for a, b in zip(*(line.pow(power).T for line in lines)))
    if not worst <= SIGMAS:
        raise Refuted(f"Along one direction they differ by {worst:.1f} standard errors.")
    return f"largest difference {worst:.1f} standard errors, {LONG} samples of each"


def _bounded(x: Tensor, reference: Tensor) -> Tensor:
    """Heavy tails folded in: a mean of arctangents always exists."""
    middle = reference.median(0).values
    width = (reference.quantile(0.75, 0) - reference.quantile(0.25, 0)).clamp_min(1e-9)
    return torch.atan((x - middle) / width)


def _t(a: Tensor, b: Tensor) -> float:
    gap, error = (a.mean() - b.mean()).abs(), torch.sqrt((a.var() + b.var()) / len(a))
    return 0.0 if not gap > 1e-12 else float(gap / error.clamp_min(1e-300))


@claim("score", "rows are drawn from the density itself: the mean derivative of log p(x, z) by the parameters is zero")
def score(s: Subject) -> str:
    s.density()
    parameters = [p for p in s.model.parameters() if p.requires_grad]
    if not parameters:
        raise Unproven("There are no parameters.")
    z, x = s.pairs
    sides = []
    for direction in [*directions(parameters, s.seed), *_single(parameters, s.seed)]:
        each = along(lambda: s.model.log_joint(x, z).squeeze(0), parameters, direction, 1e-4)
        each = each[torch.isfinite(each)]
        spread = float(each.std())
        if spread > 1e-9:
            sides.append(abs(float(each.mean())) / (spread / sqrt(len(each))))
    worst = max(sides, default=0.0)
    if not worst <= SIGMAS:
        raise Refuted(f"The mean derivative is {worst:.1f} standard errors from zero: samples and density disagree.")
    return f"{len(sides)} directions, largest {worst:.1f} standard errors"


def _single(parameters: list, seed: int) -> list[list[Tensor]]:
    """One direction for each tensor alone."""
    (whole,) = directions(parameters, seed + 1, 1)
    return [[d if i == j else torch.zeros_like(d) for j, d in enumerate(whole)] for i in range(len(whole))]


@claim("order of bounds", "ELBO <= IW-k <= IW-10k, and none of them above log p(x), on simulated rows")
def order(s: Subject) -> str:
    s.density()
    s.q()
    q = s.posterior
    found = [elbo(s.model, q, s.x, n_samples=256, seed=s.seed)]
    if not is_finite(s.model.prior()):
        found += [importance(s.model, q, s.x, n_samples=k, seed=s.seed + i) for i, k in enumerate((FEW, MANY))]
    if isinstance(s.model, HasLogProb):
        found.append(exact(s.model, s.x))
    if len(found) < 2:
        raise Unproven("There is a single bound, and nothing to compare it with.")
    for low, high in zip(found, found[1:]):
        slack = SIGMAS * sqrt(low.mc_error**2 + high.mc_error**2) + 1e-7 * (1 + abs(high.mean))
        if not low.mean <= high.mean + slack:
            raise Refuted(
                f"{_named(low)} is above {_named(high)} by {low.mean - high.mean:.4g} nats ({slack:.2g} allowed)."
            )
    return " <= ".join(_named(e) for e in found)


@claim(
    "log p(x)",
    "what the model says its log p(x) is, is the sum over z where z is finite, and else lies between annealed bounds",
)
def own_evidence(s: Subject) -> str:
    s.density()
    if not isinstance(s.model, HasLogProb):
        raise Unproven("The model does not say that it knows its log p(x).")
    model: Any = s.model
    if is_finite(model.prior()):
        states = torch.arange(model.prior().logits.shape[-1]).unsqueeze(1)
        summed = torch.logsumexp(model.log_joint(s.x, states), 0)
        return require_close(s.model.log_prob(s.x), summed, SUMMED, "against the sum over z")
    found = bidirectional(s.model, n_rows=ROWS, n_samples=CHAINS, n_steps=TEMPERATURES, seed=s.seed)
    said = s.model.log_prob(simulated(s.model, ROWS, s.seed)[0]).double()
    for sign, bound in ((1.0, found.upper), (-1.0, found.lower)):
        room = sign * (bound.values - said)
        error = float(room.std()) / sqrt(len(room))
        if not float(room.mean()) >= -SIGMAS * error - 1e-6 * (1 + float(said.abs().mean())):
            raise Refuted(
                f"It says {float(said.mean()):.3f} on average; annealed evidence says {'at most' if sign > 0 else 'at least'} "
                f"{bound.mean:.3f} (the difference +- {error:.2g})."
            )
    return f"{found.lower.mean:.3f} <= {float(said.mean()):.3f} <= {found.upper.mean:.3f}"


def _named(e: object) -> str:
    names = {"elbo": "ELBO", "importance": f"IW-{e.n_samples}", "exact": "log p(x)"}  # type: ignore[attr-defined]
    return f"{names.get(e.method, e.method)} {e.mean:.3f}"  # type: ignore[attr-defined]


@claim(
    "calibration",
    "the rank of the true z among draws of q is uniform: certain for an exact posterior, measured for others",
)
def calibration(s: Subject) -> "str | Noted":
    s.q()
    found = calibrate(s.model, s.posterior, n_rows=LONG, n_samples=RANKS, seed=s.seed + 4)
    text = f"p = {found.p_value:.2g} (ranks of all units and of the density); 90 % regions hold {100 * found.coverage(0.9):.0f} %"
    if not s.exact:
        return Noted(f"{text}; q does not claim to be exact")
    if found.p_value < 1e-6:
        raise Refuted(f"Ranks are not uniform: {text}.")
    return text
