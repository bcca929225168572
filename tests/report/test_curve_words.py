"""What the page says the curve is: exact log p(x) only where the learner and the model make it so, else the bound by its name."""

import numpy as np
import pytest
import report_made as made

from latentia import BayesianGaussianMixture, FactorAnalysis, GaussianMixture
from latentia.data import Dataset
from latentia.estimators.linear_autoencoder import LinearAutoencoder
from latentia.report.fit_sections import learning_section
from latentia.report.view import make_view

RNG = np.random.default_rng(0)
COINS = (RNG.random((120, 6)) < 0.4).astype(float)
TABLE = RNG.normal(size=(80, 4)) @ RNG.normal(size=(4, 4))
EXACT = "exact for this model"


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    monkeypatch.setattr("latentia.report.page.png", lambda figure: b"\x89PNG")


def section(estimator, x):
    data = Dataset(x, tuple(f"c{i}" for i in range(x.shape[1])), "rows")
    return learning_section(make_view(estimator.fit(x), data))


def words(estimator, x):
    return " ".join(section(estimator, x).text)


BOUNDS = {
    "reweighted wake-sleep": (
        {"learner": "reweighted-wake-sleep"},
        ["importance-weighted", "k = 10", "goals of its own"],
    ),
    "monte-carlo EM": (
        {"learner": "monte-carlo-em", "learner_options": {"n_proposals": 7}},
        ["importance-weighted", "k = 7", "goals of its own"],
    ),
    "importance weights": ({"bound": "importance-weighted", "n_samples": 5}, ["importance-weighted", "k = 5"]),
    "Renyi": ({"bound": "renyi", "n_samples": 3, "alpha": 0.25}, ["Renyi", "order 0.25", "k = 3"]),
    "wake-sleep": ({"learner": "wake-sleep"}, ["reconstruction term minus the KL", "goals of its own"]),
    "plain": ({}, ["reconstruction term minus the KL"]),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_lower_bound_is_named_and_not_called_exact(name):
    options, wanted = BOUNDS[name]
    said = words(made.vae(device="cpu", **options), COINS)
    assert EXACT not in said
    assert all(part in said for part in wanted), said
    assert ("goals of its own" in said) == ("goals of its own" in wanted)


@pytest.mark.parametrize("cls", [FactorAnalysis, GaussianMixture])
def test_closed_form_em_is_exact(cls):
    said = words(cls(2, random_state=0, max_epochs=5), TABLE)
    assert EXACT in said
    assert ("penalty" in said) == (cls is GaussianMixture)


def test_a_linear_vae_has_a_bound_though_its_model_knows_log_p():
    said = words(LinearAutoencoder(2, learner="linear-vae", max_epochs=2, random_state=0), TABLE)
    assert EXACT not in said
    assert "reconstruction term minus the KL" in said


def test_the_shared_part_of_a_bayesian_mixture_is_said_and_adds_up():
    mixture = BayesianGaussianMixture(2, random_state=0, max_epochs=4, tol=0.0)
    said = words(mixture, TABLE)
    assert "reconstruction term minus the KL term, plus the shared term" in said
    row = mixture.history_[-1]
    assert row["bound"] == pytest.approx(row["reconstruction"] - row["kl"] + row["shared"])


def test_the_picture_names_the_bound_too():
    fits = [
        (made.vae(device="cpu", bound="importance-weighted", n_samples=5), COINS),
        (made.vae(device="cpu"), COINS),
        (BayesianGaussianMixture(2, random_state=0, max_epochs=4), TABLE),
        (FactorAnalysis(2, random_state=0, max_epochs=4), TABLE),
    ]
    assert [section(estimator, x).pictures[0].alt.partition(": ")[2] for estimator, x in fits] == [
        "importance-weighted bound.",
        "bound, reconstruction, kl.",
        "bound, reconstruction, kl, shared.",
        "log p(x).",
    ]


def test_an_error_is_no_bound():
    said = words(made.vae(device="cpu", likelihood="cross-entropy"), np.clip(np.abs(TABLE), 0.01, 0.99))
    assert "no probability density" in said
