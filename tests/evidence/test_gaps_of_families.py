"""Gaps and refined proposals of a q of any family."""

from typing import Any

import pytest
import torch
from torch import nn

from latentia import evidence, families
from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.errors import AbilityError
from latentia.families import Family
from latentia.models import FamilyPrior, LatentVariableModel, ProbabilisticPCA
from latentia.networks import MLP, OneHot
from latentia.posteriors import Amortized, Exact, RefinedFamily

D, K = 4, 2


def linear() -> ProbabilisticPCA:
    torch.manual_seed(0)
    model = ProbabilisticPCA(D, K)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.6 * torch.randn_like(p))
    return model


def encoder(family: Family) -> Amortized:
    torch.manual_seed(1)
    return Amortized(Conditional(nn.Linear(D, family.n_outputs), family, (D,), joint=True)).double()


def other(family: Family, prior: Family) -> tuple[Any, Any]:
    """A model whose z is no vector of numbers without bounds, and an encoder of that kind."""
    torch.manual_seed(2)
    n = int(torch.Size(family.event_shape).numel())
    network: nn.Module = nn.Sequential(nn.Flatten(-1), MLP(n, 2 * D, (6,), "tanh"))
    if isinstance(family, families.Categorical):
        network = OneHot(4, nn.Sequential(nn.Flatten(-2), MLP(4 * n, 2 * D, (6,), "tanh")))
    p = Conditional(network, families.Normal((D,)), (n,))
    return LatentVariableModel(FamilyPrior(prior), p).double(), encoder(family)


REAL = {
    "full-normal": families.FullNormal((K,)),
    "laplace": families.Laplace((K,)),
    "student-t": families.StudentT((K,), df=8.0),
    "logistic": families.Logistic((K,)),
}


@pytest.mark.parametrize("name", REAL)
def test_the_gap_of_each_family_is_split(name: str) -> None:
    model = linear()
    x, q = model.sample(12), encoder(REAL[name])
    found = evidence.gaps(model, q, x, n_samples=2000, n_steps=300)
    parts = found.approximation.mean + found.amortisation.mean
    assert found.inference.mean == pytest.approx(parts, abs=1e-9)
    assert found.amortisation.mean > 0.05  # an encoder that learnt nothing
    assert found.approximation.mean > -5 * found.approximation.mc_error - 1e-3
    assert found.richer_approximation is not None
    assert found.richer_approximation.mean == pytest.approx(0.0, abs=0.02)  # the exact posterior is normal
    if name == "full-normal":
        assert found.approximation.mean == pytest.approx(0.0, abs=0.02)
    else:
        assert found.approximation.mean > 0.005


WITHOUT_MOMENTS = {
    "cauchy": (families.family("cauchy", (K,)), "full covariance"),
    "student-t": (
        families.family("student-t", (K,)),
        "full covariance",
    ),  # of some rows at most, by their degrees of freedom
}


@pytest.mark.parametrize("name", WITHOUT_MOMENTS)
def test_a_richer_family_does_not_hang_on_the_moments_of_single_rows(name: str) -> None:
    """Rows with a variance and rows without one, in pieces: every piece has the same estimates."""
    family, richer = WITHOUT_MOMENTS[name]
    model, q = linear(), encoder(family)
    x = model.sample(40)
    with torch.no_grad():
        q.encoder.network.weight.mul_(8)
    found = evidence.gaps(model, q, x, n_samples=50, n_steps=200, chunk=7)
    assert found.richer_family == richer
    assert found.richer is not None
    assert bool(torch.isfinite(found.richer.values).all())
    assert found.richer.mean > found.encoder.mean + 1  # weights eight times too large: far from where the steps end


BOUNDED = {
    "gamma": (families.family("gamma", (K,)), families.family("gamma", (K,))),
    "von-mises-fisher": (families.family("von-mises-fisher", (3,)), families.family("von-mises-fisher", (3,))),
    "bernoulli": (families.family("bernoulli", (K,)), families.family("bernoulli", (K,))),
    "many coins": (families.family("bernoulli", (9,)), families.family("bernoulli", (9,))),
    "groups of categories": (families.Categorical((3,), 4), families.Categorical((3,), 4)),
    "poisson": (families.family("poisson", (K,)), families.family("poisson", (K,))),
    "relaxed-categorical": (families.family("relaxed-categorical", (3,)), families.family("relaxed-categorical", (3,))),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_where_z_has_bounds_there_is_no_richer_family(name: str) -> None:
    model, q = other(*BOUNDED[name])
    x = model.sample(6)
    found = evidence.gaps(model, q, x, n_samples=400, n_steps=60)
    assert found.richer is None
    assert found.richer_approximation is None
    assert "richer_approximation" not in found.as_dict()["gaps"]
    assert found.amortisation.mean > -5 * found.amortisation.mc_error
    assert found.inference.mean == pytest.approx(found.approximation.mean + found.amortisation.mean, abs=1e-9)
    encoders = evidence.importance(model, q, x, n_samples=20_000)
    refined = evidence.importance(model, q, x, n_samples=4000, proposal="refined")
    assert abs(refined.mean - encoders.mean) < 5 * (refined.mc_error + encoders.mc_error) + 0.02


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_what_cannot_be_moved_is_refused() -> None:
    flow = encoder(families.family("coupling-flow", (K,)))
    for ask in (evidence.gaps, lambda *a: evidence.importance(*a, proposal="refined")):
        with pytest.raises(AbilityError, match="no raw numbers that could be moved"):
            ask(linear(), flow, linear().sample(3))
    with pytest.raises(AbilityError, match="has no encoder whose q could be moved"):
        evidence.gaps(linear(), Exact(), linear().sample(3))


def test_the_steps_begin_at_the_encoder() -> None:
    model, q = linear(), encoder(families.Laplace((K,)))
    x = model.sample(9)
    rows = Batch(x, torch.arange(9))
    still = RefinedFamily(q, n_steps=1, learning_rate=1e-9)(rows, model)
    assert torch.allclose(still.mean, q(rows, model).mean, atol=1e-6)
    assert float(q(rows, model).mean.detach().abs().max()) > 0.1
