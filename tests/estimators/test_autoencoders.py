"""Autoencoders as estimators: conformance, refusals, tied and pre-trained layers, denoising, few labels, save and load."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentia
from latentia import Autoencoder, DenoisingAutoencoder, LinearAutoencoder, LogisticPCA
from latentia.errors import AbilityError, DataError, ParameterError
from latentia.estimators import EXPECTED_FAILED_CHECKS

IRIS = load_iris().data
DIGITS = load_digits().data[:200]
BITS = (np.random.default_rng(0).random((60, 6)) < 0.4).astype(float)
TINY: dict[str, Any] = {"n_latent": 2, "hidden": (8,), "max_epochs": 3, "device": "cpu", "random_state": 0}


def tiny(**options: Any) -> Autoencoder:
    return Autoencoder(**{**TINY, **options})


def dae(**options: Any) -> DenoisingAutoencoder:
    return DenoisingAutoencoder(**{**TINY, **options})


CONFORMING = [
    LinearAutoencoder(n_latent=1),
    LogisticPCA(n_latent=1, max_epochs=3),
    Autoencoder(n_latent=2, hidden=(8,), max_epochs=2, device="cpu"),
    DenoisingAutoencoder(n_latent=2, hidden=(8,), max_epochs=2, device="cpu"),
]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(CONFORMING, expected_failed_checks=lambda e: EXPECTED_FAILED_CHECKS[type(e).__name__])
def test_conformance(estimator: Any, check: Any) -> None:
    check(estimator)


# --- linear ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["none", "standard", "unit"])
def test_the_closed_form_is_scikit_learns_pca(scale: str) -> None:
    model = LinearAutoencoder(2, scale=scale).fit(IRIS)
    x = {
        "none": IRIS,
        "standard": (IRIS - IRIS.mean(0)) / IRIS.std(0),
        "unit": (IRIS - IRIS.min(0)) / np.ptp(IRIS, axis=0),
    }[scale]
    theirs = PCA(2).fit(x)
    n = len(IRIS)
    assert model.explained_variance_ == pytest.approx(theirs.explained_variance_ * (n - 1) / n)
    left = np.square(x - theirs.inverse_transform(theirs.transform(x))).sum(1).mean()
    assert model.explained_variance_.sum() + left == pytest.approx(model.total_variance_, rel=1e-12)
    unit = IRIS.std(0) if scale == "standard" else np.ptp(IRIS, axis=0) if scale == "unit" else 1.0
    back = theirs.inverse_transform(theirs.transform(x)) * unit
    assert np.ptp(model.reconstruct(IRIS) - back, axis=0) == pytest.approx(0, abs=1e-9)
    assert model.mean_ == pytest.approx(IRIS.mean(0))


def test_the_linear_vae_alone_has_evidence() -> None:
    model = LinearAutoencoder(2, learner="linear-vae", max_epochs=5, random_state=0).fit(IRIS)
    assert model.evidence(IRIS).kind == "lower"
    assert model.evidence(IRIS, "exact").mean >= model.score(IRIS) - 1e-6
    assert model.sample(3).shape == (3, 4)
    with pytest.raises(AbilityError, match="no log p"):
        LinearAutoencoder(2).fit(IRIS).evidence(IRIS)


# --- what an autoencoder is not --------------------------------------------------------------------------------------

FITTED = {
    "linear": lambda: LinearAutoencoder(2).fit(IRIS),
    "logistic": lambda: LogisticPCA(2, max_epochs=3).fit(BITS),
    "ae": lambda: tiny().fit(IRIS),
    "dae": lambda: dae().fit(IRIS),
}


@pytest.mark.parametrize("name", FITTED)
def test_evidence_and_samples_are_refused_in_a_sentence(name: str) -> None:
    model = FITTED[name]()
    x = BITS if name == "logistic" else IRIS
    for method in ("auto", "elbo", "importance", "exact"):
        with pytest.raises(AbilityError, match="reconstruction error"):
            model.evidence(x, method)
    with pytest.raises(AbilityError, match="no distribution of z to draw from"):
        model.sample(2)
    estimate = model.reconstruction(x)
    assert estimate.kind == "error"
    assert "reconstruction, log p(x|z) = " in str(estimate)
    assert model.score(x) == pytest.approx(model.score_samples(x).mean())
    by_hand = np.square(x - model.reconstruct(x)).sum(1)
    assert model.reconstruction_error(x) == pytest.approx(by_hand)


def test_scores_are_squared_errors_in_nats() -> None:
    model = tiny(scale="none").fit(IRIS)
    by_hand = -0.5 * model.reconstruction_error(IRIS) - 2 * np.log(2 * np.pi)
    assert model.score_samples(IRIS) == pytest.approx(by_hand, abs=1e-9)
    weight = np.arange(150.0)
    assert model.score(IRIS, sample_weight=weight) == pytest.approx(np.average(by_hand, weights=weight))


# --- networks --------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "bits": (BITS, {}),
    "digits as cross-entropy": (DIGITS, {"likelihood": "cross-entropy"}),
    "digits as counts": (DIGITS, {"likelihood": "poisson"}),
    "digits as coins": (DIGITS, {"binarize": "stochastic", "likelihood": "bernoulli", "pretrain_epochs": 1}),
    "learnt noise": (IRIS, {"noise": "network"}),
    "tied": (IRIS, {"tied": True}),
    "tied, pre-trained": (IRIS, {"tied": True, "pretrain_epochs": 2, "hidden": (8, 6)}),
    "pre-trained": (IRIS, {"pretrain_epochs": 2, "hidden": (8, 6)}),
    "penalties": (IRIS, {"sparsity": 0.1, "contraction": 0.1}),
    "linear": (IRIS, {"hidden": ()}),
    "convolutions": (DIGITS, {"network": "conv", "image_shape": (8, 8)}),
    "convolutions of odd sizes": (DIGITS[:, :35], {"network": "conv", "image_shape": (7, 5)}),
}


@pytest.mark.filterwarnings("ignore:.*columns are constant")
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_learns_saves_and_loads(name: str, tmp_path: Path) -> None:
    x, options = KINDS[name]
    model = tiny(**{"max_epochs": 8, "validation_fraction": 0, **options}).fit(x)
    history = [row["bound"] for row in model.history_]
    assert history[-1] > history[0]
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.transform(x), model.transform(x))
    assert np.array_equal(again.score_samples(x), model.score_samples(x))
    assert again.history_ == model.history_


@pytest.mark.parametrize(
    "estimator",
    [
        LinearAutoencoder(2),
        LinearAutoencoder(2, learner="rotation", max_epochs=2),
        LogisticPCA(2, max_epochs=3, random_state=0),
        dae(),
    ],
    ids=lambda e: f"{type(e).__name__}-{getattr(e, 'learner', '')}",
)
def test_the_others_save_and_load(estimator: Any, tmp_path: Path) -> None:
    x = BITS if isinstance(estimator, LogisticPCA) else IRIS
    model = clone(estimator).fit(x)
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert np.array_equal(again.transform(x), model.transform(x))
    assert np.array_equal(again.reconstruct(x), model.reconstruct(x))
    for name in ("components_", "explained_variance_", "total_variance_", "noise_scale_"):
        if hasattr(model, name):
            assert np.array_equal(getattr(again, name), getattr(model, name)), name
    if isinstance(model, DenoisingAutoencoder):
        assert np.array_equal(again.score_field(x), model.score_field(x))


@pytest.mark.filterwarnings("ignore:.*columns are constant")
def test_pre_trained_layers_begin_where_their_own_autoencoders_ended() -> None:
    """In its first epoch the deep one is better than one that begins at random; and it begins the same each time."""
    x = DIGITS / 16
    options = {"hidden": (32, 16), "learning_rate": 0.01, "max_epochs": 1, "batch_size": 50, "validation_fraction": 0}
    first = [tiny(pretrain_epochs=n, **options).fit(x).history_[0]["bound"] for n in (0, 5)]
    assert first[1] > first[0] + 0.5
    assert tiny(pretrain_epochs=2, **options).fit(x).transform(x) == pytest.approx(
        tiny(pretrain_epochs=2, **options).fit(x).transform(x)
    )


def test_tied_weights_are_one_and_the_same() -> None:
    model = tiny(tied=True, hidden=(8, 6)).fit(IRIS)
    assert not list(model.posterior_.parameters())
    encoder = model.encoder_network()
    z = torch.as_tensor(model.transform(IRIS))
    weights = [part for part in encoder.modules() if isinstance(part, torch.nn.Linear)]
    h = z
    for i, (layer, bias) in enumerate(zip(reversed(weights), model.model_.conditional.network.biases)):
        h = h @ layer.weight + bias.bias
        h = torch.relu(h) if i < 2 else h
    assert model.model_.scaling.to_user(h).numpy() == pytest.approx(model.reconstruct(IRIS), abs=1e-9)


def test_a_sparsity_penalty_makes_codes_smaller() -> None:
    codes = [np.abs(tiny(max_epochs=30, sparsity=s).fit(IRIS).transform(IRIS)).mean() for s in (0.0, 1.0)]
    assert codes[1] < 0.5 * codes[0]


# --- denoising -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corruption", ["gaussian", "masking", "salt-and-pepper", lambda x: x * 0.9])
def test_every_corruption_learns_to_be_undone(corruption: Any, tmp_path: Path) -> None:
    model = dae(corruption=corruption, max_epochs=10, validation_fraction=0).fit(IRIS)
    history = [row["bound"] for row in model.history_]
    assert history[-1] > history[0]
    assert model.denoise(IRIS).shape == IRIS.shape
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert np.array_equal(again.denoise(IRIS), model.denoise(IRIS))
    if callable(corruption):
        with pytest.raises(ParameterError, match="corruption=None"):
            again.fit(IRIS)


def test_a_linear_denoiser_is_the_wiener_filter_and_its_score_that_of_a_normal() -> None:
    """For normal rows E[x | x + noise] is linear: mean + C (C + s^2)^-1 (y - mean), whatever the units of the columns."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2)) @ np.array([[2.0, 0.0], [1.0, 0.5]]) + [3.0, -1.0]
    scale = 0.8
    options = {"hidden": (), "max_epochs": 40, "batch_size": 500, "learning_rate": 0.02, "schedule": "cosine"}
    model = dae(n_latent=2, noise_scale=scale, validation_fraction=0, **options).fit(x)
    smoothed = np.cov(x.T, bias=True) + scale**2 * np.eye(2)
    y = x[:500] + scale * rng.normal(size=(500, 2))
    score = -np.linalg.solve(smoothed, (y - x.mean(0)).T).T
    error = np.linalg.norm(model.score_field(y) - score) / np.linalg.norm(score)
    assert error < 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"corruption": "masking"}, {"corruption": "salt-and-pepper"}, {"corruption": lambda x: x},
        {"likelihood": "laplace"}, {"noise": "per-feature"},
    ],
)  # fmt: skip
def test_a_score_is_refused_where_there_is_none(options: dict[str, Any]) -> None:
    with pytest.raises(AbilityError, match="only for additive Gaussian noise and squared error"):
        dae(**options).fit(IRIS).score_field(IRIS)


def test_the_noise_scale_is_in_the_users_units() -> None:
    model = dae().fit(IRIS)
    assert model.noise_scale_ == pytest.approx(0.5 * np.sqrt(IRIS.var(0).mean()))
    assert dae().fit(10 * IRIS).noise_scale_ == pytest.approx(10 * model.noise_scale_)
    assert dae(noise_scale=0.2).fit(IRIS).noise_scale_ == 0.2


# --- bad input -------------------------------------------------------------------------------------------------------

BAD: list[tuple[Any, np.ndarray, type[Exception], str]] = [
    (tiny(n_latent=0), IRIS, ParameterError, "n_latent=0"),
    (tiny(tied=True, network="conv", image_shape=(2, 2)), IRIS, ParameterError, "network='mlp'"),
    (tiny(tied=True, noise="network"), IRIS, ParameterError, "tied=False"),
    (tiny(network="conv"), IRIS, ParameterError, "image_shape"),
    (tiny(sparsity=-1.0), IRIS, ParameterError, "sparsity"),
    (tiny(likelihood="bernoulli"), IRIS, DataError, "0 and 1"),
    (tiny(), IRIS + 1j, DataError, "Complex"),
    (tiny(), IRIS[:1], DataError, "1 sample"),
    (dae(noise_scale=-1.0), IRIS, ParameterError, "noise_scale=-1"),
    (dae(noise_scale=1e9), IRIS, ParameterError, "destroys everything"),
    (dae(corruption="masking", corruption_share=1.0), IRIS, ParameterError, "everything is destroyed"),
    (dae(corruption=lambda x: 0 * x), IRIS, DataError, "destroys everything"),
    (dae(corruption="blur"), IRIS, ParameterError, "salt-and-pepper"),
    (LogisticPCA(2, likelihood="bernoulli"), IRIS, DataError, "cross-entropy"),
    (LogisticPCA(2, learner="newton"), BITS, ParameterError, "alternating"),
    (LinearAutoencoder(2, learner="sgd"), IRIS, ParameterError, "rotation"),
    (LinearAutoencoder(2, solver="qr"), IRIS, ParameterError, "randomised"),
]


@pytest.mark.parametrize(("estimator", "x", "error", "message"), BAD)
def test_what_cannot_be_is_refused_in_a_sentence(estimator: Any, x: np.ndarray, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        clone(estimator).fit(x)


@pytest.mark.parametrize("estimator", [tiny(n_latent=6), LinearAutoencoder(4), LogisticPCA(7, max_epochs=2)])
def test_as_many_units_as_columns_is_said_aloud(estimator: Any) -> None:
    x = BITS if isinstance(estimator, LogisticPCA) else IRIS
    with pytest.warns(UserWarning, match="identity is a solution"):
        model = clone(estimator).fit(x)
    assert any("identity is a solution" in sentence for sentence in model.plan_.sentences)


def test_denoising_and_penalties_may_have_as_many_units_as_they_like() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dae(n_latent=6).fit(IRIS)
        tiny(n_latent=6, contraction=0.1).fit(IRIS)


def test_constant_columns_and_integers_are_taken() -> None:
    x = np.hstack([IRIS * 10, np.full((150, 1), 3.0)]).astype(int)
    for estimator in (tiny(), dae(), LinearAutoencoder(2), LogisticPCA(2, max_epochs=3)):
        with pytest.warns(UserWarning, match="columns are constant"):
            model = clone(estimator).fit(x)
        assert np.isfinite(model.reconstruct(x)).all()
        assert np.isfinite(model.score(x))
