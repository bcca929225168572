"""Is it hill climbing? Exact log p(x) in the history: of any learner, right, and without moving the run."""

import numpy as np
import pytest
import torch

import latentia
from latentia import families
from latentia.conditional import Conditional
from latentia.learn import SVI, AmortizedVI, ExactEM, Learner, MonteCarloEM, ReweightedWakeSleep
from latentia.learn.exact_history import exact_log_prob
from latentia.models import FactorAnalysis, GaussianMixture
from latentia.networks import MLP
from latentia.posteriors import Amortized, Exact, Local

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 2)) @ RNG.normal(size=(2, 5)) + 0.4 * RNG.normal(size=(150, 5))


def encoder() -> Amortized:
    torch.manual_seed(0)
    return Amortized(Conditional(MLP(5, 4, (8,)), families.Normal((2,)), (5,), joint=True))


LEARNERS = {
    "exact-em": lambda: ExactEM(tol=0.0),
    "amortized": lambda: AmortizedVI(encoder(), learning_rate=0.02),
    "amortized, q exact": lambda: AmortizedVI(Exact(), learning_rate=0.02),
    "svi": lambda: SVI(Local(families.Normal((2,))), learning_rate=0.02),
    "reweighted": lambda: ReweightedWakeSleep(encoder(), learning_rate=0.02),
    "monte-carlo-em": lambda: MonteCarloEM(Exact(), learning_rate=0.02),
}


def history(learner: Learner, epochs: int = 6) -> tuple[list[float], list[float], FactorAnalysis]:
    torch.manual_seed(1)
    model = FactorAnalysis(5, 2)
    fit = latentia.fit(model, learner, X, max_epochs=epochs, batch_size=50, seed=0, device="cpu")
    return [row["log_prob"] for row in fit.history], [row["bound"] for row in fit.history], model


@pytest.mark.parametrize("name", LEARNERS)
def test_the_last_one_is_that_of_the_model(name: str) -> None:
    exact, _, model = history(LEARNERS[name]())
    assert exact[-1] == pytest.approx(float(model.double().log_prob(torch.from_numpy(X)).detach().mean()), abs=1e-4)


def test_em_climbs_it_and_aevb_does_not_always() -> None:
    rises = np.diff(history(ExactEM(tol=0.0), 40)[0])
    assert (rises >= -1e-9).all()
    exact, bound, _ = history(AmortizedVI(encoder(), learning_rate=0.05), 40)
    assert (np.diff(exact) < -1e-4).any()  # log p(x) falls in some epochs, while the bound rises on the whole
    assert bound[-1] > bound[0]
    assert all(e > b for e, b in zip(exact, bound))


def test_looking_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = history(AmortizedVI(encoder()))[1]
    monkeypatch.setattr("latentia.learn.exact_history.CELLS", 0)
    learner = AmortizedVI(encoder())
    torch.manual_seed(1)
    model = FactorAnalysis(5, 2)
    fit = latentia.fit(model, learner, X, max_epochs=6, batch_size=50, seed=0, device="cpu")
    assert [row["bound"] for row in fit.history] == with_it
    assert "log_prob" not in fit.history[-1]


def test_weights_and_noise_of_a_transform() -> None:
    from latentia.batch import TensorBatches

    x, weight = torch.from_numpy(X), torch.from_numpy(RNG.random(150))
    model = GaussianMixture(5, 2).double()
    rows = TensorBatches(
        x, batch_size=40, weight=weight, dtype=torch.float64, transform=lambda x, _: x + torch.randn_like(x)
    )
    before = torch.get_rng_state()
    found = [exact_log_prob(model, rows, seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert torch.equal(before, torch.get_rng_state())
    plain = exact_log_prob(model, TensorBatches(x, weight=weight, dtype=torch.float64), 0)
    assert plain == pytest.approx(float(((model.log_prob(x) * weight).sum() / weight.sum()).detach()))
