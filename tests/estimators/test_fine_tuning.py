"""An encoder learnt further by a few labels: what it learns, what is saved, which labels and numbers are refused."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import latentia
from latentia import Autoencoder, DenoisingAutoencoder, LinearAutoencoder, ProbabilisticPCA
from latentia.errors import AbilityError, DataError, ParameterError, RunError
from latentia.estimators import load_latent
from latentia.estimators.fine_tuning import FineTuned, fine_tune

IRIS, SPECIES = load_iris(return_X_y=True)
TINY: dict[str, Any] = {"n_latent": 2, "hidden": (8,), "max_epochs": 3, "device": "cpu", "random_state": 0}


def tiny(**options: Any) -> Autoencoder:
    return Autoencoder(**{**TINY, **options})


@pytest.mark.filterwarnings("ignore:.*columns are constant")
def test_codes_feed_a_classifier() -> None:
    x, y = load_digits(return_X_y=True)
    pipe = make_pipeline(LinearAutoencoder(20), LogisticRegression(max_iter=500))
    assert pipe.fit(x[:800], y[:800]).score(x[800:], y[800:]) > 0.85


@pytest.mark.parametrize("tied", [False, True])
def test_fine_tuning_learns_from_labels_and_leaves_the_source_alone(tied: bool) -> None:
    x, y = load_digits(return_X_y=True)
    names = np.array([f"digit {i}" for i in range(10)])[y]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = tiny(n_latent=16, hidden=(64,), max_epochs=10, tied=tied).fit(x)
    before = model.transform(x)
    tuned = model.fine_tune(x[:300], names[:300], max_epochs=30, learning_rate=3e-3)
    assert tuned.score(x[300:], names[300:]) > 0.8
    assert tuned.predict_proba(x[:5]).sum(1) == pytest.approx(1)
    assert tuned.transform(x).shape == (len(x), 16)
    assert np.array_equal(model.transform(x), before)
    again = model.fine_tune(x[:300], names[:300], max_epochs=30, learning_rate=3e-3)
    assert np.array_equal(again.predict_proba(x), tuned.predict_proba(x))


LABELS = {
    "text": np.array(["setosa", "versicolor", "virginica"])[np.repeat(range(3), 50)],
    "objects": np.array(["a", "b", "c"], dtype=object)[np.repeat(range(3), 50)],
    "whole": np.repeat([7, -1, 3], 50),
    "whole reals": np.repeat([-2.0, 1.0, 4.0], 50),
    "booleans": np.arange(150) < 50,
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("source", [tiny(), tiny(tied=True, scale="standard"), DenoisingAutoencoder(**TINY)])
def test_what_was_fine_tuned_is_saved_and_loaded(source: Any, kind: str, tmp_path: Path) -> None:
    tuned = clone(source).fit(IRIS).fine_tune(IRIS[::3], LABELS[kind][::3], max_epochs=3)
    tuned.save(tmp_path / "run")
    loaded = latentia.load(tmp_path / "run")
    assert loaded.predict(IRIS).tolist() == tuned.predict(IRIS).tolist()
    assert loaded.classes_.dtype == tuned.classes_.dtype
    for name in ("predict_proba", "transform"):
        assert np.array_equal(getattr(loaded, name)(IRIS), getattr(tuned, name)(IRIS))
    assert (loaded.fit_.status, loaded.fit_.history[-1]["bound"]) == (
        tuned.fit_.status,
        tuned.fit_.history[-1]["bound"],
    )
    assert np.array_equal(loaded.source.transform(IRIS), tuned.source.transform(IRIS))
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix in (".pkl", ".pt", ".pickle")]


def test_a_classifier_is_no_estimator_of_latents(tmp_path: Path) -> None:
    tuned = tiny().fit(IRIS).fine_tune(IRIS, LABELS["whole"], max_epochs=1)
    tuned.save(tmp_path)
    with pytest.raises(RunError, match=r"fine-tuned classifier.*source"):
        load_latent(tmp_path)
    assert load_latent(tmp_path / "source").n_latent == tuned.source.n_latent
    record = json.loads((tmp_path / "run.json").read_text())
    del record["classes"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="damaged"):
        latentia.load(tmp_path)


# --- what is seen ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*columns are constant")
@pytest.mark.parametrize("how", [None, "stochastic", "threshold"])
def test_before_anything_is_learnt_the_codes_are_those_of_the_source(how: str | None) -> None:
    x, y = load_digits(return_X_y=True)
    model = tiny(binarize=how, likelihood="normal" if how is None else "bernoulli").fit(x[:300])
    tuned = model.fine_tune(x[:300], y[:300], max_epochs=1, learning_rate=1e-12)
    assert tuned.transform(x[:300]) == pytest.approx(model.transform(x[:300]), abs=1e-5)


def test_coins_are_what_is_learnt_from() -> None:
    """Grey levels a little below and a little above a half are told apart by their coins, and hardly by themselves."""
    y = np.arange(200) % 2
    x = np.where(y, 0.51, 0.49)[:, None] * np.ones((1, 6))
    model = tiny(binarize="threshold", likelihood="bernoulli", max_epochs=5).fit(x)
    tuned = model.fine_tune(x, y, max_epochs=30, learning_rate=0.01)
    assert tuned.predict_proba(x)[np.arange(200), y].min() > 0.9


# --- seeds -----------------------------------------------------------------------------------------------------------

SEEDS: dict[str, tuple[Callable[[], Any], bool]] = {
    "a number": (lambda: 3, True),
    "a RandomState": (lambda: np.random.RandomState(3), True),
    "a Generator": (lambda: np.random.default_rng(3), True),
    "none": (lambda: None, False),
}


@pytest.mark.parametrize("name", SEEDS)
def test_random_state_is_what_it_is_in_scikit_learn(name: str) -> None:
    seed, same = SEEDS[name]
    model = tiny().fit(IRIS)
    global_state = torch.get_rng_state()
    first, again = (model.fine_tune(IRIS, SPECIES, max_epochs=3, random_state=seed()) for _ in range(2))
    assert np.array_equal(first.predict_proba(IRIS), again.predict_proba(IRIS)) == same
    assert torch.equal(torch.get_rng_state(), global_state)


# --- bad input -------------------------------------------------------------------------------------------------------


def labels_with(value: Any, kind: str = "objects") -> np.ndarray:
    y = LABELS[kind].astype(float) if kind == "whole" else LABELS[kind].copy()
    y[5] = value
    return y


BAD_LABELS: dict[str, tuple[Any, str]] = {
    "none at all": (None, "No labels came for 150 rows"),
    "too few": (np.zeros(3), "one label for each row"),
    "columns": (np.zeros((150, 2)), "one label for each row"),
    "ragged": ([[1], [2, 3]] * 75, "one label for each row"),
    "all alike": (np.zeros(150), "nothing to tell apart"),
    "a target": (np.random.default_rng(0).normal(size=150), "row 0 has 0.12573, a fraction.*feed codes to a regressor"),
    "one fraction": (labels_with(0.5, "whole"), "row 5 has 0.5, a fraction"),
    "nan": (labels_with(np.nan, "whole"), "row 5 has nan"),
    "infinite": (labels_with(-np.inf, "whole"), "row 5 has -inf"),
    "one is missing": (labels_with(None), "row 5 has None"),
    "nan among text": (labels_with(np.nan), "row 5 has nan"),
    "a number among text": (labels_with(3), "row 5 has 3"),
    "complex": (SPECIES + 1j, r"row 0 has 1j"),
    "dates": (SPECIES.astype("M8[D]"), "row 0 has datetime.date"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_what_is_no_label_is_refused_in_a_sentence(name: str) -> None:
    labels, words = BAD_LABELS[name]
    with pytest.raises(DataError, match=words) as error:
        tiny().fit(IRIS).fine_tune(IRIS, labels)
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


BAD_CALLS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "rows, none": (lambda: tuned(batch_size=0), ParameterError, "batch_size=0 is too small"),
    "rows, half": (lambda: tuned(batch_size=1.5), ParameterError, "batch_size=1.5"),
    "epochs, none": (lambda: tuned(max_epochs=0), ParameterError, "max_epochs=0"),
    "a rate of text": (lambda: tuned(learning_rate="a"), ParameterError, "learning_rate='a'"),
    "a seed of text": (lambda: tuned(random_state="a"), ParameterError, "random_state='a'"),
    "not fitted": (lambda: tiny().fine_tune(IRIS, SPECIES), NotFittedError, "Autoencoder instance is not fitted"),
    "no encoder": (lambda: fine_tune(ProbabilisticPCA(2), IRIS, SPECIES), AbilityError, "ProbabilisticPCA has no enc"),
    "nothing learnt": (lambda: FineTuned().predict(IRIS), NotFittedError, "autoencoder.fine_tune"),
    "nothing to save": (lambda: FineTuned().save("never"), NotFittedError, "autoencoder.fine_tune"),
    "complex rows": (lambda: tiny().fit(IRIS).fine_tune(IRIS + 1j, SPECIES), DataError, "complex numbers"),
}


def tuned(**options: Any) -> FineTuned:
    return tiny().fit(IRIS).fine_tune(IRIS, SPECIES, **options)


@pytest.mark.parametrize("name", BAD_CALLS)
def test_what_cannot_be_is_refused_in_a_sentence(name: str) -> None:
    call, error, words = BAD_CALLS[name]
    with pytest.raises(error, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)


# --- codes for others ------------------------------------------------------------------------------------------------


def test_codes_feed_a_regressor_whose_number_of_units_is_searched_for() -> None:
    """A target made of two directions: two units are found better than one, and nearly as good as the columns."""
    rng = np.random.default_rng(0)
    two = rng.normal(size=(300, 2))
    x = two @ rng.normal(size=(2, 8)) + 0.05 * rng.normal(size=(300, 8))
    y = two @ [1.0, -1.0]
    encoder = tiny(hidden=(), max_epochs=60, learning_rate=0.02, batch_size=32)
    search = GridSearchCV(make_pipeline(encoder, Ridge()), {"autoencoder__n_latent": [1, 2]}, cv=3).fit(x, y)
    assert search.best_params_ == {"autoencoder__n_latent": 2}
    assert search.best_score_ > 0.9
    assert search.best_score_ == pytest.approx(cross_val_score(Ridge(), x, y, cv=3).mean(), abs=0.05)
