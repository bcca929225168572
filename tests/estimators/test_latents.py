"""The VAE's posteriors, priors, likelihoods of rows and gradients by name: learnt, mapped, decoded, scored, saved, loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent

from latentia import VAE
from latentia.cli import main
from latentia.errors import AbilityError, LatentiaError, ParameterError
from latentia.estimators import load
from latentia.estimators.latents import POSTERIORS
from latentia.families import check_posterior, family
from latentia.families.columns import from_columns, moments, n_columns, to_columns

GENERATOR = np.random.default_rng(0)
COINS = GENERATOR.integers(0, 2, size=(60, 6)).astype(float)
REAL = GENERATOR.normal(size=(60, 4))
SHARES = GENERATOR.dirichlet([2.0, 3.0, 4.0], size=60)
WAYS = REAL[:, :3] / np.linalg.norm(REAL[:, :3], axis=1, keepdims=True)
GREY = np.clip(np.round(REAL * 30 + 100), 0, 255)
SMALL: dict[str, Any] = {
    "n_latent": 3,
    "hidden": (8,),
    "max_epochs": 1,
    "batch_size": 30,
    "random_state": 0,
    "device": "cpu",
    "latent_categories": 3,
    "n_pseudo_inputs": 5,
    "validation_fraction": 0,
}
CASES: list[tuple[np.ndarray, dict[str, Any], int]] = [
    *((COINS, {"posterior": name}, 9 if "categorical" in name else 3) for name in POSTERIORS),
    *((COINS, {"prior": name}, 3) for name in ("vamp", "normal-mixture", "laplace", "coupling-flow", "full-normal")),
    (COINS, {"posterior": "bernoulli", "prior": "vamp", "n_samples": 2}, 3),
    (COINS, {"posterior": "bernoulli", "learn_prior": True, "n_samples": 2, "gradient": "arm"}, 3),
    (COINS, {"posterior": "categorical", "bound": "importance-weighted", "n_samples": 3}, 9),
    (COINS, {"bound": "importance-weighted", "n_samples": 3, "gradient": "dreg"}, 3),
    (COINS, {"bound": "renyi", "alpha": 0.3, "n_samples": 3}, 3),
    (REAL, {"likelihood": "full-normal"}, 3),
    (REAL, {"likelihood": "low-rank-normal"}, 3),
    (REAL, {"likelihood": "multivariate-student-t"}, 3),
    (REAL, {"likelihood": "spline-flow"}, 3),
    (SHARES, {"likelihood": "dirichlet"}, 3),
    (WAYS, {"likelihood": "von-mises-fisher"}, 3),
    (GREY, {"likelihood": "discretised-logistic-mixture"}, 3),
]


@pytest.mark.parametrize(
    ("x", "options", "columns"), CASES, ids=lambda value: str(value) if isinstance(value, dict) else ""
)
def test_learnt_mapped_decoded_scored_saved(x: np.ndarray, options: dict, columns: int, tmp_path: Path) -> None:
    vae = VAE(**SMALL, **options).fit(x)
    z, sd = vae.transform(x, return_std=True)
    back = vae.inverse_transform(z)
    assert z.shape == sd.shape == (60, columns)
    assert back.shape == x.shape
    assert np.isfinite(z).all()
    assert np.isfinite(back).all()
    assert (sd >= 0).all()
    assert np.isfinite(vae.score_samples(x[:5], n_samples=4)).all()
    assert np.isfinite(vae.score_samples(x[:5], evidence="elbo", n_samples=4)).all()
    assert vae.sample(2).shape == (2, x.shape[1])
    vae.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert np.array_equal(again.transform(x), z)
    assert np.array_equal(again.score_samples(x[:5], n_samples=4), vae.score_samples(x[:5], n_samples=4))


@pytest.mark.parametrize(
    ("options", "gradient"),
    [
        ({}, "auto"),
        ({"posterior": "bernoulli"}, "nvil"),
        ({"posterior": "bernoulli", "n_samples": 2}, "disarm"),
        ({"posterior": "poisson", "n_samples": 2}, "leave-one-out"),
        ({"posterior": "bernoulli", "n_samples": 3, "bound": "importance-weighted"}, "vimco"),
        ({"posterior": "gamma", "gradient": "score"}, "score"),
    ],
)
def test_the_gradient_that_auto_takes(options: dict, gradient: str) -> None:
    vae = VAE(**SMALL, **options).fit(COINS)
    assert vae.learner_.bound.gradient == gradient  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"posterior": "gama"}, ParameterError, "Did you mean gamma"),
        ({"posterior": "cross-entropy"}, AbilityError, "no density"),
        ({"prior": "vampp"}, ParameterError, "vampp"),
        ({"posterior": "cauchy", "prior": "normal"}, AbilityError, "infinite"),
        ({"posterior": "normal", "prior": "gamma"}, AbilityError, "support"),
        ({"posterior": "categorical", "gradient": "pathwise"}, AbilityError, "Use enumeration or score"),
        ({"posterior": "uniform", "gradient": "score"}, AbilityError, "support moves"),
        ({"gradient": "reinforce"}, ParameterError, "reinforce"),
        ({"gradient": "leave-one-out"}, ParameterError, "n_samples=2"),
        ({"latent_categories": 1}, ParameterError, "two categories"),
        ({"prior": "vamp", "n_pseudo_inputs": 0}, ParameterError, "at least one"),
        ({"posterior": "relaxed-bernoulli", "temperature": 0.0}, ParameterError, "temperature"),
        ({"likelihood": "full-normal", "network": "conv", "image_shape": (2, 3)}, ParameterError, "mlp"),
        ({"bound": "renyi", "alpha": 1.0}, ParameterError, "Elbo"),
        ({"alpha": 0.3}, ParameterError, "bound='renyi'"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict, error: type[LatentiaError], words: str) -> None:
    with pytest.raises(error, match=words):
        VAE(**{**SMALL, **options}).fit(COINS)


def test_pseudo_inputs_begin_at_rows_and_move() -> None:
    vae = VAE(**SMALL, prior="vamp").fit(COINS)
    moved = vae.model_.prior_module.pseudo_inputs.detach().numpy()  # type: ignore[attr-defined, union-attr]
    nearest = np.abs(moved[:, None] - COINS[None]).max(-1).min(1)
    assert (nearest < 0.1).all()
    assert (nearest > 0).any()
    assert not list(vae.posterior_.parameters())


def test_columns_there_and_back() -> None:
    p = Independent(Categorical(torch.ones(2, 4)), 1)
    z = torch.tensor([[0, 3], [2, 1]])
    assert n_columns(p) == 8
    assert torch.equal(from_columns(to_columns(z, p), p), z)
    sphere = family("von-mises-fisher", (3,))(torch.zeros(4))
    assert torch.allclose(from_columns(torch.tensor([[0.0, 0.0, 0.1]]), sphere), torch.tensor([[0.0, 0.0, 1.0]]))
    mean, sd = moments(Independent(Categorical(torch.tensor([[[1.0, 3.0]]])), 1))
    assert mean.tolist() == [[0.25, 0.75]]
    assert torch.allclose(sd, torch.full((1, 2), 0.75**0.5 * 0.5))


def test_every_posterior_fits_the_prior_that_auto_takes() -> None:
    from latentia.estimators.latents import make_latent, make_prior

    for name in POSTERIORS:
        asked = VAE(**{**SMALL, "posterior": name})
        latent = make_latent(asked)
        prior = make_prior(asked, latent, None, torch.zeros(0, 1))  # type: ignore[arg-type]
        check_posterior(latent.family, prior())


def test_the_command_line_reaches_them(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = tmp_path / "coins.csv"
    np.savetxt(table, COINS, delimiter=",", header=",".join("abcdef"), comments="", fmt="%d")
    out = str(tmp_path / "run")
    options = "--posterior categorical --latent-categories 3 --prior vamp --n-pseudo-inputs 4 --gradient leave-one-out"
    options += " --n-samples 2 --n-latent 2 --hidden 8 --max-epochs 2 --device cpu --likelihood bernoulli --json"
    assert main(["fit", str(table), "--out", out, *options.split()]) == 0
    assert main(["encode", out, str(table), "--out", str(tmp_path / "z.csv")]) == 0
    assert np.loadtxt(tmp_path / "z.csv", delimiter=",", skiprows=1).shape == (60, 6)
    capsys.readouterr()
    assert main(["fit", str(table), "--out", str(tmp_path / "b"), "--gradient", "disarm", "--n-samples", "2"]) == 2
    assert "Use pathwise or score" in capsys.readouterr().err
