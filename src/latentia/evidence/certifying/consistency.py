"""Claims that hold to rounding: shapes, sums, masses, gradients."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ...abilities import HasLogProb
from ...bounds import Elbo
from ...bounds.base import enumerable
from ...distributions import draw
from ...families import row_of_distribution
from ...randomness import row_noise
from .base import Noted, Refuted, Subject, Unproven, claim, is_finite, knows_posterior, require_close, worst
from .masses import masses

ROUNDING, MASS, SLOPE = 1e-8, 1e-3, 1e-4
STEPS = (1e-5, 1e-6, 1e-7)  # of finite differences, relative to each parameter's size


@claim("shapes", "z, x, densities and q have the shapes that the model declares, one number per sample and row")
def shapes(s: Subject) -> str:
    z, rows, n = s.z(3), len(s.x), 3
    prior = s.model.prior()
    found: dict[str, tuple[Any, Any]] = {
        "prior batch": (prior.batch_shape, ()),
        "prior event": (prior.event_shape, s.latent_shape),
        "sample": (s.x.shape, (rows, *s.event_shape)),
        "likelihood draw": (s.model.likelihood(z).sample().shape, (n, rows, *s.event_shape)),
        "log p(z)": (prior.log_prob(z).shape, (n, rows)),
        "log p(x|z)": (s.model.log_likelihood(s.x, z).shape, (n, rows)),
        "log p(x, z)": (s.model.log_joint(s.x, z).shape, (n, rows)),
    }
    if s.posterior is not None or knows_posterior(s.model):
        q = s.q()
        with row_noise(s.x, s.seed):
            drawn = draw(q, n)
        found["q batch"] = (q.batch_shape, (rows,))
        found["q draw"] = (drawn.shape, (n, rows, *s.latent_shape))
        found["log q(z|x)"] = (q.log_prob(drawn).shape, (n, rows))
    wrong = [f"{name} is {tuple(a)}, not {tuple(b)}" for name, (a, b) in found.items() if tuple(a) != tuple(b)]
    if wrong:
        raise Refuted("; ".join(wrong) + ".")
    return f"{len(found)} shapes, x {s.event_shape}, z {s.latent_shape}"


@claim("joint", "log p(x, z) = log p(z) + log p(x|z), and log p(x|z) is the sum of the likelihood's cells")
def joint(s: Subject) -> str:
    z, model = s.z(3), s.model
    log_lik = model.log_likelihood(s.x, z)
    text = require_close(
        model.log_joint(s.x, z), model.prior().log_prob(z) + log_lik, ROUNDING, "joint against its parts"
    )
    if not bool(torch.isfinite(log_lik).any()):
        raise Refuted("log p(x|z) is finite for none of the model's own samples.")
    p = model.likelihood(z)
    cells = p.log_prob(s.x)
    if not p.event_shape:
        cells = cells.flatten(2).sum(-1)
    return text + "; " + require_close(log_lik, cells, ROUNDING, "against the sum of the cells")


@claim("observed", "missing cells are left out of the sum, whatever stands in them, and nothing else changes")
def observed(s: Subject) -> str:
    z, model = s.z(2), s.model
    p = model.likelihood(z)
    if p.event_shape:
        raise Unproven("The likelihood is joint: one number per row.")
    every = torch.ones_like(s.x, dtype=torch.bool)
    text = require_close(model.log_likelihood(s.x, z, every), model.log_likelihood(s.x, z), ROUNDING, "all observed")
    mask = torch.arange(s.x[0].numel()).reshape(s.x.shape[1:]) % 2 == 0
    half = mask.expand_as(s.x)
    wanted = torch.where(half, p.log_prob(s.x), 0.0).flatten(2).sum(-1)
    scrambled = torch.where(half, s.x, s.x.roll(1, 0))
    require_close(model.log_likelihood(scrambled, z, half), wanted, ROUNDING, "half observed")
    return text + "; half observed agrees"


def _masses(distribution: Any, seed: int, what: str) -> str:
    found, error, how = masses(distribution, seed)
    gap = worst(found, torch.ones_like(found))
    allowed = max(MASS, 6 * error)
    if not gap <= allowed:
        bad = found[(found - 1).abs().argmax()]
        raise Refuted(f"{what} has the total mass {float(bad):.5g} and not 1 ({how}, error {error:.1g}).")
    return f"{what}: mass 1 within {max(gap, error):.1g} ({how})"


@claim("likelihood mass", "p(x|z) sums or integrates to one over x, in the user's units")
def likelihood_mass(s: Subject) -> str:
    s.density()
    return _masses(s.model.likelihood(s.z(1)[:, :2]), s.seed, "p(x|z)")


@claim("prior mass", "p(z) sums or integrates to one")
def prior_mass(s: Subject) -> str:
    return _masses(s.model.prior(), s.seed, "p(z)")


@claim("posterior mass", "q(z|x) sums or integrates to one")
def posterior_mass(s: Subject) -> str:
    return _masses(s.q(s.x[:2]), s.seed, "q(z|x)")


@claim("exact posterior", "log p(x, z) - log p(z|x) is log p(x), the same for every z")
def exact_posterior(s: Subject) -> str:
    if not knows_posterior(s.model):
        raise Unproven("The model does not know its posterior.")
    q = s.model.posterior(s.x)
    if is_finite(s.model.prior()):
        z = torch.arange(q.logits.shape[-1]).unsqueeze(1).expand(-1, len(s.x))
    else:
        z = s.z(4)
    log_x = s.model.log_joint(s.x, z) - q.log_prob(z)
    use = torch.isfinite(log_x)
    log_x = torch.where(use, log_x, log_x.nan_to_num(0, 0, 0).max(0).values)
    text = require_close(log_x, log_x[:1].expand_as(log_x), 1e-6, "over z")
    if isinstance(s.model, HasLogProb):
        text += "; " + require_close(log_x[0], s.model.log_prob(s.x), 1e-6, "against the model's log p(x)")
    return text


# --- gradients -------------------------------------------------------------------------------------------------------


@claim(
    "gradient of the joint", "autograd's derivative of log p(x, z) by the model's parameters is the finite difference"
)
def joint_gradient(s: Subject) -> str:
    z = s.z(2)
    value = lambda: s.model.log_joint(s.x, z)  # noqa: E731
    return _slopes(lambda: value().sum(), value, list(s.model.parameters()), s.seed)


@claim(
    "gradient of the bound", "autograd's derivative of the ELBO by all parameters is the finite difference, noise held"
)
def bound_gradient(s: Subject) -> str:
    s.density()
    q = s.q()
    if any(getattr(part, "moves_rows", False) for part in s.posterior.modules()):
        raise Unproven(f"{type(s.posterior).__name__} moves q for each row by itself, and hands no gradient back.")
    row = row_of_distribution(q)
    if row is not None and "straight-through" in row.gradients:
        raise Unproven("A straight-through gradient is not the bound's, and says so.")
    if not (q.has_rsample or enumerable(q)):
        raise Unproven(f"{type(q).__name__} is not differentiable through its draws.")
    parameters = [*s.model.parameters(), *s.posterior.parameters()]
    bound = Elbo(4)

    def terms() -> Any:
        with row_noise(s.x, s.seed):
            return bound(s.model, s.posterior, s.batch)

    return _slopes(lambda: terms().surrogate.sum(), lambda: terms().value, parameters, s.seed)


def _slopes(surrogate: Callable[[], Tensor], value: Callable[[], Tensor], every: list[nn.Parameter], seed: int) -> str:
    parameters = [p for p in every if p.requires_grad]
    if not parameters:
        raise Unproven("There are no parameters that want a gradient.")
    with torch.enable_grad():
        found = surrogate()
        gradients = torch.autograd.grad(found, parameters, allow_unused=True) if found.requires_grad else []
    if not any(g is not None for g in gradients):
        raise Refuted("No gradient reaches any parameter.")
    gaps = []
    for direction in directions(parameters, seed):
        slope = sum((g * d).sum() for g, d in zip(gradients, direction) if g is not None)
        # entry by entry, so that what is large and does not move leaves digits for a small step
        differences = [along(value, parameters, direction, step).sum() for step in STEPS]
        tried = [worst(torch.as_tensor(slope), difference) for difference in differences]
        gaps.append(min(tried))
    # where a rectifier bends, a difference meets the bend: a smaller step or another direction does not
    gap = sorted(gaps)[len(gaps) // 2] if len(gaps) > 2 else max(gaps)
    if not gap <= SLOPE:
        raise Refuted(f"In {len(gaps)} directions they differ by up to {max(gaps):.2g}, median {gap:.2g} (relative).")
    return f"{len(gaps)} directions, median relative difference {gap:.1g}"


def directions(parameters: list[nn.Parameter], seed: int, n: int = 5) -> Iterator[list[Tensor]]:
    """Directions in the space of all parameters, each as long in every tensor as its entries are."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        yield [
            torch.randn(p.shape, generator=generator, dtype=torch.float64) * (0.1 + float(p.detach().abs().mean()))
            for p in parameters
        ]


@torch.no_grad()
def along(value: Callable[[], Tensor], parameters: list[nn.Parameter], direction: list[Tensor], step: float) -> Tensor:
    """Central difference of each entry of `value()` along a direction; the parameters come back as they were."""
    before = [p.detach().clone() for p in parameters]
    out = []
    try:
        for sign in (1, -1):
            for p, old, d in zip(parameters, before, direction):
                p.copy_(old + sign * step * d)
            out.append(value())
    finally:
        for p, old in zip(parameters, before):
            p.copy_(old)
    return (out[0] - out[1]) / (2 * step)


@claim(
    "parameters",
    "whatever learns is a registered parameter, and p and q have none in common unless they share it openly",
)
def parameters(s: Subject) -> "str | Noted":
    model, posterior = s.model, s.posterior
    known = {id(p) for m in (model, posterior) if m is not None for p in m.parameters()}
    with torch.enable_grad():
        outputs = [model.log_joint(s.x, s.z(1))]
        if posterior is not None:
            q = s.q()
            with row_noise(s.x, s.seed):
                z = draw(q, 1)
            outputs.append(q.log_prob(z.detach()))
    strange = [tuple(t.shape) for out in outputs for t in _leaves(out) if id(t) not in known]
    if strange:
        raise Refuted(f"Tensors of shape {strange} want a gradient and are no parameters: they would not be saved.")
    if posterior is None:
        return f"{len(known)} parameter tensors, all registered"
    shared = getattr(model, "shared", None)
    open_ones = {id(p) for p in shared.parameters()} if isinstance(shared, nn.Module) else set()
    p, q_own = s.given
    both = (
        {id(t) for t in p.parameters()} & {id(t) for t in q_own.parameters()} - open_ones
        if q_own is not None
        else set()
    )
    if both:
        raise Refuted(
            f"p and q have {len(both)} parameter tensors in common, and the model does not declare them shared."
        )
    return f"{len(known)} parameter tensors, all registered, none in common"


def _leaves(out: Tensor) -> Iterator[Tensor]:
    """Tensors at the ends of the graph behind a result."""
    todo, seen = [out.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable  # type: ignore[attr-defined]
        todo += [parent for parent, _ in node.next_functions]
