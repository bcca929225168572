"""Families as likelihoods of the estimator: offered by name, fitted in their own units, refused in a sentence."""

import numpy as np
import pytest

from latentia import VAE
from latentia.errors import AbilityError, DataError, ParameterError

OPTIONS = {
    "n_latent": 2,
    "hidden": (8,),
    "max_epochs": 30,
    "batch_size": 50,
    "learning_rate": 0.01,
    "random_state": 0,
    "device": "cpu",
}


def rows(kind: str) -> np.ndarray:
    generator = np.random.default_rng(0)
    z = generator.normal(size=(150, 1))
    if kind == "counts":
        return generator.poisson(np.exp(1 + 0.7 * z) * np.ones((1, 5))).astype(np.float64)
    if kind == "positive":
        return generator.gamma(2.0, np.exp(0.5 * z) * np.ones((1, 5)))
    if kind == "shares":
        return np.clip(1 / (1 + np.exp(-z + generator.normal(size=(150, 5)))), 0.01, 0.99)
    return 300 + 20 * (z + generator.standard_t(3, size=(150, 5)))


CASES = [
    ("poisson", "counts"),
    ("negative-binomial", "counts"),
    ("zero-inflated", "counts"),
    ("zero-inflated-negative-binomial", "counts"),
    ("gamma", "positive"),
    ("weibull", "positive"),
    ("beta", "shares"),
    ("laplace", "real"),
    ("student-t", "real"),
]


@pytest.mark.parametrize(("likelihood", "kind"), CASES)
def test_a_likelihood_by_name(likelihood: str, kind: str) -> None:
    x = rows(kind)
    vae = VAE(likelihood=likelihood, **OPTIONS).fit(x)
    assert vae.fit_.history[-1]["bound"] > vae.fit_.history[0]["bound"]
    back = vae.reconstruct(x)
    assert back.shape == x.shape
    assert np.corrcoef(back.mean(1), x.mean(1))[0, 1] > 0.5
    assert np.isfinite(vae.score_samples(x)).all()


@pytest.mark.parametrize(
    ("likelihood", "kind", "options", "words"),
    [
        ("poisson", "real", {}, "whole numbers from 0"),
        ("gamma", "counts", {}, "positive numbers"),
        ("beta", "positive", {}, "between 0 and 1"),
        ("gamma", "positive", {"scale": "standard"}, "positive numbers"),
        ("poison", "counts", {}, "Did you mean poisson"),
        ("uniform", "real", {}, "its support moves with its parameters"),
    ],
)
def test_what_does_not_fit_is_refused(likelihood: str, kind: str, options: dict, words: str) -> None:
    with pytest.raises((AbilityError, DataError, ParameterError), match=words):
        VAE(likelihood=likelihood, **OPTIONS, **options).fit(rows(kind))
