"""The loop: history, stopping, the best weights, failures named, nothing global moved, the same bits after a resume."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import latentia
from latentia import families
from latentia.batch import TensorBatches
from latentia.bounds import Elbo, ImportanceWeighted
from latentia.conditional import Conditional
from latentia.errors import AbilityError, NonFiniteError, ParameterError, RunError
from latentia.fitted import Fit
from latentia.learn import AmortizedVI, ExactEM, Objective, Schedule
from latentia.learn.checkpoints import latest_checkpoint
from latentia.models import GaussianMixture, LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized

X = (np.random.default_rng(0).random((90, 6)) < 0.4).astype(np.float32)


def pair(seed: int = 0) -> tuple[LatentVariableModel, Amortized]:
    torch.manual_seed(seed)
    model = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 6, (8,)), families.Bernoulli((6,)), (2,)))
    return model, Amortized(Conditional(MLP(6, 4, (8,)), families.Normal((2,)), (6,), joint=True))


def run(learner: dict[str, Any] | None = None, **options: Any) -> Fit:
    model, q = pair()
    given = {"max_epochs": 4, "batch_size": 16, "seed": 3, "device": "cpu", **options}
    return latentia.fit(model, AmortizedVI(q, **(learner or {})), X, **given)


def same_bits(a: Fit, b: Fit) -> bool:
    weights = all(torch.equal(x, y) for x, y in zip(a.tensors().values(), b.tensors().values()))
    return weights and strip(a.history) == strip(b.history)


def strip(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in ("seconds", "rows_per_second")} for row in history]


def test_history_has_the_true_bound_with_its_parts() -> None:
    fit = run(validation=X[:20])
    train = [row for row in fit.history if row["split"] == "train"]
    assert [row["epoch"] for row in train] == [1, 2, 3, 4]
    assert [row["step"] for row in train] == [6, 12, 18, 24]
    for row in fit.history:
        assert row["bound"] == pytest.approx(row["reconstruction"] - row["kl"])
    assert list(fit.history[0])[:4] == ["step", "epoch", "split", "bound"]
    assert train[-1]["bound"] > train[0]["bound"]
    assert "max_epochs=4" in fit.status


def test_a_weighted_kl_is_never_reported_as_the_bound() -> None:
    fit = run({"objective": Objective(kl_weight=0.0)})
    row = fit.history[-1]
    assert row["bound"] == pytest.approx(row["reconstruction"] - row["kl"])
    assert row["kl_weight"] == 0
    assert "no bound" in fit.status


def test_an_unfinished_warm_up_is_said() -> None:
    fit = run({"objective": Objective(warm_up=1000)})
    assert "warm-up had not finished" in fit.status
    weights = [row["kl_weight"] for row in fit.history]
    assert weights == sorted(weights)
    assert weights[-1] == pytest.approx(23 / 1000)


def test_the_objective_by_hand() -> None:
    model, q = pair()
    batches = TensorBatches(torch.from_numpy(X), batch_size=90, weight=torch.arange(90.0))
    batch = next(batches)
    torch.manual_seed(0)
    terms = Elbo()(model, q, batch)
    weight = torch.tensor(0.3)
    loss = Objective(kl_weight=0.3)(terms, batch, weight, batches.mean_weight).detach()
    assert batch.weight is not None
    by_hand = sum(
        float(w) * (float(r) - 0.3 * float(k))
        for w, r, k in zip(batch.weight, *(terms.parts[name].tolist() for name in ("reconstruction", "kl")))
    )
    assert float(loss) == pytest.approx(-by_hand / (90 * 44.5), rel=1e-5)


def test_a_kl_weight_needs_a_kl() -> None:
    _, q = pair()
    with pytest.raises(AbilityError, match="KL weight"):
        AmortizedVI(q, bound=ImportanceWeighted(5), objective=Objective(kl_weight=0.5))
    AmortizedVI(q, bound=ImportanceWeighted(5))


@pytest.mark.parametrize(
    "options",
    [{"max_epochs": 0}, {"max_time": -1.0}, {"patience": 0}, {"device": "abacus"}, {"precision": "float8"}],
)
def test_options_that_cannot_be_used(options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        run(**options)


@pytest.mark.parametrize("optimizer", ["adam", "AdamW", "sgd", "rmsprop", "adagrad", "radam"])
def test_any_torch_optimiser(optimizer: str) -> None:
    fit = run({"optimizer": optimizer, "learning_rate": 0.01, "gradient_clip": 1.0})
    assert fit.history[-1]["bound"] > fit.history[0]["bound"]


def test_an_optimiser_of_ones_own_and_an_unknown_one() -> None:
    run({"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9)})
    with pytest.raises(ParameterError, match="adamw"):
        run({"optimizer": "adamm"})


def test_schedules() -> None:
    cosine = Schedule("cosine", n_steps=100, warm_up=10)
    assert [cosine(0), cosine(10), cosine(55), cosine(100)] == pytest.approx([0.1, 1, 0.5, 0])
    fit = run({"schedule": Schedule("linear", n_steps=24)})
    rates = [row["learning_rate"] for row in fit.history]
    assert rates == pytest.approx([1e-3 * (1 - (6 * e - 1) / 24) for e in (1, 2, 3, 4)])


def test_early_stopping_keeps_the_best_weights() -> None:
    fit = run({"learning_rate": 0.5}, validation=X[:30], max_epochs=60, patience=3)
    held_out = [(row["bound"], row["step"]) for row in fit.history if row["split"] == "validation"]
    best = max(held_out)
    assert len(held_out) == held_out.index(best) + 4
    assert f"step {best[1]}" in fit.status
    again = latentia.bounds.evaluate.held_out_bound(  # type: ignore[attr-defined]
        fit.model, fit.posterior, Elbo(), TensorBatches(torch.from_numpy(X[:30])), fit.seed
    )
    assert again["bound"] == pytest.approx(best[0], abs=1e-5)


def test_patience_begins_when_the_warm_up_ends() -> None:
    fit = run({"objective": Objective(warm_up=60), "learning_rate": 0.5}, validation=X[:30], max_epochs=60, patience=1)
    assert fit.steps > 60


def test_held_out_noise_is_fixed() -> None:
    frozen = {"optimizer": "sgd", "learning_rate": 1e-30}
    fit = run(frozen, validation=X[:30])
    held_out = {row["bound"] for row in fit.history if row["split"] == "validation"}
    assert len(held_out) == 1


class Breaks(nn.Module):
    """A network whose output stops being finite."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.linear, self.calls, self.after = nn.Linear(2, 6), 0, after

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        out = self.linear(z)
        return out / 0 * 0 if self.calls > self.after else out


def test_a_loss_that_breaks_is_caught_where_it_appears() -> None:
    _, q = pair()
    model = LatentVariableModel(StandardNormal(2), Conditional(Breaks(after=8), families.Bernoulli((6,)), (2,)))
    with pytest.raises(NonFiniteError, match=r"step 9; .* the output of model\.conditional\.network") as error:
        latentia.fit(model, AmortizedVI(q), X, max_epochs=4, batch_size=16)
    assert "learning_rate" in str(error.value)


def test_parameters_that_break_are_named() -> None:
    model, q = pair()
    with torch.no_grad():
        q.encoder.network.layers[2].weight[0, 0] = float("inf")
    with pytest.raises(NonFiniteError, match=r"step 1; .* posterior\.encoder\.network\.layers\.2\.weight"):
        latentia.fit(model, AmortizedVI(q), X, max_epochs=1)


@pytest.mark.parametrize(
    ("prior", "options", "words"),
    [
        ("uniform", {}, r"part 'kl' .* the prior has no density, .* infinite: give a prior whose support"),
        ("laplace", {"learner": "wake-sleep"}, r"q has no density, and wake-sleep learns q from such z"),
    ],
)
def test_a_support_that_leaves_the_other_is_named(prior: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(NonFiniteError, match=words):
        latentia.VAE(2, posterior="uniform", prior=prior, hidden=(8,), max_epochs=2, random_state=0, **options).fit(X)


def test_data_that_break_are_named() -> None:
    model, q = pair()
    bad = X.copy()
    bad[5, 2] = np.nan
    with pytest.raises(NonFiniteError, match="the data"):
        latentia.fit(model, AmortizedVI(q), bad, max_epochs=1)


def test_nothing_global_is_changed() -> None:
    model, q = pair()
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.set_default_dtype(torch.float64)
    torch.distributions.Distribution.set_default_validate_args(True)
    state, numpy_state, threads = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    handler = signal.getsignal(signal.SIGINT)
    try:
        watch = {"callbacks": [lambda loop: None], "progress": lambda now: None}
        latentia.fit(model, AmortizedVI(q), X, validation=X[:20], max_epochs=2, **watch)
        latentia.VAE(n_latent=2, hidden=(4,), max_epochs=2, random_state=None).fit(X).sample(3)
        assert torch.equal(torch.get_rng_state(), state)
        assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
        assert torch.get_default_dtype() == torch.float64
        assert torch.distributions.Distribution._validate_args is True
        assert torch.get_num_threads() == threads
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        torch.set_default_dtype(torch.float32)


def test_callbacks_and_progress_do_not_move_the_random_stream() -> None:
    plain = run(validation=X[:20])
    noisy = run(
        validation=X[:20],
        callbacks=[lambda loop: torch.rand(5) is None],
        progress=lambda now: torch.rand(3) is None,
    )
    assert same_bits(plain, noisy)
    assert same_bits(plain, run(validation=X[:20]))


def test_a_callback_can_stop() -> None:
    fit = run(callbacks=[lambda loop: loop.state.step >= 12])
    assert fit.steps == 12
    assert "callback" in fit.status


@pytest.mark.parametrize(("name", "limit"), [("max_steps", 7), ("max_time", 1e-9)])
def test_limits(name: str, limit: float) -> None:
    fit = run(**{name: limit})
    assert fit.steps == (7 if name == "max_steps" else 1)
    assert name in fit.status


@pytest.mark.parametrize("cut", [1, 5, 6, 13, 23])
def test_a_resumed_fit_ends_with_the_same_bits(cut: int, tmp_path: Path) -> None:
    learner = {"objective": Objective(warm_up=9), "schedule": Schedule("cosine", n_steps=24), "gradient_clip": 5.0}
    whole = run(learner, validation=X[:20], patience=50)
    run(learner, validation=X[:20], patience=50, max_steps=cut, checkpoints=tmp_path)
    rest = run(learner, validation=X[:20], patience=50, checkpoints=tmp_path, resume=True)
    assert same_bits(whole, rest)


@pytest.mark.parametrize(
    ("model", "learner"),
    [
        (lambda: ProbabilisticPCA(6, 2), lambda: ExactEM(tol=0.0, start="random")),
        (lambda: GaussianMixture(6, 2), lambda: ExactEM(tol=1e-9, n_starts=3, start="random")),
    ],
)
def test_resumed_em_ends_with_the_same_bits(model: Any, learner: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(80, 6))
    torch.manual_seed(0)
    first = model()
    start = {k: v.clone() for k, v in first.state_dict().items()}
    whole = latentia.fit(first, learner(), x, max_epochs=30)

    def again() -> Any:
        other = model()
        other.load_state_dict(start)
        return other

    latentia.fit(again(), learner(), x, max_epochs=7, checkpoints=tmp_path)
    rest = latentia.fit(again(), learner(), x, max_epochs=30, checkpoints=tmp_path, resume=True)
    assert same_bits(whole, rest)


@pytest.mark.parametrize(
    ("model", "learner"),
    [
        (lambda: ProbabilisticPCA(6, 2), lambda: ExactEM(start="random")),
        (lambda: GaussianMixture(6, 2), lambda: ExactEM(n_starts=2, start="random")),
    ],
)
def test_a_run_that_converged_and_is_taken_up_again_stays_as_it_is(model: Any, learner: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(80, 6))
    torch.manual_seed(0)
    options: dict[str, Any] = {"max_epochs": 500, "checkpoints": tmp_path}
    whole = latentia.fit(model(), learner(), x, **options)
    assert whole.status.startswith("Converged")
    again = latentia.fit(model(), learner(), x, **options, resume=True)
    assert same_bits(whole, again)
    assert (again.status, again.steps) == (whole.status, whole.steps)


def test_a_run_whose_patience_ended_and_is_taken_up_again_stays_as_it_is(tmp_path: Path) -> None:
    options: dict[str, Any] = {"validation": X[:20], "patience": 1, "max_epochs": 400, "checkpoints": tmp_path}
    whole = run({"learning_rate": 0.05}, **options)
    assert "had not risen" in whole.status
    again = run({"learning_rate": 0.05}, **options, resume=True)
    assert same_bits(whole, again)
    assert (again.status, again.steps) == (whole.status, whole.steps)


def test_a_signal_stops_at_the_end_of_a_step_and_can_be_resumed(tmp_path: Path) -> None:
    def poke(loop: Any) -> None:
        if loop.state.step == 12:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = run(validation=X[:20], callbacks=[poke], checkpoints=tmp_path)
    assert stopped.interrupted == "SIGTERM"
    assert stopped.finished is False
    assert "SIGTERM" in stopped.status
    rest = run(validation=X[:20], checkpoints=tmp_path, resume=True)
    assert same_bits(rest, run(validation=X[:20]))


def test_a_fit_in_a_thread_needs_no_signals() -> None:
    out: list[Fit] = []
    thread = threading.Thread(target=lambda: out.append(run()))
    thread.start()
    thread.join()
    assert same_bits(out[0], run())


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    run(max_steps=6, checkpoints=tmp_path)
    run(max_steps=12, checkpoints=tmp_path, resume=True)
    newest = sorted(tmp_path.iterdir())[-1]
    (newest / "tensors.safetensors").write_bytes(b"not tensors")
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 6
    for folder in tmp_path.iterdir():
        (folder / "state.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        latest_checkpoint(tmp_path)


def test_precisions() -> None:
    assert next(run(precision="float64").model.parameters()).dtype == torch.float64
    fit = run(precision="bfloat16")
    assert next(fit.model.parameters()).dtype == torch.float32
    assert np.isfinite(fit.history[-1]["bound"])


def test_the_wrong_learner_is_refused_with_the_right_one_named() -> None:
    model, _ = pair()
    with pytest.raises(AbilityError, match="AmortizedVI"):
        latentia.fit(model, ExactEM(), X)


def test_weights_of_rows_are_counts() -> None:
    model, _ = pair()
    twice = np.concatenate([X, X[:10]])
    weight = np.ones(90)
    weight[:10] = 2
    full = TensorBatches(torch.from_numpy(twice), batch_size=100)
    weighted = TensorBatches(torch.from_numpy(X), batch_size=90, weight=torch.from_numpy(weight))
    losses = []
    for batches in (full, weighted):
        batch = next(batches.in_order())
        z = torch.zeros(1, len(batch), 2)
        log_lik = model.log_likelihood(batch.x, z).squeeze(0).detach()
        losses.append(float(batch.weighted_sum(log_lik) / (len(batch) * batches.mean_weight)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_save_and_load_a_fit(tmp_path: Path) -> None:
    fit = run(validation=X[:20])
    fit.save(tmp_path / "run")
    model, q = pair(seed=1)
    again = Fit.load(tmp_path / "run", model, q)
    assert same_bits(fit, again)
    assert again.status == fit.status
    other = LatentVariableModel(StandardNormal(3), Conditional(MLP(3, 6, (8,)), families.Bernoulli((6,)), (3,)))
    with pytest.raises(RunError, match="do not fit"):
        Fit.load(tmp_path / "run", other, q)
