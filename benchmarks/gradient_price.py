"""Bias and variance of every gradient estimator on one model and one data set, against the exact gradient.

The exact one is a sum over the values of z: all of them for coins, a grid's nodes for normals; over pairs of them for
the bounds of two draws. It is written without the library's bounds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from latentia import VAE
from latentia.batch import Batch
from latentia.bounds import Elbo, ImportanceWeighted, Renyi, auxiliaries_of
from latentia.data import load
from latentia.families import Bernoulli, RelaxedBernoulli, StraightThroughBernoulli
from latentia.families import Normal as NormalFamily
from latentia.models import FamilyPrior

ROWS, REPEATS, SEED = 40, 4_000, 0
Family = Callable[[Tensor], Any]
Priced = tuple[str, float, float, float]  # name, bias, its noise floor, variance


@dataclass(frozen=True)
class Case:
    """A fitted model, q's family with its raw numbers for some rows, the rows, and where E_q is summed."""

    model: Any
    family: Family
    raw: Tensor  # (rows, 1, raw numbers) or (rows, event, raw numbers)
    x: Tensor
    nodes: Callable[[Any, bool], tuple[Tensor, Tensor]]  # q, pairs -> z (nodes, rows, event), weights (nodes, rows)


def fitted(**options: Any) -> tuple[Any, Any, Tensor]:
    """A small VAE of binarised digits, its encoder, and some rows."""
    x = load("digits").x
    shared: dict[str, Any] = {"likelihood": "bernoulli", "batch_size": 100, "random_state": SEED, "device": "cpu"}
    vae = VAE(**shared, learning_rate=5e-3, binarize="threshold", patience=None, **options).fit(x)
    return vae.model_, vae.posterior_, vae._seen(x[:ROWS])[1]


def independent(family: Any) -> Family:
    """Its distributions over the whole of z."""
    return lambda raw: Independent(family(raw), 1, validate_args=False)


def coin_case() -> Case:
    """8 binary latents."""
    options = {"n_latent": 8, "posterior": "bernoulli", "gradient": "enumeration", "hidden": (), "max_epochs": 3}
    model, q, x = fitted(**options)
    raw = q.encoder.network(model.standardise(x)).detach().reshape(len(x), 1, 8)
    codes = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 8)

    def nodes(q: Any, pairs: bool) -> tuple[Tensor, Tensor]:
        z = codes.unsqueeze(1).expand(-1, len(q.mean), -1).reshape(len(codes), *q.mean.shape)
        return z, q.log_prob(z).exp()

    return Case(model, independent(Bernoulli((8,))), raw, x, nodes)


def normal_case() -> Case:
    """2 normal latents; 200 nodes along each, 64 where pairs are summed: the network has kinks."""
    model, q, x = fitted(n_latent=2, hidden=(32,), max_epochs=5)
    raw = q.encoder.network(model.standardise(x)).detach().reshape(len(x), 2, 2)

    def nodes(q: Any, pairs: bool) -> tuple[Tensor, Tensor]:
        one = torch.linspace(-5, 5, 64 if pairs else 200, dtype=torch.float64)
        noise = torch.cartesian_prod(one, one).unsqueeze(1)
        weight = torch.exp(-noise.square().sum(-1) / 2).expand(-1, len(q.mean))
        return q.mean + q.stddev * noise, weight / weight.sum(0)

    return Case(model, independent(NormalFamily((2,), scale="network")), raw, x, nodes)


# --- the exact gradient ----------------------------------------------------------------------------------------------


def exact_bound(case: Case, raw: Tensor, x: Tensor, order: float | None) -> Tensor:
    """E_q[log w], or E log mean(w^p)^(1/p) over pairs of draws, p = 1 - `order`; of each row."""
    q = case.family(raw)
    z, weight = case.nodes(q, order is not None)
    log_weight = case.model.log_joint(x, z) - q.log_prob(z)
    if order is None:
        return (weight * log_weight).sum(0)
    power = 1 - order
    pair = torch.logaddexp(power * log_weight.unsqueeze(0), power * log_weight.unsqueeze(1)) - log(2)
    return torch.einsum("ir,jr,ijr->r", weight, weight, pair) / power


def exact_gradient(case: Case, order: float | None = None) -> Tensor:
    """By the raw numbers, `(rows, raw numbers)`; row by row, for the pairs are many."""
    found = []
    for raw, x in zip(case.raw.split(1), case.x.split(1)):
        raw = raw.double().requires_grad_()
        found.append(torch.autograd.grad(exact_bound(case, raw, x, order).sum(), raw)[0].flatten(1))
    return torch.cat(found)


# --- the estimates ---------------------------------------------------------------------------------------------------


def estimates(model: Any, family: Family, raw: Tensor, x: Tensor, bound: Any, repeats: int = REPEATS) -> Tensor:
    """`(repeats, rows, raw numbers)` gradients, each row's repeats independent; learnt baselines are fitted first."""
    rows, n = len(x), raw[0].numel()
    many = x.repeat(repeats, 1)
    batch = Batch(many, torch.arange(len(many)))
    auxiliaries = auxiliaries_of(bound, model)
    more = () if auxiliaries is None else (auxiliaries.double(),)
    for module in more:
        settle(module, model, family, raw, x, bound)
    each = raw.repeat(repeats, *[1] * (raw.ndim - 1)).requires_grad_()
    bound(model, lambda *_: family(each), batch, *more).surrogate.sum().backward()
    assert each.grad is not None
    return each.grad.reshape(repeats, rows, n)


def settle(auxiliaries: nn.Module, model: Any, family: Family, raw: Tensor, x: Tensor, bound: Any) -> None:
    """300 steps of a learnt baseline on these rows."""
    parameters = list(auxiliaries.parameters())
    optimizer = torch.optim.Adam(parameters, 0.01) if parameters else None
    for _ in range(300):
        terms = bound(model, lambda *_: family(raw), Batch(x, torch.arange(len(x))), auxiliaries)
        if optimizer is not None:
            optimizer.zero_grad()
            (-terms.surrogate.mean()).backward()
            optimizer.step()


def price(found: Tensor, exact: Tensor) -> tuple[float, float, float]:
    """Bias and its noise floor, as shares of the exact gradient's length, and the variance in units of its square."""
    length = exact.square().sum().sqrt()
    variance = found.var(0).sum()
    floor = torch.sqrt(variance / len(found)) / length
    bias = torch.sqrt((found.mean(0) - exact).square().sum()) / length
    return float(bias), float(floor), float(variance / length**2)


def priced(case: Case, bounds: dict[str, Any], exact: Tensor, family: Family | None = None) -> list[Priced]:
    """A row for each of these bounds."""
    q = case.family if family is None else family
    return [(name, *price(estimates(case.model, q, case.raw, case.x, bound), exact)) for name, bound in bounds.items()]


# --- what is measured ------------------------------------------------------------------------------------------------


def coins() -> list[Priced]:
    """The ELBO, 8 binary latents."""
    case, q = coin_case(), (8,)
    exact = exact_gradient(case)
    names = ("score", "moving-average", "nvil", "leave-one-out", "arm", "disarm")
    out = priced(case, {name: Elbo(2, gradient=name) for name in names}, exact)
    through = {"straight-through": Elbo(2, gradient="straight-through")}
    out += priced(case, through, exact, independent(StraightThroughBernoulli(q)))
    case.model.prior_module = FamilyPrior(RelaxedBernoulli(q)).double()  # a relaxed q needs a relaxed prior
    return out + priced(case, {"relaxed": Elbo(2, gradient="relaxed")}, exact, independent(RelaxedBernoulli(q)))


def normals() -> list[Priced]:
    """The ELBO, 2 normal latents."""
    case = normal_case()
    bounds = {
        "pathwise": Elbo(2),
        "pathwise, drawn KL": Elbo(2, kl="monte-carlo"),
        "sticking-the-landing": Elbo(2, gradient="sticking-the-landing"),
        **{name: Elbo(2, gradient=name) for name in ("score", "moving-average", "nvil", "leave-one-out")},
    }
    return priced(case, bounds, exact_gradient(case))


def many(case: Case, *more: str) -> list[Priced]:
    """The importance-weighted bound and Renyi's of order 1/2, both of two draws."""
    names = ("score", "moving-average", "nvil", "vimco", *more)
    weighted = {name: ImportanceWeighted(2, gradient=name) for name in names}
    renyi = {f"{name}, Renyi 1/2": Renyi(2, alpha=0.5, gradient=name) for name in names}
    return priced(case, weighted, exact_gradient(case, 0.0)) + priced(case, renyi, exact_gradient(case, 0.5))


def coins_many() -> list[Priced]:
    """Of two draws, 8 binary latents."""
    return many(coin_case())


def normals_many() -> list[Priced]:
    """Of two draws, 2 normal latents."""
    return many(normal_case(), "pathwise", "dreg")
