"""Cures of collapse: each price against Python loops and finite differences, each guarantee measured, all of them reached."""

import json
from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch.distributions import HalfNormal, Independent, MultivariateNormal, Normal

import latentia
from latentia import VAE
from latentia.batch import Batch
from latentia.bounds import Elbo, ImportanceWeighted, Terms
from latentia.bounds.units import unit_kl
from latentia.cli import main
from latentia.conditional import Conditional
from latentia.distributions import kl
from latentia.errors import AbilityError, ParameterError
from latentia.estimators.cures import largest_scale
from latentia.families import Bernoulli
from latentia.families import Normal as NormalFamily
from latentia.learn import Objective
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP, ConvDecoder, NormalisedMean, SkipMLP
from latentia.posteriors import Amortized

ROWS = np.random.default_rng(0).normal(size=(192, 2)) @ np.random.default_rng(1).normal(size=(2, 5))
TINY = {"n_latent": 4, "hidden": (8,), "max_epochs": 3, "device": "cpu", "random_state": 0, "batch_size": 32}
CURES = {
    "linear": {"kl_warm_up": 7},
    "sigmoid": {"kl_warm_up": 7, "kl_annealing": "sigmoid"},
    "cyclical": {"kl_warm_up": 12, "kl_annealing": "cyclical", "kl_cycles": 3},
    "beta": {"kl_weight": 0.5},
    "free bits of units": {"free_bits": 0.4},
    "free bits of groups": {"free_bits": 0.7, "free_bits_group": 3},
    "free bits of all": {"free_bits": 1.0, "free_bits_group": 0},
    "target rate": {"target_rate": 2.0, "kl_weight": 3.0},
    "committed rate": {"committed_rate": 1.5},
    "batch norm": {"batch_norm_mean": 0.6},
    "skip": {"skip": True},
}

# --- the price of the KL -------------------------------------------------------------------------------------------


def problem(seed, n=6, units=5, weights=True):
    rng = np.random.default_rng(seed)
    each = torch.tensor(rng.gamma(0.5, 1.0, size=(n, units)), requires_grad=True)
    surrogate = torch.tensor(rng.normal(size=n))
    weight = torch.tensor(rng.integers(0, 4, n) + 0.5) if weights else None
    terms = Terms(surrogate, surrogate, {"kl": each.sum(1)}, units=lambda: each)
    return terms, Batch(torch.zeros(n, 1), torch.arange(n), weight=weight), each


def price_by_loops(objective, each, weight):
    means = [sum(w * row[u] for w, row in zip(weight, each)) / sum(weight) for u in range(each.shape[1])]
    if objective.target_rate is not None:
        return abs(sum(means) - objective.target_rate)
    size = objective.group or len(means)
    groups = [sum(means[i : i + size]) for i in range(0, len(means), size)]
    return sum(max(objective.free_bits, group) for group in groups)


PRICED = [
    Objective(free_bits=0.4),
    Objective(free_bits=0.9, group=2),
    Objective(free_bits=1.7, group=0, kl_weight=0.3),
    Objective(target_rate=0.8),
    Objective(target_rate=9.0, kl_weight=2.0),
]


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("objective", PRICED, ids=str)
def test_the_loss_is_that_of_loops(objective, weights):
    for seed in range(5):
        terms, batch, each = problem(seed, weights=weights)
        weight = np.ones(6) if batch.weight is None else batch.weight.numpy()
        loss = objective(terms, batch, torch.tensor(objective.kl_weight), 1.3)
        price = price_by_loops(objective, each.detach().numpy(), weight)
        rows = terms.surrogate.numpy() + each.detach().numpy().sum(1) - objective.kl_weight * price
        assert loss.item() == pytest.approx(-(weight * rows).sum() / (6 * 1.3))


@pytest.mark.parametrize("objective", PRICED, ids=str)
def test_the_gradient_is_that_of_finite_differences(objective):
    terms, batch, each = problem(3)

    def loss(values):
        now = Terms(terms.value, terms.surrogate, {"kl": values.sum(1)}, units=lambda: values)
        return objective(now, batch, torch.tensor(objective.kl_weight), 1.0)

    assert torch.autograd.gradcheck(loss, (each,), eps=1e-6, atol=1e-6)


def test_a_unit_with_free_bits_left_has_no_gradient_and_one_without_has_all():
    terms, batch, each = problem(0, weights=False)
    loss = Objective(free_bits=0.5)(terms, batch, torch.tensor(1.0), 1.0)
    gradient = torch.autograd.grad(loss, each)[0]
    free = each.mean(0) < 0.5
    assert 0 < free.sum() < 5
    # kl enters the surrogate of an ELBO with -1; here the surrogate is a constant, so that + kl remains where it is free
    assert torch.allclose(gradient, torch.where(free, -1 / 6, 0.0).double().expand_as(each))


def test_plain_objectives_are_as_they_were():
    terms, batch, each = problem(1)
    assert Objective()(terms, batch, torch.tensor(1.0), 1.0) == -batch.weighted_sum(terms.surrogate) / 6
    half = Objective(kl_weight=0.5)(terms, batch, torch.tensor(0.5), 1.0)
    assert torch.allclose(half, -batch.weighted_sum(terms.surrogate + 0.5 * each.sum(1)) / 6)


# --- annealing -----------------------------------------------------------------------------------------------------


def test_annealing_by_the_papers_formulas():
    steps, total = np.arange(300), 240
    sigmoid = [1 / (1 + exp(-12 * (t / total - 0.5))) if t < total else 1.0 for t in steps]
    tau = (steps % (total / 4)) / (total / 4)
    cyclical = np.where(steps < total, np.minimum(tau / 0.5, 1.0), 1.0)
    for annealing, wanted in (("sigmoid", sigmoid), ("cyclical", cyclical), ("linear", np.minimum(1, steps / total))):
        objective = Objective(warm_up=total, annealing=annealing)
        np.testing.assert_allclose([objective.weight_at(int(t)) for t in steps], wanted, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["linear", "sigmoid", "cyclical"]),
    st.integers(0, 1000),
    st.integers(1, 9),
    st.floats(0, 10),
    st.integers(0, 2000),
)
def test_a_weight_lies_between_nothing_and_all_and_ends_at_all(annealing, warm_up, cycles, weight, step):
    objective = Objective(weight, warm_up, annealing, cycles)
    assert 0 <= objective.weight_at(step) <= weight
    assert objective.weight_at(warm_up + step) == weight


def test_the_status_says_what_was_learnt_instead_of_the_bound():
    assert "warm-up had not finished" in Objective(warm_up=10, annealing="cyclical").status(9)
    assert "Each unit had 0.5 nats free, which is no bound" in Objective(free_bits=0.5).status(9)
    assert "All units together had 2 nats free" in Objective(free_bits=2.0, group=0).status(9)
    assert "drawn to 3 nats" in Objective(target_rate=3.0).status(9)
    assert Objective().status(9) == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"annealing": "cosine"}, "annealing='cosine' is not known"),
        ({"cycles": 0}, "cycles=0"),
        ({"free_bits": -1.0}, "free_bits=-1.0"),
        ({"group": -1}, "group=-1"),
        ({"target_rate": float("inf")}, "target_rate=inf"),
        ({"free_bits": 1.0, "target_rate": 1.0}, "Use one of them"),
    ],
)
def test_what_cannot_be_used_is_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        Objective(**options)


def test_what_has_no_kl_of_units_is_refused():
    with pytest.raises(AbilityError, match=r"Use bounds\.Elbo"):
        Objective(free_bits=1.0).check(ImportanceWeighted(5))
    p = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    for q in (MultivariateNormal(torch.zeros(3, 2), torch.eye(2)), Independent(HalfNormal(torch.ones(3, 2)), 1)):
        with pytest.raises(AbilityError, match="group=0"):
            unit_kl(q, p)
    with pytest.raises(AbilityError, match="Use one process"):
        Objective(free_bits=1.0).refuse_shares(True)


def test_unit_kl_sums_to_the_kl_by_an_elbo():
    torch.manual_seed(0)
    model = LatentVariableModel(StandardNormal(3), Conditional(MLP(3, 4, (5,)), Bernoulli((4,)), (3,)))
    posterior = Amortized(Conditional(MLP(4, 6, (5,)), NormalFamily((3,)), (4,), joint=True))
    terms = Elbo()(model, posterior, Batch(torch.rand(7, 4).round(), torch.arange(7)))
    assert terms.units is not None
    each = terms.units()
    assert each.shape == (7, 3)
    assert torch.allclose(each.sum(1), terms.parts["kl"])
    q, p = Normal(torch.tensor([[0.3]]), torch.tensor([[0.5]])), Normal(torch.zeros(1), torch.ones(1))
    assert torch.allclose(unit_kl(Independent(q, 1), Independent(p, 1)), kl(Independent(q, 1), Independent(p, 1)))


# --- committed rate, batch norm, skip ------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-4, 0.1, 1.0, 8.0])
def test_the_largest_scale_is_the_root(rate):
    root = brentq(lambda s: (s**2 - 1) / 2 - log(s) - rate, 1e-8, 1.0)
    assert largest_scale(rate) == pytest.approx(root, rel=1e-6)


def test_no_row_falls_below_the_committed_rate_whatever_the_encoder_says():
    family = NormalFamily((4,), ceiling=largest_scale(2.0 / 4))
    raw = torch.cat([torch.zeros(2000, 1, 4), 30 * torch.randn(2000, 1, 4)], 1)
    q = Independent(family(raw), 1)
    p = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
    assert kl(q, p).min() >= 2.0 - 1e-5
    assert family(raw).scale.max() <= family.ceiling * (1 + 1e-6)


def test_the_committed_rate_holds_after_learning_on_noise():
    """Pure noise: without the commitment everything collapses."""
    x = np.random.default_rng(0).normal(size=(300, 3))
    fits = [VAE(**{**TINY, "max_epochs": 15}, committed_rate=rate).fit(x) for rate in (0.0, 1.5)]
    plain, committed = (fit.history_[-1]["kl"] for fit in fits)
    assert plain < 0.3
    assert committed >= 1.5


def test_normalised_means_have_their_spread_and_keep_the_kl_up():
    torch.manual_seed(0)
    network = NormalisedMean(torch.nn.Linear(3, 8), 4, 0.7)
    raw = network(torch.randn(500, 3) * 5 + 3)
    assert torch.allclose(raw[:, :4].std(0, correction=0), torch.full((4,), 0.7), atol=1e-3)
    assert torch.equal(raw[:, 4:], network.network(torch.zeros(0, 3))[:, 4:]) or raw.shape == (500, 8)
    q = Independent(Normal(raw[:, :4], torch.rand(500, 4) + 0.1), 1)
    p = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
    assert kl(q, p).mean() >= 4 * 0.7**2 / 2 - 1e-3
    assert torch.isfinite(network(torch.randn(1, 3))).all()  # a last batch of one row
    network.eval()
    one, two = torch.randn(1, 3), torch.randn(9, 3)
    assert torch.allclose(network(torch.cat([one, two]))[:1], network(one), atol=1e-6)


def test_collapse_on_noise_is_held_up_by_batch_norm():
    x = np.random.default_rng(0).normal(size=(300, 3))
    fit = VAE(**{**TINY, "max_epochs": 25}, batch_norm_mean=0.6).fit(x)
    assert fit.history_[-1]["kl"] > 0.9 * 4 * 0.36 / 2


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_with_skips_z_reaches_the_output_when_the_first_layer_is_cut(kind):
    def make(skip):
        torch.manual_seed(0)
        if kind == "mlp":
            return (SkipMLP if skip else MLP)(2, 16, (6, 5))
        return ConvDecoder(2, (4, 4), channels=(3, 5), n_hidden=6, skip=skip)

    for skip in (False, True):
        network = make(skip)
        first = network.layers[0] if kind == "mlp" else network.dense[0]
        torch.nn.init.zeros_(first.weight)
        z = torch.randn(2, 2)
        difference = (network(z)[0] - network(z)[1]).abs().max()
        assert (difference > 1e-4) == skip


def test_a_skip_layer_written_out():
    torch.manual_seed(0)
    network, z = SkipMLP(2, 3, (4, 5), "tanh"), torch.randn(7, 2)
    a, b, c = network.layers
    h = torch.tanh(z @ a.weight.T + a.bias)
    h = torch.tanh(h @ b.weight[:, :4].T + z @ b.weight[:, 4:].T + b.bias)
    assert torch.allclose(network(z), h @ c.weight[:, :5].T + z @ c.weight[:, 5:].T + c.bias, atol=1e-6)


# --- reach ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CURES)
def test_save_load_and_score(name, tmp_path):
    vae = VAE(**TINY, **CURES[name]).fit(ROWS)
    vae.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    np.testing.assert_array_equal(again.transform(ROWS), vae.transform(ROWS))
    assert np.isfinite(vae.score(ROWS, n_samples=8))


@pytest.mark.parametrize("name", ["free bits of groups", "target rate", "batch norm", "cyclical", "committed rate"])
def test_recorded_steps_give_the_same_bits(name):
    """More than 200 steps, after which a step is replayed from its recording."""
    options = {**TINY, "max_epochs": 50, "validation_fraction": 0.0, **CURES[name]}
    ways = [VAE(**options, execution=how).fit(ROWS) for how in ("eager", "auto")]
    assert ways[1].learner_.execution == "auto"
    assert all(torch.equal(a, b) for a, b in zip(ways[0].fit_.tensors().values(), ways[1].fit_.tensors().values()))


@pytest.mark.parametrize("name", ["committed rate", "batch norm"])
def test_guarantees_of_the_normal_are_refused_elsewhere(name):
    for other in ({"posterior": "laplace"}, {"prior": "vamp"}):
        with pytest.raises(AbilityError, match="free_bits"):
            VAE(**{**TINY, **CURES[name], **other}).fit(ROWS)


def test_the_command_line_reaches_every_cure(tmp_path, capsys):
    np.savetxt(tmp_path / "rows.csv", ROWS, delimiter=",", header="a,b,c,d,e", comments="")
    for number, options in enumerate(CURES.values()):
        words = []
        for key, value in options.items():
            words += [f"--{key.replace('_', '-')}", *([] if value is True else [str(value)])]
        out = tmp_path / f"run{number}"
        command = [
            "fit",
            str(tmp_path / "rows.csv"),
            "--out",
            str(out),
            "--max-epochs",
            "1",
            "--hidden",
            "4",
            "--no-report",
        ]
        assert main([*command, "--json", *words]) == 0
        capsys.readouterr()
        params = json.loads((out / "run.json").read_text())["params"]
        assert {key: params[key] for key in options} == options
