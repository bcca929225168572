"""Linear autoencoders and logistic PCA against singular values, eigenvectors and a general optimiser."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

import latentia
from latentia import LinearAutoencoder
from latentia.batch import TensorBatches
from latentia.conditional import Conditional
from latentia.data import Shards, open_shards
from latentia.errors import AbilityError, MemoryLimitError, NonFiniteError, ParameterError
from latentia.families import Bernoulli, Normal
from latentia.learn import Alternating, AmortizedVI, LinearGradient, LinearVAE, PrincipalAxes
from latentia.learn.linear.lanczos import Lanczos
from latentia.models import Decoder, LinearDecoder, LogisticPCA, ProbabilisticPCA
from latentia.networks import MLP
from latentia.posteriors import Amortized, BestPoint, Point

N, D, K = 200, 8, 3
SPREAD = np.array([5.0, 3.5, 2.2, 0.6, 0.5, 0.4, 0.3, 0.2])


def rows(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    return rng.normal(size=(N, D)) * SPREAD @ turn.T + np.arange(D)


def truth(x: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Axes, their variances and the total, by NumPy's SVD."""
    w = np.ones(len(x)) if weight is None else weight
    centred = (x - np.average(x, axis=0, weights=w)) * np.sqrt(w / w.sum())[:, None]
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    return vt[:K].T, np.square(s[:K]), float(np.square(s).sum())


def learnt(x: np.ndarray, weight: np.ndarray | None = None, **options) -> tuple[LinearDecoder, Point]:
    model, q = LinearDecoder(x.shape[1], K), Point(nn.Linear(x.shape[1], K))
    tensor = None if weight is None else torch.as_tensor(weight)
    latentia.fit(model, PrincipalAxes(q, **options), torch.as_tensor(x), weight=tensor, max_epochs=1, batch_size=64)
    return model, q


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["auto", "svd", "covariance", "randomised"])
def test_every_solver_finds_the_singular_vectors(solver: str, weighted: bool) -> None:
    x = rows()
    weight = np.random.default_rng(1).integers(0, 4, N).astype(float) if weighted else None
    axes, variance, total = truth(x, weight)
    model, q = learnt(x, weight, solver=solver)
    found = model.axes.detach().numpy()
    assert np.abs(np.abs((axes * found).sum(0)) - 1).max() < 1e-9
    assert model.code_variance.numpy() == pytest.approx(variance, rel=1e-9)
    assert float(model.total) == pytest.approx(total, rel=1e-12)
    codes = (x - np.average(x, axis=0, weights=weight)) @ found
    assert q.encoder(torch.as_tensor(x)).detach().numpy() == pytest.approx(codes, abs=1e-9)  # type: ignore[misc]


@pytest.mark.parametrize("solver", ["svd", "covariance", "randomised"])
def test_pythagoras_to_rounding(solver: str) -> None:
    x = rows() + 1e4
    model, q = learnt(x, solver=solver)
    t = torch.as_tensor(x)
    with torch.no_grad():
        left = (t - model.conditional.network(q.encoder(t))).square().sum(1).mean()  # type: ignore[misc]
    assert float(model.code_variance.sum() + left) == pytest.approx(float(model.total), rel=1e-11)


def test_lanczos_with_restarts_where_values_lie_close() -> None:
    rng = np.random.default_rng(0)
    turn = torch.as_tensor(np.linalg.qr(rng.normal(size=(300, 300)))[0])
    values = torch.as_tensor(1.0 / np.arange(1, 301))
    c = turn * values @ turn.T
    vectors, found, text = Lanczos(lambda q: c @ q, 300, 5, 8, 3, c).run(1e-10, 200, seed=0)
    assert found.numpy() == pytest.approx(values[:5].numpy(), rel=1e-12)
    assert (turn[:, :5].T @ vectors).abs().diagonal().numpy() == pytest.approx(1, abs=1e-12)
    assert "passes of block Lanczos" in text


def test_fewer_dimensions_than_units_leave_axes_of_zero() -> None:
    x = np.outer(np.random.default_rng(0).normal(size=50), np.ones(4))
    for solver in ("svd", "covariance", "randomised"):
        model, _ = learnt(x, solver=solver)
        assert model.code_variance[0] > 0.1
        assert model.code_variance[1:].abs().max() < 1e-12
    wide, _ = learnt(x[:, :2], solver="svd")
    assert wide.axes[:, 2].abs().max() == 0  # three units, two columns


def test_passes_over_a_disk_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 40)) * (0.8 ** np.arange(40)) @ np.linalg.qr(rng.normal(size=(40, 40)))[0]
    np.save(tmp_path / "x.npy", x)
    model, _ = learnt(x, solver="svd")
    shards = open_shards(tmp_path / "x.npy")
    streamed = LinearAutoencoder(K, solver="randomised", max_memory=8).fit(shards)
    assert np.abs((streamed.components_ * model.axes.T.detach().numpy()).sum(1)) == pytest.approx(1, abs=1e-10)
    assert streamed.explained_variance_ == pytest.approx(model.code_variance.numpy(), rel=1e-9)
    assert streamed.score(shards) == pytest.approx(streamed.score(x), rel=1e-12)


CHILD = """
import sys, threading, time
from pathlib import Path
import numpy as np
from latentia import LinearAutoencoder
from latentia.data import open_shards

def held():
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024

def watch():
    while True:
        most[0] = max(most[0], held())
        time.sleep(0.002)

path, solver, allowed = sys.argv[1:]
LinearAutoencoder(2, solver=solver).fit(np.random.default_rng(0).normal(size=(200, 128)))
before = held()
most = [before]
threading.Thread(target=watch, daemon=True).start()
LinearAutoencoder(2, solver=solver, max_memory=float(allowed)).fit(open_shards(path))
print(max(most[0], held()) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
@pytest.mark.parametrize("solver", ["covariance", "randomised"])
def test_a_stream_keeps_a_small_allowance(solver: str, tmp_path: Path) -> None:
    """What a process of its own holds beyond its libraries, pages of the mapped file aside, of a file of 39 MiB."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(80_000, 128)).astype(np.float32))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "x.npy"), solver, "16"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert float(done.stdout) < 16


def test_allowances_that_cannot_be_kept(tmp_path: Path) -> None:
    x = rows()
    for wrong in ("a", float("nan"), float("inf"), 0, -1, True):
        with pytest.raises(ParameterError, match=r"max_memory=.* Use a positive number of MiB"):
            LinearAutoencoder(K, max_memory=wrong).fit(x)  # type: ignore[arg-type]
    with pytest.raises(MemoryLimitError, match=r"max_memory=2 MiB cannot be kept: .* Allow 8 MiB at least"):
        LinearAutoencoder(K, max_memory=2).fit(x)
    wide = np.random.default_rng(0).normal(size=(20, 1024))
    with pytest.raises(MemoryLimitError, match=r"Allow 100 MiB, or use solver='randomised', which needs 4 MiB"):
        LinearAutoencoder(K, solver="covariance", max_memory=50).fit(wide)
    with pytest.raises(MemoryLimitError, match=r"'randomised' needs 97 MiB .* Allow 97 MiB, or ask for fewer axes"):
        LinearAutoencoder(400, solver="randomised", max_memory=50).fit(wide)
    pq.write_table(pa.table({"a": np.arange(1e6), "b": np.arange(1e6)}), tmp_path / "x.parquet", row_group_size=500_000)
    with pytest.raises(MemoryLimitError, match="write it again with smaller row groups"):
        LinearAutoencoder(1, max_memory=50).fit(open_shards(tmp_path / "x.parquet"))


def test_the_least_allowance_that_is_named_will_do() -> None:
    wide = np.random.default_rng(0).normal(size=(20, 512))
    with pytest.raises(MemoryLimitError) as error:
        LinearAutoencoder(K, solver="covariance", max_memory=9).fit(wide)
    least = int(str(error.value).split("Allow ")[1].split()[0])
    assert least > 9
    assert LinearAutoencoder(K, solver="covariance", max_memory=least).fit(wide).components_.shape == (K, 512)


def test_a_pass_holds_blocks_of_the_size_that_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"a": np.arange(1000.0), "b": np.arange(1000.0)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=100)
    shards = replace(open_shards(tmp_path / "x.parquet"), block_bytes=250 * 16)
    read, sizes = Shards.read, []
    monkeypatch.setattr(
        Shards, "read", lambda self, groups: (sizes.append(sum(g.rows for g in groups)), read(self, groups))[1]
    )
    passed = torch.cat([batch.x for batch in shards.batches(batch_size=70).in_order()])
    assert passed[:, 0].tolist() == list(range(1000))
    assert max(sizes) == 200


# --- by gradient -----------------------------------------------------------------------------------------------------


def distances(axes: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    w = found / np.linalg.norm(found, axis=0)
    q = np.linalg.qr(found)[0]
    return 1 - np.square(axes.T @ w).max(1).mean(), 1 - np.square(axes.T @ q).sum() / K


def by_gradient(x: np.ndarray, epochs: int, seed: int = 0, **options) -> tuple[LinearDecoder, Point]:
    model, q = LinearDecoder(D, K), Point(nn.Linear(D, K))
    latentia.fit(model, LinearGradient(q, **options), torch.as_tensor(x), max_epochs=epochs, seed=seed)
    return model, q


AXES = {  # whether it finds the axes themselves, in their order; hundreds of steps
    "plain": (False, 5),
    "uniform-l2": (False, 5),
    "non-uniform-l2": (True, 12),
    "nested-dropout": (True, 12),
    "deterministic-nested-dropout": (True, 12),
    "rotation": (True, 5),
}


@pytest.mark.parametrize("method", AXES)
def test_which_losses_find_the_axes(method: str) -> None:
    x = rows()
    axes, _, _ = truth(x)
    ordered, epochs = AXES[method]
    model, _ = by_gradient(x, epochs, method=method, learning_rate=None if method == "rotation" else 0.01)
    found = model.axes.detach().numpy()
    axis, subspace = distances(axes, found)
    assert subspace < (1e-3 if method == "nested-dropout" else 1e-6 if method == "rotation" else 1e-4)
    if ordered:
        assert axis < 0.02
        cosines = np.abs((axes * found / np.linalg.norm(found, axis=0)).sum(0))
        assert cosines.min() > 0.95  # the i-th unit is the i-th axis
    else:
        assert axis > 0.05


def test_the_plain_optimum_is_not_unique() -> None:
    """W M and M^-1 V are as good as W and V for any M, and other starts end at other ones."""
    x = torch.as_tensor(rows())
    (a, qa), (b, qb) = (by_gradient(x.numpy(), 15, seed, method="plain", learning_rate=0.01) for seed in (0, 1))

    @torch.no_grad()
    def error(model: LinearDecoder, q: Point, turn: torch.Tensor | None = None) -> float:
        m = torch.eye(K).double() if turn is None else turn
        codes = (q.encoder(x)) @ torch.linalg.inv(m).T  # type: ignore[misc]
        return float((x - model.loc - codes @ (model.axes @ m).T).square().sum(1).mean())

    turn = torch.tensor([[2.0, 1.0, 0.0], [0.0, -3.0, 0.5], [0.1, 0.0, 1.0]]).double()
    assert error(a, qa, turn) == pytest.approx(error(a, qa), rel=1e-9)
    assert error(b, qb) == pytest.approx(error(a, qa), rel=1e-4)
    assert (a.axes - b.axes).abs().max() > 0.1
    _, variance, total = truth(x.numpy())
    assert error(a, qa) == pytest.approx(total - variance.sum(), rel=1e-4)


def test_units_of_the_data_do_not_matter() -> None:
    x = rows()
    a, _ = by_gradient(x, 3, method="rotation")
    b, _ = by_gradient(1000 * x, 3, method="rotation")
    assert b.axes.detach().numpy() == pytest.approx(a.axes.detach().numpy(), abs=1e-6)


def test_the_linear_vae_is_probabilistic_pca() -> None:
    x = torch.as_tensor(rows())
    model = ProbabilisticPCA(D, K)
    q = Amortized(Conditional(nn.Linear(D, 2 * K), Normal((K,)), (D,), joint=True))
    fit = latentia.fit(model, LinearVAE(q, n_steps=1500, learning_rate=0.03), x, max_epochs=15)
    closed = ProbabilisticPCA(D, K)
    closed.maximise(TensorBatches(x, dtype=torch.float64))
    best = float(closed.log_prob(x).detach().mean())
    assert fit.history[-1]["bound"] == pytest.approx(best, abs=0.02)  # the bound is tight
    assert float(model.log_prob(x).detach().mean()) == pytest.approx(best, abs=0.02)
    gram = (model.loading.T @ model.loading).detach()
    cosines = gram / gram.diagonal().outer(gram.diagonal()).sqrt()
    assert (cosines - torch.eye(K)).abs().max() < 0.1  # the axes are orthogonal, in some order
    elbo = latentia.evidence.elbo(model, q, x, n_samples=200)
    assert elbo.mean == pytest.approx(fit.history[-1]["bound"], abs=5 * elbo.mc_error + 1e-9)


def test_a_gradient_that_is_resumed_ends_where_one_that_was_not(tmp_path: Path) -> None:
    x = torch.as_tensor(rows())
    ends = []
    for stops in ((6,), (2, 6)):
        folder = tmp_path / str(len(stops))
        for stop in stops:
            torch.manual_seed(0)
            model, q = LinearDecoder(D, K), Point(nn.Linear(D, K))
            learner = LinearGradient(q, method="nested-dropout")
            latentia.fit(model, learner, x, max_epochs=stop, checkpoints=folder, checkpoint_every=0, resume=True)
        ends.append(model.axes.detach().clone())
    assert torch.equal(*ends)


DIVERGES = {"rotation": 1.0, "plain": 1e200, "linear-vae": 1e3}


@pytest.mark.parametrize("learner", DIVERGES)
def test_a_fit_that_diverges_says_so(learner: str) -> None:
    model = LinearAutoencoder(K, learner=learner, learning_rate=DIVERGES[learner], max_epochs=3, random_state=0)
    with pytest.raises(
        NonFiniteError, match=r"not finite is posterior\.encoder.*Try a learning_rate below .* Nothing had been"
    ):
        model.fit(rows())
    assert not hasattr(model, "components_")


@pytest.mark.parametrize("learner", ["rotation", "linear-vae"])
def test_a_fit_that_diverges_keeps_the_weights_of_the_step_before(learner: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"learner": learner, "random_state": 0, "max_epochs": 5}

    def too_far(loop: Any) -> None:
        if loop.batches.epoch == 2:
            loop.learner.learning_rate = 1e200
            loop.state.handles["optimizer"].param_groups[0]["lr"] = 1e200

    stopped = LinearAutoencoder(K, **options).fit(rows(), callbacks=[lambda loop: loop.batches.epoch == 2])
    model = LinearAutoencoder(K, **options)
    with pytest.raises(NonFiniteError, match=r"within step 3, .* The weights are those of step 2\. They are in "):
        model.fit(rows(), run=tmp_path / "run", callbacks=[too_far])
    again = latentia.load(tmp_path / "run")
    assert np.array_equal(model.components_, again.components_)
    assert np.array_equal(model.components_, stopped.components_)
    assert np.array_equal(model.transform(rows()), stopped.transform(rows()))
    assert not again.fit_.finished
    assert [h["step"] for h in again.history_] == [1, 2]


def test_a_fit_that_is_finite_and_worse_than_nothing_says_so() -> None:
    model = LinearAutoencoder(K, learner="plain", learning_rate=1e6, max_epochs=5, random_state=0).fit(rows())
    error = model.reconstruction_error(rows()).mean()
    assert f"The mean squared error is {error:.3g}, " in model.fit_.status
    assert "Try a learning_rate below 1e+06." in model.fit_.status
    bound = -0.5 * error - 0.5 * D * np.log(2 * np.pi)  # its parts are many times as large, and would leave no digits
    assert model.history_[-1]["bound"] == pytest.approx(bound, rel=1e-6)
    assert "learning_rate" not in by_status(learning_rate=0.01)


def by_status(**options: Any) -> str:
    return LinearAutoencoder(K, learner="plain", max_epochs=2, random_state=0, **options).fit(rows()).fit_.status


def test_the_plan_says_which_units_are_which() -> None:
    x = rows()
    told = lambda **options: LinearAutoencoder(K, max_epochs=1, **options).fit(x)  # noqa: E731
    assert told().plan_.sentences[0].endswith("codes and errors are in the user's units.")
    assert told().total_variance_ == pytest.approx(x.var(0).sum())
    scaled = told(scale="standard")
    assert "codes and errors are in the units that the scaling gives" in scaled.plan_.sentences[0]
    assert scaled.total_variance_ == pytest.approx(D)  # of columns of variance one
    vae = told(learner="linear-vae").plan_.sentences[0]
    assert "one learnt scale" in vae
    assert "scale one" not in vae


# --- logistic PCA ----------------------------------------------------------------------------------------------------


def bits(n: int = 60, d: int = 6) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((n, d)) < 1 / (1 + np.exp(-2 * rng.normal(size=(n, 2)) @ rng.normal(size=(2, d))))).astype(float)


def joint_objective(model: LogisticPCA, x: torch.Tensor) -> float:
    z = model.best_point(x)
    squares = z.square().sum() + len(x) * (model.axes.square().sum() + model.loc.square().sum())
    return float((model.log_likelihood(x, z.unsqueeze(0)).sum() - 0.5 * model.ridge * squares).detach())


def test_alternating_never_falls_and_ends_at_a_joint_optimum() -> None:
    x, ridge = bits(40), 0.05
    n, d = x.shape
    torch.manual_seed(0)
    model = LogisticPCA(d, 2, ridge=ridge)
    heights: list[float] = []
    t = torch.as_tensor(x)

    def watch(loop: object) -> None:
        heights.append(joint_objective(model, t))

    latentia.fit(model, Alternating(tol=0.0), t, max_epochs=300, precision="float64", callbacks=[watch])
    assert (np.diff(heights) > -1e-7).all()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        z, w, loc = flat[: 2 * n].reshape(n, 2), flat[2 * n : 2 * n + 2 * d].reshape(d, 2), flat[-d:]
        logits = loc + z @ w.T
        slope = 1 / (1 + np.exp(-logits)) - x
        value = (np.logaddexp(0, logits) - x * logits).sum() + 0.5 * ridge * (
            (z**2).sum() + n * ((w**2).sum() + (loc**2).sum())
        )
        gradient = (slope @ w + ridge * z, slope.T @ z + n * ridge * w, slope.sum(0) + n * ridge * loc)
        return value, np.concatenate([g.ravel() for g in gradient])

    z = model.best_point(t)
    here = np.concatenate([part.detach().numpy().ravel() for part in (z, model.axes, model.loc)])
    assert loss(here)[0] == pytest.approx(-heights[-1], rel=1e-9)
    better = minimize(loss, here, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15}).fun
    assert heights[-1] == pytest.approx(-better, abs=0.05)  # no better one can be reached from here
    axes = model.axes.detach()
    assert abs(float(axes[:, 0] @ axes[:, 1])) < 1e-9  # orthogonal, the longest first
    assert axes[:, 0].norm() >= axes[:, 1].norm()


def test_the_gradient_reaches_what_turns_reach() -> None:
    t = torch.as_tensor(bits(40))
    ends = []
    for learner in (
        Alternating(tol=1e-5),
        AmortizedVI(BestPoint(), bound=latentia.bounds.Reconstruction(), learning_rate=0.05),
    ):
        torch.manual_seed(0)
        model = LogisticPCA(6, 2, ridge=0.05)
        latentia.fit(model, learner, t, batch_size=60, max_epochs=150, precision="float64")
        ends.append(joint_objective(model, t) / len(t))
    assert ends[1] == pytest.approx(ends[0], abs=0.01)


# --- refusals --------------------------------------------------------------------------------------------------------


def deep() -> Decoder:
    return Decoder(Conditional(MLP(K, D), Bernoulli((D,)), (K,)))


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (PrincipalAxes(Point(nn.Linear(D, K))), "Use AmortizedVI"),
        (LinearGradient(Point(nn.Linear(D, K))), "Use AmortizedVI"),
        (LinearVAE(Amortized(Conditional(nn.Linear(D, 2 * K), Normal((K,)), (D,), joint=True))), "Use AmortizedVI"),
        (Alternating(), "Use AmortizedVI"),
    ],
)
def test_a_deep_decoder_has_no_closed_form(learner, message: str) -> None:
    with pytest.raises(AbilityError, match=message):
        latentia.fit(deep(), learner, torch.zeros(4, D))


def test_settings_that_cannot_be_used() -> None:
    q = Point(nn.Linear(D, K))
    for wrong in ((0.9, 0.1), 0.3, (1,), ("a", "b"), (1, 2, 3), (-1, 1), (0, float("inf")), (float("nan"), 1), "ab"):
        with pytest.raises(ParameterError, match=r"l2=.* cannot be used\. Use two weights of at least 0"):
            LinearGradient(q, l2=wrong)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="rotation"):
        LinearGradient(q, method="turn")
    with pytest.raises(ParameterError, match="randomised"):
        PrincipalAxes(q, solver="lapack")
    with pytest.raises(AbilityError, match="covariance of all columns"):
        LinearGradient(Point(nn.Linear(5000, 1))).check(LinearDecoder(5000, 1))
