"""The scikit-learn facades: conformance, the plan made from the columns, units, frames, save and load."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentia
from latentia import VAE, FactorAnalysis, GaussianMixture, ProbabilisticPCA
from latentia.errors import AbilityError, DataError, ParameterError, RunError
from latentia.estimators import EXPECTED_FAILED_CHECKS
from latentia.estimators.plan import column_kind, make_plan

ESTIMATORS = [
    VAE(n_latent=2, hidden=(8,), max_epochs=3, device="cpu"),
    ProbabilisticPCA(n_latent=1),
    FactorAnalysis(n_latent=1),
    GaussianMixture(n_components=2),
]
IRIS = load_iris().data
BITS = (np.random.default_rng(0).random((60, 6)) < 0.4).astype(np.uint8)
GREY = np.random.default_rng(1).integers(0, 256, (60, 6)).astype(np.uint8)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED_FAILED_CHECKS[type(estimator).__name__]
)
def test_conformance(estimator: Any, check: Any) -> None:
    check(estimator)


def test_only_a_stochastic_learner_may_fail_and_only_one_check() -> None:
    kinds = {name.replace("weights", "weight") for table in EXPECTED_FAILED_CHECKS.values() for name in table}
    assert kinds == {"check_sample_weight_equivalence_on_dense_data"}
    assert {name for name, table in EXPECTED_FAILED_CHECKS.items() if table} == {
        "Autoencoder",
        "DenoisingAutoencoder",
        "VAE",
    }


def tiny(**options: Any) -> VAE:
    return VAE(**{"n_latent": 2, "hidden": (8,), "max_epochs": 3, "device": "cpu", "random_state": 0, **options})


PLANS = {
    "bits": (BITS, {}, "bernoulli", "none", None),
    "grey bytes": (GREY, {}, "normal", "unit (0..255 to [0, 1])", (0.0, 255.0)),
    "digits as floats": (load_digits().data[:50], {}, "normal", "unit (0..16 to [0, 1])", (0.0, 16.0)),
    "real": (IRIS, {}, "normal", "standard (each column to mean 0, deviation 1)", None),
    "grey as continuous Bernoulli": (
        GREY, {"likelihood": "continuous-bernoulli"}, "continuous-bernoulli", "unit ((0..255) shared out over [0, 1])", (0.0, 255.0),
    ),
    "grey as cross-entropy": (GREY, {"likelihood": "cross-entropy"}, "cross-entropy", "unit (0..255 to [0, 1])", None),
    "real to unit": (IRIS, {"likelihood": "continuous-bernoulli", "scale": "unit"}, "continuous-bernoulli", "unit (each column's range to [0, 1])", None),
    "categories": (GREY % 5, {"likelihood": "categorical"}, "categorical", "none", None),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*columns are constant")
@pytest.mark.parametrize("name", PLANS)
def test_the_likelihood_follows_from_the_columns(name: str) -> None:
    x, options, likelihood, scaling, levels = PLANS[name]
    model = tiny(**options).fit(x)
    assert model.plan_.likelihood == likelihood
    assert model.plan_.scaling.text == scaling
    assert model.plan_.scaling.levels == levels
    assert likelihood in model.plan_.sentences[0]
    assert ("Dequantisation" in " ".join(model.plan_.sentences)) == (levels is not None)
    assert model.transform(x).shape == (len(x), 2)
    assert np.isfinite(model.reconstruct(x)).all()
    assert np.isfinite(model.sample(5)).all()
    if likelihood != "cross-entropy":
        assert np.isfinite(model.score_samples(x)).all()


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (GREY / 255, {"likelihood": "bernoulli"}, "Grey pixels are not coin flips"),
        (IRIS, {"likelihood": "continuous-bernoulli"}, "between 0 and 1"),
        (IRIS, {"likelihood": "continuous-bernoulli", "scale": "standard"}, "scale='standard'"),
        (IRIS, {"likelihood": "categorical"}, "whole numbers"),
        (IRIS, {"binarize": "stochastic"}, "grey levels"),
        (IRIS, {"network": "conv"}, "image_shape"),
        (IRIS, {"scale": "log"}, "none, standard, unit"),
        (IRIS, {"kl_weight": 0.5, "bound": "importance-weighted"}, "KL weight"),
        (IRIS, {"validation_fraction": 1.5}, "validation_fraction"),
        (IRIS, {"n_latent": 0}, "n_latent=0"),
        (IRIS, {"random_state": -1}, "random_state"),
        (IRIS, {"hidden": (0,)}, "at least one unit"),
        (np.array([[1 + 1j, 2], [3, 4]]), {}, "Complex"),
        (IRIS[:1], {}, "1 sample"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(x: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, ParameterError, AbilityError), match=message):
        tiny(**options).fit(x)


def test_column_kinds() -> None:
    assert column_kind(np.array([[0.0, 1.0]])) == "binary"
    assert column_kind(np.array([[0, 7]])) == "grey"
    assert column_kind(np.array([[-1, 7]])) == "real"
    assert column_kind(np.array([[0, 256]])) == "real"


@pytest.mark.parametrize("scale", ["none", "standard", "unit"])
@pytest.mark.parametrize("cls", [ProbabilisticPCA, FactorAnalysis, GaussianMixture])
def test_densities_are_in_the_users_units(cls: Any, scale: str) -> None:
    model = cls(2, scale=scale, random_state=0).fit(IRIS)
    mean = model.sample(20_000).mean(0)
    assert mean == pytest.approx(IRIS.mean(0), abs=0.2)
    inner = model.model_
    if cls is GaussianMixture:
        w, m, c = (t.detach().numpy() for t in (inner.weights(), inner.means(), inner.covariances()))
        by_hand = np.log(sum(w[k] * multivariate_normal(m[k], c[k]).pdf(IRIS) for k in range(2)))
    else:
        by_hand = multivariate_normal(inner.mean().numpy(), inner.covariance().numpy()).logpdf(IRIS)
    assert model.score_samples(IRIS) == pytest.approx(by_hand, abs=1e-8)


def test_vae_density_is_in_the_users_units() -> None:
    """7.3 times the units is log 7.3 less per cell; the networks see the same numbers."""
    a = tiny().fit(IRIS)
    b = tiny().fit(IRIS * 7.3)
    assert b.score(IRIS * 7.3, evidence="elbo") == pytest.approx(
        a.score(IRIS, evidence="elbo") - 4 * np.log(7.3), abs=0.05
    )
    assert b.sample(2000).mean(0) == pytest.approx(7.3 * a.sample(2000).mean(0), rel=0.05)


def test_ppca_agrees_with_scikit_learn() -> None:
    ours = ProbabilisticPCA(2, tol=1e-12).fit(IRIS)
    closed = ProbabilisticPCA(2, learner="closed-form").fit(IRIS)
    theirs = PCA(2).fit(IRIS)
    n = len(IRIS)
    # Theirs divides the covariance by n - 1; the maximum of the likelihood divides by n.
    assert ours.score(IRIS) == pytest.approx(closed.score(IRIS), abs=1e-9)
    shrunk = PCA(2).fit(np.sqrt((n - 1) / n) * (IRIS - IRIS.mean(0)))
    assert closed.score(IRIS) == pytest.approx(shrunk.score(IRIS - IRIS.mean(0)), abs=1e-9)
    assert closed.score(IRIS) >= theirs.score(IRIS)


def test_mixture_has_the_information_criteria_of_scikit_learn() -> None:
    for covariance in ("full", "tied", "diag", "spherical"):
        ours = GaussianMixture(2, covariance=covariance, regulariser=0, random_state=0, scale="none").fit(IRIS)
        theirs = SklearnMixture(
            2, covariance_type=covariance, reg_covar=0, tol=1e-9, max_iter=1000, random_state=0
        ).fit(IRIS)
        assert ours.n_parameters == theirs._n_parameters()
        assert ours.bic(IRIS) == pytest.approx(theirs.bic(IRIS), rel=1e-3)
        assert ours.aic(IRIS) == pytest.approx(theirs.aic(IRIS), rel=1e-3)
    assert ours.predict_proba(IRIS).sum(1) == pytest.approx(1)
    assert (ours.predict(IRIS) == ours.transform(IRIS).argmax(1)).all()


@pytest.mark.parametrize(
    "make", [np.asarray, pd.DataFrame, pl.DataFrame, torch.tensor], ids=["numpy", "pandas", "polars", "torch"]
)
def test_any_table_gives_the_same_numbers(make: Any) -> None:
    table = make(IRIS) if make is not pl.DataFrame else pl.DataFrame(IRIS, schema=["a", "b", "c", "d"])
    if make is pd.DataFrame:
        table.columns = ["a", "b", "c", "d"]
    model = ProbabilisticPCA(2, random_state=0).fit(table)
    assert model.score(table) == pytest.approx(ProbabilisticPCA(2, random_state=0).fit(IRIS).score(IRIS))


def test_frames_out_and_names_checked() -> None:
    frame = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    model = tiny().fit(frame)
    out = model.set_output(transform="pandas").transform(frame)
    assert list(out.columns) == ["vae0", "vae1"]
    with pytest.raises(ValueError, match="feature names"):
        model.score(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="4 features"):
        tiny().fit(IRIS).transform(IRIS[:, :2])


def test_pipeline_search_and_clone() -> None:
    pipe = make_pipeline(StandardScaler(), ProbabilisticPCA(1))
    search = GridSearchCV(pipe, {"probabilisticpca__n_latent": [1, 2]}, cv=3).fit(IRIS)
    assert search.best_params_["probabilisticpca__n_latent"] == 2
    assert clone(tiny(n_latent=5)).n_latent == 5


@pytest.mark.filterwarnings("ignore:.*columns are constant")
def test_images_keep_their_shape_and_convolutions_learn() -> None:
    images = load_digits().images[:120].astype(np.uint8)
    model = tiny(network="conv", hidden=(16,), max_epochs=8).fit(images)
    assert model.image_shape_ == (8, 8)
    bounds = [row["bound"] for row in model.history_ if row["split"] == "train"]
    assert bounds[-1] > bounds[0]
    assert model.reconstruct(images).shape == (120, 64)


def test_stochastic_binarisation_is_anew_in_training_and_fixed_in_scores() -> None:
    model = tiny(likelihood="bernoulli", binarize="stochastic").fit(GREY)
    assert model.plan_.likelihood == "bernoulli"
    assert model.score_samples(GREY) == pytest.approx(model.score_samples(GREY))
    part = model.score_samples(GREY[::-1])[::-1]
    assert part == pytest.approx(model.score_samples(GREY), abs=1e-10)
    assert set(np.unique(model.sample(20))) <= {0.0, 1.0}


def test_row_scores_ignore_neighbours_and_dtype_comes_back() -> None:
    model = tiny().fit(IRIS)
    assert model.score_samples(IRIS[3:4]) == pytest.approx(model.score_samples(IRIS)[3:4], abs=1e-10)
    assert model.transform(IRIS.astype(np.float32)).dtype == np.float32
    mean, sd = model.transform(IRIS, return_std=True)
    assert mean.shape == sd.shape == (150, 2)
    assert (sd > 0).all()


def test_seeds() -> None:
    assert np.array_equal(tiny().fit(IRIS).sample(3), tiny().fit(IRIS).sample(3))
    assert not np.array_equal(tiny(random_state=1).fit(IRIS).sample(3), tiny().fit(IRIS).sample(3))
    model = tiny().fit(IRIS)
    assert np.array_equal(model.sample(3), model.sample(3))
    assert not np.array_equal(model.sample(3), model.sample(3, random_state=9))
    with pytest.raises(ParameterError, match="n=0"):
        model.sample(0)


@pytest.mark.parametrize(
    "estimator",
    [
        tiny(), tiny(likelihood="continuous-bernoulli", scale="unit"), tiny(noise=0.5), tiny(noise="network"),
        ProbabilisticPCA(2), FactorAnalysis(2), GaussianMixture(3, covariance="tied", random_state=0),
    ],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
def test_save_and_load_give_the_same_numbers(estimator: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    model = clone(estimator).fit(frame)
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.score_samples(frame), model.score_samples(frame))
    assert np.array_equal(again.transform(frame), model.transform(frame))
    assert np.array_equal(again.sample(4), model.sample(4))
    assert again.history_ == model.history_
    assert list(again.feature_names_in_) == ["a", "b", "c", "d"]


def test_load_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        latentia.load(tmp_path / "nothing")
    (tmp_path / "run.json").write_text('{"format": 1}')
    with pytest.raises(RunError, match="no estimator"):
        latentia.load(tmp_path)


def test_a_run_folder_from_python_resumes(tmp_path: Path) -> None:
    whole = tiny(random_state=4, max_epochs=6).fit(IRIS)
    tiny(random_state=4, max_epochs=2).fit(IRIS, run=tmp_path / "run")
    with pytest.raises(RunError, match="kept"):
        tiny(random_state=4).fit(IRIS, run=tmp_path / "run")
    rest = tiny(random_state=None, max_epochs=6).fit(IRIS, run=tmp_path / "run", resume=True)
    assert np.array_equal(rest.sample(3), whole.sample(3))


def test_a_fit_that_fails_at_once_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ParameterError):
        tiny(max_epochs=0).fit(IRIS, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "estimator", [tiny(warm_start=True), ProbabilisticPCA(1, warm_start=True), GaussianMixture(2, warm_start=True)]
)
def test_warm_start_goes_on(estimator: Any) -> None:
    model = clone(estimator).set_params(random_state=0).fit(IRIS)
    first = model.history_[0]["bound"]
    assert model.fit(IRIS).history_[0]["bound"] >= first


def test_constant_columns_are_named_once_or_refused_where_the_density_is_unbounded() -> None:
    x = np.hstack([IRIS, np.full((150, 1), 3.0)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tiny().fit(x)
        ProbabilisticPCA(2).fit(x)
    assert sum("constant (4)" in str(w.message) for w in caught) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError):
            FactorAnalysis(2).fit(x)
        with pytest.raises(DataError):
            GaussianMixture(2, regulariser=0).fit(x)


def test_verbose_says_what_was_chosen(capsys: Any) -> None:
    tiny(verbose=1).fit(IRIS)
    out = capsys.readouterr().out
    assert "likelihood: normal" in out
    assert "epoch 3/3" in out


def test_weights_count_in_the_score() -> None:
    model = ProbabilisticPCA(2).fit(IRIS)
    weight = np.arange(150.0)
    assert model.score(IRIS, sample_weight=weight) == pytest.approx(
        np.average(model.score_samples(IRIS), weights=weight)
    )
    with pytest.raises(DataError):
        model.score(IRIS, sample_weight=-weight)


def test_plan_floor_is_stated() -> None:
    plan = make_plan(IRIS, "auto", "auto")
    assert plan.floor == pytest.approx(0.01)
    assert "at least 0.01" in plan.sentences[1]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["u", "v"] * 10, "holds text, not numbers: row 0 is 'u'"),
        (pd.Categorical(["u", "v"] * 10), "holds text, not numbers: row 0 is 'u'"),
        (pd.date_range("2020", periods=20), "holds timestamp"),
        (pd.array([{"a": 1}] * 20, dtype=object), "kind"),
    ],
    ids=["text", "categories", "dates", "objects"],
)
def test_a_column_of_a_frame_that_holds_no_numbers_is_named(column: Any, words: str) -> None:
    frame = pd.DataFrame({"size": np.arange(20.0), "kind": column})
    with pytest.raises(DataError, match="column 'kind'") as caught:
        latentia.ProbabilisticPCA(1).fit(frame)
    assert words in str(caught.value)
