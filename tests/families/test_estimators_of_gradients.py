"""Every gradient estimator for every family that accepts it: unbiased against quadrature or enumeration.

The exact bound is a sum over nodes z with weights; its gradient is a central difference. The estimates are those of
independent rows, so that their mean and its standard error come from one call.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.stats as st
import torch
from families_made import CASES, MAKERS, ROWS, array, quantile_nodes
from torch import Tensor
from torch.distributions import Independent, Normal

from latentia import families as f
from latentia.batch import Batch
from latentia.bounds import Elbo, ImportanceWeighted, Renyi, auxiliaries_of
from latentia.bounds.gradients import names_for
from latentia.errors import AbilityError
from latentia.families import GRADIENTS, check_gradient, gradients_of

DRAWS, LIMIT, KINKS = 20_000, 5.0, 2e-3
SIZE = dict.fromkeys(CASES, 1) | {name: case.size for name, case in ROWS.items()}
POSTERIORS = [name for name in MAKERS if f.row_of(name.split(" ")[0].split("-of-")[0]).gradients]
HIGH = (
    "relaxed-categorical",
    "multivariate-student-t",
    "autoregressive-flow",
    "coupling-flow",
    "spline-flow",
)  # no rule for pairs of draws
LOW = tuple(set(POSTERIORS) - set(HIGH))
COSTLY = ("von-mises-fisher", "spline-flow")
BIASED = ("straight-through-bernoulli", "straight-through-categorical")
Nodes = tuple[Tensor, Tensor]  # z (nodes, 1, *event), weights (nodes,)


class Toy:
    """p(z) given, log p(x|z) = 1.5 arctan(1 + c . z)."""

    event_shape = (2,)

    def __init__(self, prior: Any) -> None:
        self._prior = prior

    def prior(self) -> Any:
        return self._prior

    def standardise(self, x: Tensor) -> Tensor:
        return x

    def log_likelihood(self, x: Tensor, z: Tensor, observed: Any = None) -> Tensor:
        c = torch.linspace(1.0, -0.6, z.shape[-1], dtype=torch.float64)
        return 1.5 * torch.arctan(1 + (c * z.double()).sum(-1))

    def log_joint(self, x: Tensor, z: Tensor, observed: Any = None) -> Tensor:
        return self.log_likelihood(x, z) + self._prior.log_prob(z)


def joint(q: Any, event: int) -> Any:
    return Independent(q, event - len(q.event_shape), validate_args=False) if len(q.event_shape) < event else q


@cache
def family_of(name: str) -> Any:
    torch.manual_seed(3)
    return MAKERS[name]((SIZE[name],)).double().requires_grad_(False)


@cache
def raw_of(name: str) -> Tensor:
    shape = family_of(name).raw_shape  # made before the seed is set, or the numbers would depend on who asked first
    torch.manual_seed(1)
    return 0.5 * torch.randn(*shape, dtype=torch.float64)


def prior_of(name: str) -> Any:
    wide = {"uniform": f.Normal, "triangular": f.Normal, "pareto": f.LogNormal, "reciprocal": f.LogNormal}
    family = wide[name]((1,)).double() if name in wide else family_of(name)
    return joint(family(0.2 * torch.ones(family.raw_shape, dtype=torch.float64)), 1)


def grid(one: np.ndarray, weight: np.ndarray) -> tuple[Tensor, Tensor]:
    """The product of a rule with itself, `(nodes, 1, 2)`."""
    both = np.stack(np.meshgrid(one, one, indexing="ij"), -1).reshape(-1, 1, 2)
    return torch.tensor(both), torch.tensor(np.outer(weight, weight).reshape(-1))


def nodes(name: str, raw: Tensor, pairs: bool) -> Nodes:
    """Where E_q is summed; fewer nodes where pairs of them will be."""
    d = family_of(name)(raw.unsqueeze(0))
    u, weight = quantile_nodes(1500 if pairs else 30_000)  # a triangular's density has a kink: 1500 are off by 0.002
    if name in CASES:
        oracle = CASES[name].oracle(d)
        if CASES[name].whole:
            k = np.arange({"bernoulli": 2, "categorical": 4}.get(name.removeprefix("straight-through-"), 150))
            return torch.tensor(k, dtype=torch.float64).reshape(-1, 1, 1), torch.tensor(
                np.exp(oracle.logpmf(k.reshape(-1, 1, 1))).reshape(-1)
            )
        return torch.tensor(oracle.ppf(u.reshape(-1, 1, 1))), torch.tensor(weight)
    if name == "straight-through-categorical":
        return torch.eye(3, dtype=torch.float64).unsqueeze(1), d.probs[0]
    if name == "relaxed-categorical":
        return gumbel_nodes(d)
    if name == "dirichlet":
        first = torch.tensor(st.beta(*array(d.concentration[0])).ppf(u))
        return torch.stack([first, 1 - first], -1).unsqueeze(1), torch.tensor(weight)
    if name == "von-mises-fisher":
        return circle_nodes(d)
    if name == "multivariate-student-t":
        return elliptic_nodes(d, 48 if pairs else 240)
    x = np.linspace(-6.5, 6.5, 36 if pairs else 120)  # kinks of the flows' networks forbid a rule of high order
    e, weights = grid(x, st.norm.pdf(x) / st.norm.pdf(x).sum())
    if name.endswith("flow"):
        return d.from_noise(e.squeeze(1)).unsqueeze(1), weights
    return d.loc + e @ torch.linalg.cholesky(d.covariance_matrix[0]).T, weights


def gumbel_nodes(d: Any) -> Nodes:
    """Three Gumbels, of which only two differences count: a rule over two of them given the third's place."""
    u, w = quantile_nodes(41)
    g = -np.log(-np.log(np.clip(u, 1e-15, 1 - 1e-15)))
    all_three = np.stack(np.meshgrid(g, g, g, indexing="ij"), -1).reshape(-1, 1, 3)
    weight = np.einsum("i,j,k->ijk", w, w, w).reshape(-1)
    keep = weight > 1e-10
    z = torch.softmax((d.logits + torch.tensor(all_three[keep])) / d.temperature, -1).clamp_min(1e-300)
    return z, torch.tensor(weight[keep] / weight[keep].sum())


def circle_nodes(d: Any) -> Nodes:
    t = np.linspace(-np.pi, np.pi, 400, endpoint=False)
    x = np.stack([np.cos(t), np.sin(t)], -1)
    density = np.exp(array(d.concentration)[0] * (x @ array(d.loc)[0]))
    return torch.tensor(x).unsqueeze(1), torch.tensor(density / density.sum())


def elliptic_nodes(d: Any, n: int) -> Nodes:
    """Radius from the F distribution, angle even."""
    v, t = np.linspace(-14, 14, n // 2 + 16), np.linspace(0, 2 * np.pi, n, endpoint=False)
    u = 1 / (1 + np.exp(-v))
    radius, weight = np.sqrt(2 * st.f(2, array(d.df)[0]).ppf(u)), u * (1 - u)
    e = (radius[:, None, None] * np.stack([np.cos(t), np.sin(t)], -1)).reshape(-1, 1, 2)
    weights = np.repeat(weight / weight.sum(), n) / n
    return d.loc + torch.tensor(e) @ d.scale_tril[0].T, torch.tensor(weights)


def log_weights(name: str, raw: Tensor, pairs: bool) -> Nodes:
    z, weight = nodes(name, raw, pairs)
    model, q = Toy(prior_of(name)), joint(family_of(name)(raw.unsqueeze(0)), 1)
    return (model.log_joint(z, z) - q.log_prob(z)).squeeze(1), weight


def value(name: str, raw: Tensor, kind: str) -> float:
    """The exact bound: the ELBO, or the mean over pairs of draws of the bound from two."""
    lw, weight = log_weights(name, raw, kind != "elbo")
    if kind == "elbo":  # the outermost nodes of a bounded support round to its ends, where q has no density
        return float(torch.where(weight > 1e-14, weight * lw, 0.0).sum())
    keep = weight > 1e-12
    lw, weight = lw[keep], weight[keep] / weight[keep].sum()
    power = 0.5 if kind == "renyi" else 1.0
    both = torch.logaddexp(power * lw.unsqueeze(0), power * lw.unsqueeze(1)) - np.log(2)
    return float(weight @ both @ weight) / power


@cache
def exact(name: str, kind: str) -> tuple[float, np.ndarray]:
    """The bound and its gradient by each raw number."""
    raw, h, slopes = raw_of(name), 1e-4, []
    for i in range(raw.numel()):
        step = torch.zeros_like(raw).reshape(-1)
        step[i] = h
        step = step.reshape(raw.shape)
        slopes.append((value(name, raw + step, kind) - value(name, raw - step, kind)) / (2 * h))
    return value(name, raw, kind), np.array(slopes)


def estimated(name: str, bound: Any, draws: int = DRAWS, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Values `(draws,)` and gradients `(draws, raw numbers)` of independent rows."""
    torch.manual_seed(seed)
    each = raw_of(name).expand(draws, *raw_of(name).shape).clone().requires_grad_()
    model, batch = Toy(prior_of(name)), Batch(torch.rand(draws, 2, dtype=torch.float64), torch.arange(draws))
    auxiliaries = auxiliaries_of(bound, model)
    more = () if auxiliaries is None else (auxiliaries.double(),)
    terms = bound(model, lambda *_: joint(family_of(name)(each), 1), batch, *more)
    terms.surrogate.sum().backward()
    assert each.grad is not None
    return array(terms.value), array(each.grad).reshape(draws, -1)


def check(name: str, kind: str, bound: Any, slack: float = 1e-6) -> None:
    values, gradients = estimated(name, bound)
    level, slope = exact(name, kind)
    slack += KINKS if name.endswith("flow") or name in ("multivariate-student-t", "laplace") else 0.0
    assert abs(values.mean() - level) < LIMIT * values.std() / np.sqrt(DRAWS) + slack
    error = gradients.std(0) / np.sqrt(DRAWS)
    assert (np.abs(gradients.mean(0) - slope) < LIMIT * error + slack).all(), (gradients.mean(0), slope, error)


def accepted(*kinds: str) -> list[Any]:
    """(family, estimator) pairs that the table accepts, of estimators that some bound of this kind has."""
    out: list[Any] = []
    for name in POSTERIORS:
        for gradient in gradients_of(name.split(" ")[0]):
            if gradient in kinds and not (gradient in ("pathwise", "straight-through") and name in BIASED):
                costly = name in COSTLY and gradient != "sticking-the-landing"  # a sample of them stays
                out.append(pytest.param(name, gradient, marks=[pytest.mark.slow] if costly else []))
    return out


def unless(names: tuple[str, ...], pairs: list[Any]) -> list[Any]:
    return [pair for pair in pairs if pair.values[0] not in names]


ONE = ("pathwise", "implicit", "relaxed", "enumeration", "score", "moving-average", "nvil", "sticking-the-landing")


@pytest.mark.parametrize(("name", "gradient"), accepted(*ONE, "leave-one-out", "arm", "disarm"))
def test_the_elbos_gradient(name: str, gradient: str) -> None:
    check(name, "elbo", Elbo(1 if gradient in ONE else 2, gradient=gradient))


@pytest.mark.parametrize(
    ("name", "gradient"), [("bernoulli", "disarm"), ("gamma", "leave-one-out"), ("normal", "nvil")]
)
def test_with_a_drawn_kl(name: str, gradient: str) -> None:
    check(name, "elbo", Elbo(2, kl="monte-carlo", gradient=gradient))


MANY = tuple(sorted(set(names_for("importance")) - {"auto", "straight-through"}))
TWO = {"importance": ImportanceWeighted(2), "renyi": Renyi(2, alpha=0.5)}


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize(("name", "gradient"), unless(HIGH, accepted(*MANY)))
def test_the_gradient_of_a_bound_of_two_draws(name: str, gradient: str, kind: str) -> None:
    check(name, kind, replace(TWO[kind], gradient=gradient))


@pytest.mark.parametrize(("name", "gradient"), unless(LOW, accepted("score", "dreg")))
def test_of_one_sample_where_pairs_have_too_many_nodes(name: str, gradient: str) -> None:
    check(name, "elbo", ImportanceWeighted(1, gradient=gradient))


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize(("name", "gradient"), unless(LOW, accepted(*set(MANY) - {"pathwise", "implicit", "relaxed"})))
def test_of_two_samples_where_pairs_have_too_many_nodes(name: str, gradient: str, kind: str) -> None:
    """Against the gradient through the draws, other draws, which has no part in common with it but the bound."""
    values, gradients = estimated(name, replace(TWO[kind], gradient=gradient))
    through, paths = estimated(name, replace(TWO[kind], gradient="pathwise"), seed=11)
    for one, other in ((values[:, None], through[:, None]), (gradients, paths)):
        error = np.sqrt((one.var(0) + other.var(0)) / DRAWS)
        assert (np.abs(one.mean(0) - other.mean(0)) < LIMIT * error + 1e-6).all()


@pytest.mark.parametrize("name", BIASED)
def test_straight_through_is_biased_and_by_how_much(name: str) -> None:
    """Declared biased: the bias is seen, and the direction is still the right one."""
    _, gradients = estimated(name, Elbo(gradient="straight-through"))
    slope = exact(name, "elbo")[1]
    bias, error = gradients.mean(0) - slope, gradients.std(0) / np.sqrt(DRAWS)
    assert (np.abs(bias) > 10 * error).any()
    assert np.abs(bias).max() < 0.5 * np.abs(slope).max() + 0.2
    assert gradients.mean(0) @ slope > 0


@pytest.mark.parametrize("name", POSTERIORS)
def test_what_is_not_accepted_is_refused_where_it_is_used(name: str) -> None:
    plain = name.split(" ")[0]
    for gradient in set(GRADIENTS) - {"auto", *gradients_of(plain)}:
        with pytest.raises(AbilityError, match=r"Use |cannot be"):
            check_gradient(plain, gradient)


def test_a_weighted_kl_keeps_an_unbiased_gradient() -> None:
    """parts["kl"] may be weighed by an objective: its gradient is that of KL(q || p), drawn or closed."""
    torch.manual_seed(0)
    raw = torch.randn(DRAWS, 1, 3, dtype=torch.float64)[:1].expand(DRAWS, 1, 3)
    found = []
    for kl in ("closed", "monte-carlo"):
        each = raw.clone().requires_grad_()
        q = joint(f.Bernoulli((3,))(each), 1)
        p = joint(f.Bernoulli((3,))(torch.full((1, 3), 0.4, dtype=torch.float64)), 1)
        batch = Batch(torch.zeros(DRAWS, 2, dtype=torch.float64), torch.arange(DRAWS))
        Elbo(2, kl=kl, gradient="disarm")(Toy(p), lambda *_, q=q: q, batch).parts["kl"].sum().backward()
        assert each.grad is not None
        found.append(each.grad.reshape(DRAWS, -1))
    error = found[1].std(0) / DRAWS**0.5
    assert bool(((found[1].mean(0) - found[0][0]).abs() < LIMIT * error).all())


def test_with_the_exact_posterior_sticking_the_landing_has_no_variance() -> None:
    """q = p(z|x) of z ~ N(0, 1), x | z ~ N(z, 1): log p(x, z) - log q(z) is constant along every path."""

    class Conjugate(Toy):
        def log_likelihood(self, x: Tensor, z: Tensor, observed: Any = None) -> Tensor:
            return Normal(z, 1.0).log_prob(torch.ones(1, dtype=torch.float64)).sum(-1)

    zero = torch.zeros(1, dtype=torch.float64)
    model = Conjugate(Independent(Normal(zero, zero + 1), 1))
    batch = Batch(torch.ones(50, 2, dtype=torch.float64), torch.arange(50))
    sizes = {}
    for gradient in ("sticking-the-landing", "pathwise"):
        loc = torch.full((50, 1), 0.5, dtype=torch.float64, requires_grad=True)
        q = Independent(Normal(loc, torch.full_like(loc, 0.5**0.5)), 1)
        Elbo(kl="monte-carlo", gradient=gradient)(model, lambda *_, q=q: q, batch).surrogate.sum().backward()
        assert loc.grad is not None
        sizes[gradient] = float(loc.grad.abs().max())
    assert sizes["sticking-the-landing"] < 1e-12
    assert sizes["pathwise"] > 0.1
