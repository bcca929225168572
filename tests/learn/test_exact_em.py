"""Exact EM: it never falls, ends where it says, keeps the best start, and goes on with the same bits."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from latentia.abilities import HasUpdate
from latentia.batch import TensorBatches
from latentia.conditional import Conditional
from latentia.errors import AbilityError, DataError, NonFiniteError, ParameterError
from latentia.families import Bernoulli
from latentia.learn.base import State
from latentia.learn.exact_em import ExactEM
from latentia.models import (
    CategoricalPrior,
    FactorAnalysis,
    FiniteLatentModel,
    GaussianMixture,
    LatentVariableModel,
    ProbabilisticPCA,
    StandardNormal,
)
from latentia.networks import OneHot

KINDS = ("full", "tied", "diag", "spherical")


def batches(x, **options):
    return TensorBatches(x, **{"batch_size": 1000, "dtype": torch.float64, **options})


def run(learner, model, data):
    """Every Info until the learner is done."""
    state, infos = learner.init(model, data), []
    while not infos or not infos[-1].done:
        state, info = learner.step(model, data, state)
        infos.append(info)
    return infos


def clusters(seed=0, n=120, d=2, k=3):
    rng = np.random.default_rng(seed)
    return torch.tensor(3 * rng.normal(size=(k, d))[np.arange(n) % k] + rng.normal(size=(n, d)))


# --- it never falls ------------------------------------------------------------------------------------------------


def random_problem(seed):
    """Data of low rank with noise, much or hardly any, in units apart by 16 powers of ten, rounded, or far-flung."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(5, 80)), int(rng.integers(1, 7))
    rank = int(rng.integers(1, d + 1))
    x = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d))
    kind = seed % 6
    noise = (1.0, 10.0 ** rng.uniform(-7, -1), 1.0, 1e-5, 0.5, 0.0)[kind]
    x = x + noise * rng.normal(size=(n, d))
    if kind in (2, 3):
        x = x * 10.0 ** rng.uniform(-8, 8, size=d)
    if kind == 3:
        x = x + 10.0 ** rng.uniform(-8, 6, size=d) * x.std(0)
    if kind == 4:
        x = np.round(x)
    if kind == 5:
        x = x + rng.standard_t(1.5, size=(n, d))
    weight = torch.tensor(rng.integers(0, 4, n)) if seed % 3 == 0 else None
    return torch.tensor(x), weight, rng


def random_model(d, rng):
    which, k = int(rng.integers(6)), int(rng.integers(1, 4))
    if which < 2:
        return (ProbabilisticPCA, FactorAnalysis)[which](d, k)
    return GaussianMixture(d, k, covariance=KINDS[which - 2], regulariser=float(rng.choice([0.0, 0.01, 1.0])))


def worst_fall(seed, passes):
    """The largest relative fall of the penalised log-likelihood, or None where the problem was refused in a sentence."""
    x, weight, rng = random_problem(seed)
    model = random_model(x.shape[1], rng)
    learner = ExactEM(max_iter=passes, start=str(rng.choice(["auto", "random"])), seed=seed)
    learner.tol = -np.inf  # look at every pass
    try:
        infos = run(learner, model, batches(x, weight=weight, batch_size=50))
    except (NonFiniteError, DataError):
        return None
    values = np.array([(info.bound + info.parts["penalty"]).item() for info in infos])
    return np.max((values[:-1] - values[1:]) / np.abs(values[1:]))


def check_problems(seeds, passes):
    falls = {seed: worst_fall(seed, passes) for seed in seeds}
    learnt = {seed: fall for seed, fall in falls.items() if fall is not None}
    assert {seed: fall for seed, fall in learnt.items() if fall > 1e-9} == {}
    assert len(learnt) > 0.9 * len(falls)


def test_the_penalised_likelihood_never_falls_over_500_random_problems():
    check_problems(range(500), 20)


@pytest.mark.slow
def test_the_penalised_likelihood_never_falls_over_2000_random_problems():
    check_problems(range(1000, 3000), 60)


# --- where it ends -------------------------------------------------------------------------------------------------

CASES = [
    (lambda: ProbabilisticPCA(2, 1), {}),
    (lambda: FactorAnalysis(2, 1), {"start": "random"}),
    (lambda: GaussianMixture(2, 3), {"n_starts": 4, "start": "random"}),
    (lambda: GaussianMixture(2, 3, covariance="tied"), {"max_iter": 3}),
    (lambda: GaussianMixture(2, 3, covariance="diag"), {"max_iter": 3, "n_starts": 3, "start": "k-means"}),
]


@pytest.mark.parametrize(("make", "options"), CASES)
def test_every_reported_bound_is_that_of_the_parameters_as_they_stand(make, options):
    x, model, learner = clusters(), make(), ExactEM(**options)
    data = batches(x)
    state, info = learner.init(model, data), None
    while info is None or not info.done:
        state, info = learner.step(model, data, state)
        if info.done or info.parts["penalty"] == model.log_penalty() / len(x):
            assert info.bound.item() == pytest.approx(model.log_prob(x).mean().item(), rel=1e-12)
            assert info.parts["penalty"] == model.log_penalty() / len(x)
    assert info.weight == len(x)
    assert info.rows == len(x)


def test_it_stops_when_a_pass_gains_less_than_tol_and_says_so():
    infos = run(ExactEM(tol=1e-3), GaussianMixture(2, 3), batches(clusters()))
    values = np.array([(i.bound + i.parts["penalty"]).item() for i in infos])
    assert np.all(np.diff(values)[:-1] >= 1e-3)
    assert np.diff(values)[-1] < 1e-3
    assert infos[-1].status == f"Converged in {len(infos)} passes: the bound rose by less than 0.001 nats per row."


def test_it_stops_at_max_iter_and_says_so():
    infos = run(ExactEM(tol=0, max_iter=4, start="random"), GaussianMixture(2, 3), batches(clusters()))
    assert len(infos) == 4
    assert "Stopped after max_iter=4 passes, the last of which raised the bound by" in infos[-1].status


def test_the_closed_form_is_where_em_stays():
    infos = run(ExactEM(start="closed-form"), ProbabilisticPCA(2, 1), batches(clusters()))
    assert len(infos) == 2
    assert infos[1].bound.item() == pytest.approx(infos[0].bound.item(), rel=1e-12)


def test_a_warm_start_goes_on_from_the_parameters_as_they_are():
    x, model = clusters(), GaussianMixture(2, 3)
    first = run(ExactEM(start="random", max_iter=3), model, batches(x))[-1]
    again = run(ExactEM(start="current", max_iter=3), model, batches(x))
    assert again[0].bound == first.bound
    assert again[-1].bound > first.bound


def test_the_best_of_several_starts_is_kept():
    x = clusters(k=5, seed=3)
    alone = [run(ExactEM(start="random", seed=s), GaussianMixture(2, 5), batches(x))[-1] for s in range(6)]
    alone = [(info.bound + info.parts["penalty"]).item() for info in alone]
    model = GaussianMixture(2, 5)
    last = run(ExactEM(start="random", n_starts=6), model, batches(x))[-1]
    assert max(alone) - min(alone) > 0.01
    assert (last.bound + last.parts["penalty"]).item() == max(alone)
    assert f"Start {int(np.argmax(alone)) + 1} of 6 was the best." in last.status
    assert model.log_prob(x).sum().item() / len(x) == last.bound.item()


@pytest.mark.parametrize("make", [make for make, _ in CASES])
def test_batches_do_not_matter_and_weight_is_repetition(make):
    x = clusters()
    times = torch.arange(120) % 3
    ends = []
    for data in (
        batches(x, weight=times, batch_size=7),
        batches(x.repeat_interleave(times, 0), batch_size=16),
        batches(x[times > 0], weight=times[times > 0]),
    ):
        model = make()
        run(ExactEM(), model, data)
        ends.append(model.log_prob(x).detach())
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(ends[2], ends[0], rtol=1e-8, atol=1e-8)


# --- resuming ------------------------------------------------------------------------------------------------------


def bernoulli_mixture(seed=0, k=2, d=6):
    torch.manual_seed(seed)
    conditional = Conditional(OneHot(k, nn.Linear(k, d)), Bernoulli((d,)), ())
    return FiniteLatentModel(CategoricalPrior(k), conditional).double()


def saved(learner, model, data, state):
    """Everything through the copies that a checkpoint makes."""
    kept = learner.snapshot(state)
    tensors = {name: tensor.clone() for name, tensor in kept.tensors.items()}
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return weights, data.position, State(kept.step, tensors, dict(kept.numbers))


@pytest.mark.parametrize("stop", [1, 2, 5, 9, 14])
@pytest.mark.parametrize("make", [lambda: GaussianMixture(2, 3), lambda: bernoulli_mixture(d=2)])
def test_a_resumed_run_ends_with_the_same_bits(make, stop):
    x = (clusters() > 0).double() if isinstance(make(), FiniteLatentModel) else clusters()
    learner = ExactEM(start="random", n_starts=3, max_iter=5)
    size = 50
    model, data = make(), batches(x, batch_size=size)
    state, kept = learner.init(model, data), None
    for step in itertools.count(1):
        state, info = learner.step(model, data, state)
        if step == stop:
            kept = saved(learner, model, data, state)
        if info.done:
            break
    assert kept is not None
    weights, position, old = kept
    other, again = make(), batches(x, batch_size=size)
    state = learner.init(other, again)
    other.load_state_dict(weights)
    again.seek(position)
    state, info = learner.restore(state, old), None
    while info is None or not info.done:
        state, info = learner.step(other, again, state)
    for a, b in zip(model.parameters(), other.parameters()):
        assert torch.equal(a, b)


# --- a network for the likelihood ----------------------------------------------------------------------------------


def coins(n=400):
    generator = torch.Generator().manual_seed(0)
    truth = torch.tensor([[0.9] * 3 + [0.1] * 3, [0.2] * 3 + [0.8] * 3])
    return torch.bernoulli(truth[torch.arange(n) % 2], generator=generator).double(), truth


def test_a_gradient_step_with_the_posterior_held_is_one_up_log_prob():
    x, _ = coins()
    learner, model, direct = ExactEM(optimizer="sgd", learning_rate=0.5), bernoulli_mixture(), bernoulli_mixture()
    data, optimizer = batches(x), torch.optim.SGD(direct.parameters(), lr=0.5)
    state = learner.init(model, data)
    for _ in range(20):
        state, info = learner.step(model, data, state)
        optimizer.zero_grad()
        loss = -direct.log_prob(x).mean()
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(-info.bound.mean(), loss.detach(), rtol=1e-10, atol=1e-10)
    for a, b in zip(model.parameters(), direct.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_a_finite_mixture_with_a_network_finds_the_coins():
    x, truth = coins()
    model = bernoulli_mixture()
    last = run(ExactEM(max_iter=60, learning_rate=0.05), model, batches(x, batch_size=100))[-1]
    assert last.status == "Stopped after max_iter=60 passes."
    assert model.log_prob(x).mean() > _log_prob_of_coins(x, truth) - 1e-3  # at least the truth's, which was not learnt
    found = model.likelihood(torch.arange(2).unsqueeze(1)).mean.squeeze(1).detach()
    order = found[:, 0].argsort(descending=True)
    torch.testing.assert_close(found[order], truth.double(), rtol=0, atol=0.1)


def _log_prob_of_coins(x, truth):
    each = [torch.distributions.Bernoulli(p.double()).log_prob(x).sum(1) for p in truth]
    return (torch.logsumexp(torch.stack(each), 0) - np.log(2)).mean()


# --- refusals ------------------------------------------------------------------------------------------------------


def test_a_model_without_an_exact_posterior_is_refused_and_told_what_would_do():
    model = LatentVariableModel(StandardNormal(2), Conditional(nn.Linear(2, 6), Bernoulli((6,)), (2,)))
    with pytest.raises(AbilityError, match=r"exact EM needs a model that knows its exact posterior.*Use AmortizedVI"):
        ExactEM().check(model)
    assert not isinstance(bernoulli_mixture(), HasUpdate)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "middle"}, "auto, k-means, random, closed-form"),
        ({"tol": -1.0}, "tol=-1.0"),
        ({"tol": float("nan")}, "tol=nan"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"n_starts": 0}, "n_starts=0"),
        ({"n_starts": 2, "start": "current"}, "n_starts=2 cannot all begin at the current parameters"),
    ],
)
def test_settings_that_cannot_be_used_are_named(options, words):
    with pytest.raises(ParameterError, match=words):
        ExactEM(**options)


def test_a_likelihood_that_is_not_finite_stops_the_run():
    x = clusters()
    learner, model = ExactEM(), ProbabilisticPCA(2, 1)
    state = learner.init(model, batches(x))
    x[3, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="stopped being a finite number at step 1"):
        learner.step(model, batches(x), state)
