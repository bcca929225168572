"""The GAN as an estimator: conformance, what it refuses, what it keeps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentia
from latentia import GAN, VAE
from latentia.errors import AbilityError, ParameterError, UserError
from latentia.estimators import EXPECTED_FAILED_CHECKS

X = np.random.default_rng(0).normal(size=(120, 3)) * [1, 5, 0.1] + [0, 3, -1]
DIGITS = load_digits(return_X_y=True)[0][:200]


def tiny(**options: Any) -> GAN:
    return GAN(**{"n_latent": 2, "hidden": (8,), "max_epochs": 3, "device": "cpu", "random_state": 0, **options})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [GAN(n_latent=2, hidden=(8,), max_epochs=3, device="cpu")],
    expected_failed_checks=lambda estimator: EXPECTED_FAILED_CHECKS["GAN"],
)
def test_conformance(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("options", [{}, {"pack": 2, "batch_size": 32, "objective": "hinge", "spectral": True}])
def test_what_is_saved_comes_back(options: dict[str, Any], tmp_path: Path) -> None:
    model = tiny(**options).fit(X)
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert isinstance(again, GAN)
    assert np.array_equal(again.sample(20, 1), model.sample(20, 1))
    assert again.fit_.status == model.fit_.status
    assert [row.get("missed") for row in again.history_] == [row.get("missed") for row in model.history_]
    assert list(again.shown_) == list(model.shown_) == [0, 1, 2, 3]
    assert all(np.allclose(again.shown_[epoch], model.shown_[epoch], rtol=1e-6) for epoch in model.shown_)


@pytest.mark.filterwarnings("ignore:.*columns are constant")
def test_samples_are_in_the_users_units_and_keep_to_their_range() -> None:
    model = tiny(max_epochs=60).fit(X)
    assert np.abs(np.median(model.sample(500), 0) - X.mean(0)).max() < 3
    grey = tiny().fit(DIGITS)
    drawn = grey.sample(50)
    assert drawn.min() >= 0
    assert drawn.max() <= 16
    assert drawn.max() > 5
    assert "sigmoid" in grey.plan_.sentences[0]


@pytest.mark.filterwarnings("ignore:.*columns are constant")
def test_convolutions_take_the_shape_of_pictures() -> None:
    pictures = DIGITS.reshape(-1, 8, 8)
    model = tiny(network="conv", channels=4, max_epochs=1).fit(pictures)
    assert model.sample(2).shape == (2, 64)
    with pytest.raises(ParameterError, match="image_shape"):
        tiny(network="conv").fit(DIGITS)


REFUSED = {
    "score": lambda m: m.score_samples(X),
    "importance": lambda m: m.evidence(X, "importance"),
    "annealed without noise": lambda m: m.evidence(X, "annealed"),
    "transform": lambda m: m.transform(X),
    "fit_transform": lambda m: m.fit_transform(X),
    "reconstruct": lambda m: m.reconstruct(X),
    "noise of zero": lambda m: m.evidence(X, "annealed", noise=0.0),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_gan_has_not_is_refused_in_a_sentence(what: str) -> None:
    model = tiny(max_epochs=1).fit(X)
    with pytest.raises(UserError, match=r"(Use|use|Learn) "):
        REFUSED[what](model)
    assert not any(hasattr(model, name) for name in ("transform", "score", "score_samples"))


def test_annealed_evidence_of_a_linear_generator_is_the_gaussians() -> None:
    """x = a + W z + noise is a normal distribution, whose density is known."""
    model = linear()
    noise = 0.5
    estimate = model.evidence(X[:10], "annealed", 16, noise=noise, n_steps=100)
    scale = model.model_.scaling.scale.numpy()
    w = np.diag(scale) @ model.model_.network.layers[0].weight.double().numpy()
    a = model.model_.scaling.to_user(model.model_.network.layers[0].bias.double()).numpy()
    exact = torch.distributions.MultivariateNormal(
        torch.tensor(a), torch.tensor(w @ w.T + noise**2 * np.diag(scale**2))
    ).log_prob(torch.tensor(X[:10]))
    assert estimate.kind == "lower"
    assert abs(estimate.mean - float(exact.mean())) < max(0.05, 5 * estimate.mc_error)


def linear() -> GAN:
    from latentia.networks import MLP

    model = tiny(max_epochs=1).fit(X)
    torch.manual_seed(0)
    model.model_.network = MLP(2, 3, ()).double().requires_grad_(False)
    return model


def test_a_cut_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    whole = tiny().fit(X)
    stop = lambda loop: loop.batches.epoch == 2  # noqa: E731
    tiny().fit(X, run=tmp_path / "run", callbacks=[stop])
    checkpoints = tmp_path / "run" / "checkpoints"
    (tmp_path / "next").mkdir()
    checkpoints.rename(tmp_path / "next" / "checkpoints")
    (tmp_path / "next" / "run.json").write_text('{"format": 1, "seed": 0}')
    again = tiny().fit(X, run=tmp_path / "next", resume=True)
    assert np.array_equal(again.sample(30), whole.sample(30))
    assert list(again.shown_) == list(whole.shown_)


def test_errors_of_the_game_reach_the_user() -> None:
    with pytest.raises(ParameterError, match="does not divide"):
        tiny(pack=3, batch_size=32).fit(X)
    with pytest.raises(ParameterError, match="objective"):
        tiny(objective="poker").fit(X)
    with pytest.raises(AbilityError, match="annealed"):
        tiny(max_epochs=1).fit(X).score(X)


# --- beside a bound --------------------------------------------------------------------------------------------------

BESIDE = {
    "means": {},
    "codes": {"judged": "codes", "r1": 0.1},
    "features": {"reconstruct": "features", "game_weight": 5.0},
    "packs": {"pack": 2, "objective": "hinge", "spectral": True},
}


def beside(**options: Any) -> VAE:
    quick = {"hidden": (8,), "max_epochs": 2, "batch_size": 20, "device": "cpu", "random_state": 0}
    return VAE(2, learner="adversarial", **{**quick, **options})


@pytest.mark.filterwarnings("ignore:.*columns are constant")
@pytest.mark.parametrize("name", BESIDE)
def test_a_vae_learnt_by_a_game_too_reports_its_bound(name: str, tmp_path: Path) -> None:
    model = beside(learner_options=BESIDE[name]).fit(DIGITS)
    assert "do not maximise the bound" in model.fit_.status
    row = model.history_[0]
    assert row["bound"] == pytest.approx(row["reconstruction"] - row["kl"], rel=1e-6)
    assert {"critic_loss", "generator_loss", "told_apart"} <= set(row)
    model.save(tmp_path / "run")
    assert np.allclose(latentia.load(tmp_path / "run").score_samples(DIGITS[:5]), model.score_samples(DIGITS[:5]))


@pytest.mark.filterwarnings("ignore:.*columns are constant")
def test_options_that_the_game_has_not_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"has no option stakes\. It has: objective"):
        beside(learner_options={"stakes": 2}).fit(DIGITS)
    with pytest.raises(ParameterError, match="clips no gradient"):
        beside(gradient_clip=1.0).fit(DIGITS)


@pytest.mark.filterwarnings("ignore:.*columns are constant")
@pytest.mark.parametrize(("held_out", "averaged"), [(0.0, True), (0.2, False)])
def test_the_best_weights_are_all_of_one_moment(held_out: float, averaged: bool) -> None:
    """Averages of the generator do not stand beside the encoder of the best step."""
    model = beside(learner_options={"average": 0.9}, validation_fraction=held_out, max_epochs=4).fit(DIGITS)
    assert ("moving averages" in model.fit_.status) == averaged
    assert ("best held-out bound" in model.fit_.status) != averaged
