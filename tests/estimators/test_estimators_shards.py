"""Estimators on rows that stay on a disk, beside the same estimators on the same rows in memory."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from latentia.data import Shards, open_shards
from latentia.errors import DataError, ParameterError
from latentia.estimators import VAE, FactorAnalysis, GaussianMixture, ProbabilisticPCA, given, load
from latentia.estimators.facts import ArrayFacts, StreamFacts
from latentia.estimators.plan import check_support, make_plan
from latentia.evidence import estimate

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(900, 2)) @ RNG.normal(size=(2, 4)) + 0.3 * RNG.normal(size=(900, 4)) + [0, 1, 1e3, -3]
WEIGHT = RNG.random(900) * (RNG.random(900) > 0.2)
COLUMNS = ("a", "b", "c", "d")


def write(
    folder: Path, x: np.ndarray, weight: np.ndarray | None = None, sizes: tuple[int, ...] = (300, 0, 17)
) -> Shards:
    folder.mkdir()
    for number, part in enumerate(np.split(np.arange(len(x)), np.cumsum(sizes))):
        table = {name: x[part, j] for j, name in enumerate(COLUMNS[: x.shape[1]])}
        table |= {} if weight is None else {"weight": weight[part]}
        pq.write_table(pa.table(table), folder / f"part-{number}.parquet", row_group_size=50)
    return open_shards(folder, weight=None if weight is None else "weight")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and pieces of a few rows, so that small tables have many."""
    monkeypatch.setattr("latentia.data.shards.BLOCK_BYTES", 4000)
    monkeypatch.setattr("latentia.estimators.streaming.ROWS_AT_ONCE", 33)


EXACT = [
    (ProbabilisticPCA, {"n_latent": 2}),
    (ProbabilisticPCA, {"n_latent": 2, "learner": "closed-form"}),
    (FactorAnalysis, {"n_latent": 1}),
    (GaussianMixture, {"n_components": 2, "random_state": 0}),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("cls", "params"), EXACT, ids=lambda v: getattr(v, "__name__", ""))
def test_exact_em_learns_the_same(cls: Any, params: Any, weighted: bool, tmp_path: Path, small_blocks: None) -> None:
    weight = WEIGHT if weighted else None
    shards = write(tmp_path / "t", ROWS, weight)
    params = {**params, "max_epochs": 30, "batch_size": 128, "tol": 0}
    memory = cls(**params).fit(ROWS, sample_weight=weight)
    stream = cls(**params).fit(shards)
    assert stream.plan_.sentences == memory.plan_.sentences
    assert stream.columns_ == COLUMNS
    assert stream.n_rows_in_ == 900
    assert stream.score(shards) == pytest.approx(memory.score(ROWS, sample_weight=weight), abs=1e-7)
    latents = list(stream.transform_blocks(shards))
    assert len(latents) > 20
    np.testing.assert_allclose(np.concatenate(latents), stream.transform(ROWS), rtol=0, atol=1e-9)


def test_a_vae_learns_from_shards(tmp_path: Path, small_blocks: None) -> None:
    shards = write(tmp_path / "t", ROWS)
    vae = VAE(
        n_latent=2, hidden=(16,), max_epochs=100, patience=None, batch_size=256, learning_rate=0.03, random_state=0
    ).fit(shards)
    memory = VAE(
        n_latent=2, hidden=(16,), max_epochs=100, patience=None, batch_size=256, learning_rate=0.03, random_state=0
    ).fit(ROWS)
    assert vae.plan_.sentences == memory.plan_.sentences
    assert vae.held_out_rows_ is not None
    assert len(vae.held_out_rows_) == 90
    ours, theirs = (model.score(ROWS, evidence="elbo") for model in (vae, memory))
    assert ours == pytest.approx(theirs, abs=0.3)  # the same rows in another order
    held_out = [row["bound"] for row in vae.history_ if row["split"] == "validation"]
    assert held_out[-1] > held_out[0]
    with pytest.raises(DataError, match="Shards came, where rows in memory"):
        vae.transform(shards)


def test_totals_are_the_estimate_of_all_rows(tmp_path: Path, small_blocks: None) -> None:
    shards = write(tmp_path / "t", ROWS, WEIGHT)
    vae = VAE(n_latent=2, hidden=(8,), max_epochs=2, random_state=0).fit(ROWS)
    for evidence in ("elbo", "importance"):
        whole = vae.evidence(ROWS, evidence, 50, WEIGHT)
        parts: list[Any] = []
        found = vae.totals(shards, evidence=evidence, n_samples=50, each=parts.append)
        np.testing.assert_allclose(np.concatenate([part.values for part in parts]), whole.values, rtol=1e-9)
        direct = estimate(evidence, vae.model_, vae.posterior_, shards, n_samples=50)
        assert direct.weight is not None
        assert direct.mean == pytest.approx(whole.mean, rel=1e-9)
        theirs, ours = (
            {k: re.sub(r"median [\d.]+", "", v) if k == "warning" else v for k, v in e.as_dict().items()}
            for e in (whole, found)
        )
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            close = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            assert ours[name] == (pytest.approx(value, abs=0.5) if name == "ess_median" else close), name
        assert str(found).split(";")[0] == str(whole).split(";")[0]


def test_a_resumed_stream_ends_with_the_same_bits(tmp_path: Path) -> None:
    shards = write(tmp_path / "t", ROWS, WEIGHT)
    params = {"n_latent": 2, "hidden": (8,), "max_epochs": 6, "batch_size": 64, "random_state": 0}
    whole = VAE(**params).fit(shards, run=tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(loop: Any) -> None:
        loop.save()
        if loop.batches.epoch == 3:
            raise Stop

    with pytest.raises(Stop):
        VAE(**params).fit(shards, run=tmp_path / "cut", callbacks=[stop])
    resumed = VAE(**params).fit(open_shards(tmp_path / "t", weight="weight"), run=tmp_path / "cut", resume=True)
    ours, theirs = resumed.fit_.tensors(), whole.fit_.tensors()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert load(tmp_path / "cut").score(shards) == resumed.score(shards)


LEVELS = RNG.integers(0, 17, size=(200, 3))
PLANS = [
    (ROWS, "auto", "auto"),
    (ROWS, "normal", "unit"),
    (LEVELS, "auto", "auto"),
    (LEVELS.astype(np.float64), "continuous-bernoulli", "unit"),
    (LEVELS, "categorical", "auto"),
    (LEVELS % 2, "auto", "auto"),
    (np.column_stack([ROWS[:, :2], np.full(900, 7.5)]), "auto", "auto"),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("x", "likelihood", "scale"), PLANS)
def test_a_plan_of_a_stream_is_that_of_the_array(
    x: np.ndarray, likelihood: str, scale: str, weighted: bool, tmp_path: Path, small_blocks: None
) -> None:
    weight = WEIGHT[: len(x)] if weighted else None
    shards = write(tmp_path / "t", x, weight)
    facts = StreamFacts(shards.columns, "t")
    for block in shards.blocks():
        facts.add(block)
    ours, theirs = make_plan(facts, likelihood, scale), make_plan(x, likelihood, scale, weight)
    assert (ours.kind, ours.likelihood, ours.sentences) == (theirs.kind, theirs.likelihood, theirs.sentences)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(ours.sd, theirs.sd, rtol=1e-9, atol=0)
    assert np.array_equal(facts.low, ArrayFacts(x).low)
    assert np.array_equal(facts.high, ArrayFacts(x).high)


BAD = [
    ("bernoulli", 0.5, "needs values of 0 and 1; column b holds 0.5"),
    ("categorical", 0.5, "needs whole numbers from 0 to 1; column b holds 0.5"),
    ("categorical", -1.0, "column b holds -1"),
    ("continuous-bernoulli", 1.5, "between 0 and 1; column b holds 1.5"),
]


@pytest.mark.parametrize(("likelihood", "value", "sentence"), BAD)
def test_a_value_without_a_density_is_found_in_a_stream(
    likelihood: str, value: float, sentence: str, tmp_path: Path
) -> None:
    x = RNG.integers(0, 2, size=(200, 3)).astype(np.float64)
    x[150, 1] = value
    shards = write(tmp_path / "t", x)
    with pytest.raises(DataError, match=sentence):
        VAE(likelihood=likelihood, scale="none", max_epochs=1).fit(shards)
    facts = StreamFacts(shards.columns, "t")
    facts.add(shards.read(shards.source.groups))
    plan = make_plan(np.zeros((2, 3)), "bernoulli", "none")
    with pytest.raises(DataError, match="column b holds"):
        check_support(facts, plan, plan.family(3, "auto"), shards.columns)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_cells_that_are_no_numbers_are_named(bad: float, tmp_path: Path, small_blocks: None) -> None:
    x = ROWS.copy()
    x[567, 2] = bad
    shards = write(tmp_path / "t", x)
    for learn in (ProbabilisticPCA().fit, ProbabilisticPCA().fit(ROWS).score):
        with pytest.raises(DataError, match=rf"row 567, column 'c' is {bad}"):
            learn(shards)


def test_what_an_estimator_refuses(tmp_path: Path) -> None:
    shards = write(tmp_path / "t", ROWS)
    with pytest.raises(ParameterError, match="weights of shards are one of their columns"):
        ProbabilisticPCA().fit(shards, sample_weight=np.ones(900))
    with pytest.raises(DataError, match="1 rows came, at least 2"):
        ProbabilisticPCA().fit(shards.leave_out(np.arange(899)))
    other = open_shards(tmp_path / "t", columns=["b", "a", "c", "d"])
    fitted = ProbabilisticPCA().fit(shards)
    with pytest.raises(DataError, match="in another order"):
        fitted.score(other)
    with pytest.raises(DataError, match="has 3 columns, 4 were expected"):
        fitted.score(open_shards(tmp_path / "t", drop=["a"]))


def test_rows_held_out_are_not_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MAX_HELD_OUT", 50)
    shards = write(tmp_path / "t", ROWS)
    seen: list[np.ndarray] = []

    def watch(loop: Any) -> None:
        seen.append(np.concatenate([batch.index.numpy() for batch in loop.batches.in_order()]))
        assert np.array_equal(loop.validation.x.numpy(), ROWS[vae.held_out_rows_])

    vae = VAE(n_latent=1, hidden=(4,), max_epochs=1, random_state=0)
    vae.fit(shards, callbacks=[watch])
    assert vae.held_out_rows_ is not None
    assert len(vae.held_out_rows_) == 50
    assert np.array_equal(seen[0], np.setdiff1d(np.arange(900), vae.held_out_rows_))


def test_binarised_streams(tmp_path: Path, small_blocks: None) -> None:
    shards = write(tmp_path / "t", LEVELS)
    params: dict[str, Any] = {
        "n_latent": 1,
        "hidden": (4,),
        "max_epochs": 2,
        "random_state": 0,
        "binarize": "stochastic",
    }
    stream, memory = (VAE(likelihood="bernoulli", **params).fit(x) for x in (shards, LEVELS))
    assert vars(stream.binarise_) == vars(memory.binarise_)
    assert stream.plan_.sentences == memory.plan_.sentences
    np.testing.assert_allclose(stream.plan_.mean, memory.plan_.mean, rtol=1e-12)
