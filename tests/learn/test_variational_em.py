"""Coordinate ascent: the bound never falls, is that of the parameters as they stand, and goes on with the same bits."""

import numpy as np
import pytest
import torch

import latentia
from latentia.batch import TensorBatches
from latentia.errors import AbilityError, DataError, ParameterError
from latentia.learn import AmortizedVI, ExactEM, VariationalEM
from latentia.learn.base import State
from latentia.models import (
    BayesianGaussianMixture,
    FactorAnalysis,
    GaussianMixture,
    NormalWishartMixture,
)
from latentia.posteriors import Exact, MeanField


def batches(x, **options):
    return TensorBatches(torch.as_tensor(x), **{"batch_size": 1000, "dtype": torch.float64, **options})


def learner_of(model, **options):
    return VariationalEM(MeanField(model.prior_globals()), **options)


def run(learner, model, data, steps=10_000):
    state, infos = learner.init(model, data), []
    while len(infos) < steps and not (infos and infos[-1].done):
        state, info = learner.step(model, data, state)
        infos.append(info)
    return infos


# --- it never falls ------------------------------------------------------------------------------------------------


def random_problem(seed):
    """Rows in few or many clusters, in units far apart, with repeats, offsets, heavy tails, weights."""
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.integers(2, 60)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    x = rng.normal(size=(n, d)) + 10 ** rng.uniform(-1, 1) * rng.normal(size=(k, d))[rng.integers(0, k, n)]
    kind = seed % 5
    if kind == 1:
        x = np.round(x)
    if kind == 2:
        x = x * 10.0 ** rng.uniform(-4, 4, size=d)
    if kind == 3:
        x = x + 10.0 ** rng.uniform(0, 5)
    if kind == 4:
        x = x + rng.standard_t(1.5, size=(n, d))
    weight = torch.tensor(rng.integers(0, 4, n)) if seed % 3 == 0 else None
    if weight is not None and weight.sum() == 0:
        weight = None
    return x, weight, rng


def random_model(d, rng):
    k = int(rng.integers(1, 6))
    if rng.random() < 0.5:
        scale = 10.0 ** rng.uniform(-2, 2)
        return BayesianGaussianMixture(d, k, prior_scale=scale, learn_prior=bool(rng.integers(2)))
    concentration, precision = 10.0 ** rng.uniform(-3, 1, size=2)
    dof = d - 1 + 10.0 ** rng.uniform(-1, 1)
    return NormalWishartMixture(d, k, concentration=concentration, mean_precision=precision, dof=dof)


def worst_fall(seed, passes):
    """The largest fall of the bound from pass to pass, as a share of its size."""
    x, weight, rng = random_problem(seed)
    model = random_model(x.shape[1], rng)
    data = batches(x, batch_size=int(rng.integers(1, 80)), weight=weight)
    start = ("k-means", "random")[seed % 2]
    bounds = [
        float(info.bound) for info in run(learner_of(model, tol=0.0, start=start, seed=seed), model, data, passes)
    ]
    falls = -np.diff(bounds)
    return float((falls / (1 + np.abs(bounds[:-1]))).max(initial=0.0))


def test_the_bound_never_falls_over_500_random_problems():
    assert max(worst_fall(seed, 12) for seed in range(500)) < 1e-10


@pytest.mark.slow
def test_the_bound_never_falls_over_1500_more_random_problems():
    assert max(worst_fall(seed, 60) for seed in range(500, 2000)) < 1e-10


# --- against dumber answers ----------------------------------------------------------------------------------------


def test_against_coordinate_ascent_written_out():
    """One dimension, two components, Python loops: the updates of the review's section 3.1."""
    x, sigma = np.array([-4.0, -3.5, 0.2, 3.0, 4.1]), 2.0
    model = BayesianGaussianMixture(1, 2, prior_scale=sigma)
    learner = learner_of(model, start="current")
    start = {"loc": torch.tensor([[-1.0], [0.5]]), "scale": torch.tensor([1.0, 0.3])}
    learner.posterior.move(start)
    m, s2 = np.array([-1.0, 0.5]), np.array([1.0, 0.09])
    data = batches(x.reshape(-1, 1))
    state = learner.init(model, data)
    for _ in range(6):
        state, _ = learner.step(model, data, state)
    for _ in range(5):
        r = np.array([[np.exp(xi * m[k] - (m[k] ** 2 + s2[k]) / 2) for k in range(2)] for xi in x])
        r /= r.sum(1, keepdims=True)
        s2 = np.array([1 / (1 / sigma**2 + sum(r[i][k] for i in range(5))) for k in range(2)])
        m = np.array([s2[k] * sum(r[i][k] * x[i] for i in range(5)) for k in range(2)])
    np.testing.assert_allclose(learner.posterior.theta["loc"].flatten(), m)
    np.testing.assert_allclose(learner.posterior.theta["scale"].square(), s2)


def test_batches_and_weights_change_nothing():
    rng = np.random.default_rng(0)
    x, count = rng.normal(size=(30, 2)) * 3, rng.integers(0, 3, 30)
    finals = []
    for data in (
        batches(x, weight=torch.tensor(count)),
        batches(x, weight=torch.tensor(count), batch_size=7),
        batches(np.repeat(x, count, axis=0)),
    ):
        model = NormalWishartMixture(2, 3)
        finals.append(float(run(learner_of(model, tol=0.0, max_iter=20), model, data)[-1].bound))
    assert finals[1] == pytest.approx(finals[0], abs=1e-10)
    assert finals[2] == pytest.approx(finals[0], abs=1e-10)


def test_a_finite_latent_of_independent_rows_is_exact_em():
    x = np.random.default_rng(1).normal(size=(60, 2))
    bounds = []
    for learner in (VariationalEM(tol=1e-9), ExactEM(tol=1e-9)):
        bounds.append([float(info.bound) for info in run(learner, GaussianMixture(2, 2), batches(x))])
    assert bounds[0] == bounds[1]


def test_the_best_of_several_starts_is_kept():
    x = np.concatenate([np.random.default_rng(k).normal(6 * k, 1, size=(15, 1)) for k in range(4)])
    single = []
    for seed in range(5):
        model = BayesianGaussianMixture(1, 4, prior_scale=10.0)
        single.append(float(run(learner_of(model, start="random", seed=seed), model, batches(x))[-1].bound))
    model = BayesianGaussianMixture(1, 4, prior_scale=10.0)
    learner = learner_of(model, start="random", n_starts=5)
    last = run(learner, model, batches(x))[-1]
    assert float(last.bound) == pytest.approx(max(single), abs=1e-12)
    again = run(VariationalEM(learner.posterior, start="current", max_iter=1), model, batches(x))[0]
    assert float(again.bound) == pytest.approx(float(last.bound), abs=1e-9)
    assert "of 5 was the best" in last.status


# --- the loop's promises -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 3, 9])
def test_a_run_that_was_cut_ends_with_the_same_bits(cut):
    x = np.random.default_rng(2).normal(size=(40, 2)) * 2

    def make():
        model = NormalWishartMixture(2, 3)
        return model, learner_of(model, n_starts=2, start="random", tol=1e-5)

    model, learner = make()
    whole = run(learner, model, batches(x))
    model, learner = make()
    data = batches(x)
    state = learner.init(model, data)
    for _ in range(cut):
        state, _ = learner.step(model, data, state)
    saved = learner.snapshot(state)
    saved = State(saved.step, {k: v.clone() for k, v in saved.tensors.items()}, dict(saved.numbers))
    weights = [module.state_dict() for module in (model, learner.posterior)]
    model, learner = make()
    state = learner.init(model, data)
    for module, values in zip((model, learner.posterior), weights):
        module.load_state_dict(values)
    state, info = learner.restore(state, saved), None
    while info is None or not info.done:
        state, info = learner.step(model, data, state)
    assert float(info.bound) == float(whole[-1].bound)
    assert state.step == len(whole)


def test_through_the_loop_with_held_out_rows():
    x = np.random.default_rng(3).normal(size=(80, 1)) * 3
    model = BayesianGaussianMixture(1, 2, prior_scale=3.0)
    learner = learner_of(model)
    fit = latentia.fit(model, learner, x[:60], validation=x[60:], max_epochs=30)
    train = [row for row in fit.history if row["split"] == "train"]
    assert train[-1]["bound"] == pytest.approx(
        sum(train[-1][n] for n in ("reconstruction", "shared")) - train[-1]["kl"]
    )
    held_out = [row for row in fit.history if row["split"] == "validation"]
    assert held_out[-1]["bound"] <= float(model.log_predictive(torch.tensor(x[60:]), learner.posterior.theta).mean())
    assert "Converged" in fit.status


# --- what is refused -----------------------------------------------------------------------------------------------


def test_other_learners_refuse_and_name_it():
    model = BayesianGaussianMixture(1, 2)
    for learner in (AmortizedVI(Exact()), ExactEM()):
        with pytest.raises(AbilityError, match=r"share latents. Use learn\.VariationalEM"):
            learner.check(model)


def test_it_refuses_what_it_cannot_learn():
    with pytest.raises(AbilityError, match="Use ExactEM, or AmortizedVI"):
        VariationalEM().check(FactorAnalysis(3, 1))
    with pytest.raises(AbilityError, match="MeanField"):
        VariationalEM().check(BayesianGaussianMixture(1, 2))
    with pytest.raises(ParameterError, match="closed-form"):
        VariationalEM(start="closed-form")


def test_weights_that_sum_to_nothing_are_refused():
    model = NormalWishartMixture(1, 2)
    with pytest.raises(DataError, match="weights sum to zero"):
        learner_of(model).init(model, batches(np.ones((3, 1)), weight=torch.zeros(3)))
