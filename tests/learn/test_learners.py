"""The learners around the amortised step: cut anywhere and resumed they end with the same bits; what each promises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import latentia
from latentia import families
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo, ImportanceWeighted
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError
from latentia.fitted import Fit
from latentia.learn import (
    SVI,
    Aggressive,
    AmortizedVI,
    Learner,
    MonteCarloEM,
    Objective,
    ReweightedWakeSleep,
    Schedule,
    SemiAmortizedVI,
    WakeSleep,
)
from latentia.models import LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized, Exact, Local, Posterior

X = (np.random.default_rng(0).random((90, 6)) < 0.4).astype(np.float32)


def model() -> LatentVariableModel:
    torch.manual_seed(0)
    return LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 6, (8,)), families.Bernoulli((6,)), (2,)))


def encoder() -> Amortized:
    torch.manual_seed(1)
    return Amortized(Conditional(MLP(6, 4, (8,)), families.Normal((2,)), (6,), joint=True))


def local(n_steps: int = 20) -> Local:
    return Local(families.Normal((2,)), n_steps=n_steps)


LEARNERS: dict[str, Callable[..., Learner]] = {
    "svi": lambda **o: SVI(local(), row_steps=2, **o),
    "svi, objective": lambda **o: SVI(
        local(), objective=Objective(0.5, 7), schedule=Schedule("cosine", 24), gradient_clip=0.5, **o
    ),
    "semi-amortized": lambda **o: SemiAmortizedVI(encoder(), n_steps=2, **o),
    "semi-amortized, objective": lambda **o: SemiAmortizedVI(
        encoder(), n_steps=2, objective=Objective(0.5, 7, free_bits=0.1), **o
    ),
    "semi-amortized, held": lambda **o: SemiAmortizedVI(encoder(), n_steps=2, through=False, **o),
    "aggressive": lambda **o: Aggressive(encoder(), window=2, max_inner=5, mi_every=3, mi_rows=40, **o),
    "aggressive, warm-up": lambda **o: Aggressive(
        encoder(), window=2, max_inner=4, mi_every=1, mi_tolerance=9.0, mi_rows=40, objective=Objective(1.0, 17), **o
    ),
    "wake-sleep": lambda **o: WakeSleep(encoder(), **o),
    "reweighted": lambda **o: ReweightedWakeSleep(encoder(), n_samples=4, fit="both", **o),
    "importance": lambda **o: MonteCarloEM(encoder(), n_proposals=6, n_samples=2, **o),
    "hmc": lambda **o: MonteCarloEM(encoder(), sampler="hmc", n_samples=2, n_moves=2, n_leapfrog=2, **o),
}


def run(name: str, learner: dict[str, Any] | None = None, **options: Any) -> Fit:
    given = {"max_epochs": 4, "batch_size": 16, "seed": 3, "device": "cpu", "validation": X[:20], **options}
    return latentia.fit(model(), LEARNERS[name](**(learner or {})), X, **given)


def same_bits(a: Fit, b: Fit) -> bool:
    weights = all(torch.equal(x, y) for x, y in zip(a.tensors().values(), b.tensors().values()))
    timeless = [[{k: v for k, v in row.items() if "second" not in k} for row in f.history] for f in (a, b)]
    return weights and timeless[0] == timeless[1]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("cut", [7, 13])
def test_a_run_that_was_cut_and_resumed_ends_with_the_same_bits(name: str, cut: int, tmp_path: Path) -> None:
    whole = run(name)
    run(name, max_steps=cut, checkpoints=tmp_path)
    resumed = run(name, checkpoints=tmp_path, resume=True)
    assert same_bits(whole, resumed)
    assert whole.status.split(" The weights")[0] == resumed.status.split(" The weights")[0]


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "hmc"])
def test_a_recorded_step_gives_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.learn.gradient.RECORD_AFTER", 3)
    assert same_bits(run(name, {"execution": "eager"}), run(name, {"execution": "auto"}))


# --- tighten and improve, one at a time -------------------------------------------------------------------------------


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def moved(before: list[torch.Tensor], module: torch.nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters()))


def test_aggressive_moves_q_alone_then_p_alone_then_both() -> None:
    p, learner = model(), Aggressive(encoder(), window=3, max_inner=6, mi_every=2, mi_tolerance=9.0, mi_rows=30)
    batches = TensorBatches(torch.from_numpy(X), batch_size=16, seed=0)
    state, seen = learner.init(p, batches), ""
    for _ in range(40):
        before = weights(p), weights(learner.posterior)
        state, info = learner.step(p, batches, state)
        assert info.bound is not None
        assert info.rows == len(info.bound)
        seen += {(False, True): "q", (True, False): "p", (True, True): "b"}[
            moved(before[0], p), moved(before[1], learner.posterior)
        ]
    turns, plain = seen.split("b", 1)[0].split("p"), seen.split("b", 1)[1]
    assert set(plain) == {"b"}
    assert turns[-1] == ""
    assert len(turns) == 5  # twice two moves of p: the second measurement had not risen by 9 nats
    assert all(len(turn) % 3 == 0 for turn in turns[:-1])
    assert all(parameter.requires_grad for parameter in p.parameters())
    assert state.numbers["information"] <= state.numbers["ceiling"]


def test_an_inner_loop_that_never_stops_is_bounded_and_said() -> None:
    learner = Aggressive(encoder(), window=1, tolerance=-1e9, max_inner=3, mi_every=1000)
    fit = latentia.fit(model(), learner, X, max_steps=16, batch_size=16, device="cpu", seed=0)
    assert "each after 3.0 of q" in fit.status
    assert "In 4 of them q was still gaining after max_inner=3 steps" in fit.status
    assert "had not ended" in fit.status
    assert fit.history[-1]["aggressive"] == 1.0
    assert fit.history[-1]["inner_steps"] == 3.0


def test_the_kl_weight_of_an_aggressive_step_is_that_of_the_step() -> None:
    learner = Aggressive(encoder(), window=2, max_inner=4, objective=Objective(1.0, 10), mi_every=1, mi_tolerance=9.0)
    p, batches = model(), TensorBatches(torch.from_numpy(X), batch_size=16)
    state = learner.init(p, batches)
    for step in range(30):
        state, _ = learner.step(p, batches, state)
        used = {float(state.handles[side].handles["kl_weight"]) for side in ("q", "p", "both")}
        assert len(used) == 1
        assert used.pop() == pytest.approx(min(1.0, step / 10))
    assert not state.numbers["aggressive"]


def test_rows_keep_their_numbers_by_index() -> None:
    """A row's parameters after one epoch are those of its own steps, wherever it stood in the shuffled data."""
    p, learner = model(), SVI(local(), row_steps=3, learning_rate=1e-12)
    batches = TensorBatches(torch.from_numpy(X), batch_size=90, seed=5)
    state = learner.init(p, batches)
    torch.manual_seed(7)
    state, _ = learner.step(p, batches, state)
    table = learner.posterior.table
    assert table is not None
    order = TensorBatches(torch.from_numpy(X), batch_size=90, seed=5)
    rows = next(order)
    raw = torch.zeros(90, 4, requires_grad=True)
    adam = torch.optim.Adam([raw], lr=learner.row_rate)
    torch.manual_seed(7)
    for _ in range(3):
        q = families.Normal((2,))(raw.unflatten(1, (2, 2)))
        loss = -Elbo()(p, lambda *_, q=q: torch.distributions.Independent(q, 1), rows).value.sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert torch.allclose(table[rows.index], raw.detach(), atol=1e-5)
    q = learner.posterior.train()(rows, p)
    assert torch.allclose(q.mean, raw.detach()[:, :2], atol=1e-5)


def test_rows_left_out_of_shards_shift_no_index(tmp_path: Path) -> None:
    from latentia.data import open_shards

    np.save(tmp_path / "x.npy", X)
    shards = open_shards(tmp_path / "x.npy").leave_out(np.arange(0, 60, 2))
    fit = latentia.fit(model(), SVI(local()), shards, max_epochs=2, batch_size=16, device="cpu")
    table = fit.posterior.table
    assert table is not None
    still_there = (table == fit.posterior.begin).all(1).nonzero().flatten().tolist()
    assert still_there == list(range(0, 60, 2))


# --- what the goals are -----------------------------------------------------------------------------------------------


def gradients(value: torch.Tensor, module: torch.nn.Module) -> list[torch.Tensor]:
    return list(torch.autograd.grad(value.sum(), list(module.parameters()), retain_graph=True))


def test_reweighted_p_climbs_the_importance_weighted_bound() -> None:
    from latentia.bounds import ReweightedGoals

    p, q, batch = model(), encoder(), Batch(torch.from_numpy(X), torch.arange(90))
    torch.manual_seed(0)
    terms = ReweightedGoals(5)(p, q, batch)
    torch.manual_seed(0)
    plain = ImportanceWeighted(5)(p, q, batch)
    assert torch.allclose(terms.value, plain.value)
    for a, b in zip(gradients(terms.surrogate, p), gradients(plain.value, p)):
        assert torch.allclose(a, b, atol=1e-5)


def test_sleep_is_the_expected_log_q_of_dreams() -> None:
    """Against the sum over all z of a finite model and all its x."""
    from latentia.bounds.wake import dreamt
    from latentia.models import CategoricalPrior, FiniteLatentModel
    from latentia.networks import OneHot

    torch.manual_seed(0)
    p = FiniteLatentModel(
        CategoricalPrior(2), Conditional(OneHot(2, MLP(2, 2, ())), families.Bernoulli((2,)), ())
    ).double()
    q = Amortized(Conditional(MLP(2, 2, (3,)), families.Categorical((), 2), (2,))).double()
    every = torch.tensor([[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)], dtype=torch.float64)
    batch = Batch(every, torch.arange(4))
    z = torch.arange(2).unsqueeze(1)
    wanted = float((p.log_joint(every, z).exp() * q(batch, p).log_prob(z)).sum().detach())
    rows = Batch(every.repeat(20_000, 1), torch.arange(80_000))
    found = dreamt(p, q, rows).detach()
    assert abs(float(found.mean()) - wanted) < 5 * float(found.std()) / 80_000**0.5


def ppca() -> tuple[ProbabilisticPCA, torch.Tensor]:
    torch.manual_seed(0)
    p = ProbabilisticPCA(5, 2)
    with torch.no_grad():
        for parameter in p.parameters():
            parameter.copy_(0.7 * torch.randn_like(parameter))
    return p, p.sample(6)


class Wide(Posterior):
    def forward(self, batch: Batch, model: Any) -> Any:
        loc = torch.full((len(batch), 2), 0.5, dtype=torch.float64)
        return torch.distributions.Independent(torch.distributions.Normal(loc, 0 * loc + 1.5), 1)


@pytest.mark.parametrize("sampler", ["importance", "hmc"])
def test_samplers_draw_from_the_posterior(sampler: str) -> None:
    from latentia.learn.monte_carlo_em import MonteCarloGoals, resampled

    p, x = ppca()
    batch, n = Batch(x, torch.arange(6)), 4000
    torch.manual_seed(1)
    q = Wide()(batch, p)
    if sampler == "importance":
        start = q.sample(torch.Size((100_000,)))
        z = resampled(start, p.log_joint(x, start) - q.log_prob(start), n)
    else:
        goals = MonteCarloGoals("hmc", n_samples=n, n_moves=30, n_leapfrog=5)
        z = goals._moved(p, batch, q, q.sample(torch.Size((n,))))
    exact = p.posterior(x)
    mean, spread = exact.mean.detach(), exact.stddev.detach()
    assert float(((z.mean(0) - mean).abs() / spread).max()) < 0.1
    assert float((z.std(0) / spread - 1).abs().max()) < 0.06


def test_chains_move_under_one_density_where_the_model_drops_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A linear decoder that drops every other cell while learning: the posterior without dropout, in closed form."""
    from latentia.learn.monte_carlo_em import MonteCarloGoals

    torch.manual_seed(0)
    layer, kept = torch.nn.Linear(2, 5), torch.nn.Dropout(0.5)
    p = LatentVariableModel(
        StandardNormal(2), Conditional(torch.nn.Sequential(layer, kept), families.Normal((5,), scale=1.0), (2,))
    ).double()
    kept.eval()
    x = p.sample(6).detach()
    p.train()
    layer.eval()  # one that somebody froze
    goals = MonteCarloGoals("hmc", n_samples=4000, n_moves=30, n_leapfrog=5)
    seen: list[torch.Tensor] = []
    moves = goals._moved
    monkeypatch.setattr(MonteCarloGoals, "_moved", lambda *given: seen.append(moves(*given[1:])) or seen[0])
    goals(p, Wide(), Batch(x, torch.arange(6)))
    z = seen[0]
    w, b = layer.weight.detach(), layer.bias.detach()
    covariance = torch.linalg.inv(torch.eye(2).double() + w.T @ w)
    mean, spread = (x - b) @ w @ covariance, covariance.diagonal().sqrt()
    assert float(((z.mean(0) - mean).abs() / spread).max()) < 0.1
    assert float((z.std(0) / spread - 1).abs().max()) < 0.06
    assert p.training
    assert kept.training
    assert not layer.training


def test_the_gradient_flows_through_the_refinement() -> None:
    """Of the bound after K steps by a weight of the encoder, against differences; and the held one differs from it."""
    p, x = ppca()
    batch = Batch(x, torch.arange(6))
    torch.manual_seed(2)
    net = torch.nn.Linear(5, 4).double()
    found = {}
    for through in (True, False):
        learner = SemiAmortizedVI(
            Conditional(net, families.Normal((2,)), (5,), joint=True),
            n_steps=3,
            step_rate=0.05,
            max_norm=1e9,
            through=through,
        )

        def bound(learner: SemiAmortizedVI = learner) -> torch.Tensor:
            torch.manual_seed(4)
            return Elbo(4)(p, learner.posterior, batch).value.sum()

        (found[through],) = torch.autograd.grad(bound(), net.weight)
    with torch.no_grad():
        net.weight[1, 2] += 1e-5
        up = bound()
        net.weight[1, 2] -= 2e-5
        down = bound()
    assert float(found[True][1, 2]) == pytest.approx(float(up - down) / 2e-5, rel=1e-5)
    assert not torch.allclose(found[True], found[False])


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: SVI(encoder()), AbilityError, "posteriors.Local"),  # type: ignore[arg-type]
        (lambda: SVI(local(), row_steps=0), ParameterError, "row_steps=0"),
        (lambda: SemiAmortizedVI(Exact()), AbilityError, "no encoder"),
        (lambda: Aggressive(encoder(), max_inner=0), ParameterError, "max_inner=0"),
        (lambda: ReweightedWakeSleep(encoder(), fit="dream"), ParameterError, "sleep"),
        (lambda: MonteCarloEM(encoder(), sampler="gibbs"), ParameterError, "hmc"),
        (lambda: WakeSleep(encoder(), n_samples=0), ParameterError, "n_samples=0"),
        (lambda: SemiAmortizedVI(encoder(), step_samples=0), ParameterError, "step_samples=0"),
        *[
            (lambda make=make, own=own: make(encoder(), objective=own), AbilityError, "Use AmortizedVI|Use bounds.Elbo")
            for make in (WakeSleep, ReweightedWakeSleep, MonteCarloEM)
            for own in (Objective(50.0), Objective(warm_up=9), Objective(free_bits=0.5), Objective(target_rate=5.0))
        ],
    ],
)
def test_settings_that_cannot_be_used(make: Callable[[], Learner], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("make", [WakeSleep, ReweightedWakeSleep, Aggressive])
def test_a_q_without_parameters_is_refused_by_those_who_move_it_alone(make: Callable[..., Learner]) -> None:
    with pytest.raises(AbilityError, match="Use AmortizedVI"):
        make(Exact()).check(ProbabilisticPCA(6, 2))


def test_wake_sleep_takes_the_plain_objective() -> None:
    assert WakeSleep(encoder(), objective=Objective()).objective.is_bound


def test_amortised_is_still_what_the_others_are_made_of() -> None:
    assert isinstance(WakeSleep(encoder()).inner, AmortizedVI)
