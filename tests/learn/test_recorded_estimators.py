"""Whole fits, eager and recorded: the same bits, whatever shape the networks' weights have in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from latentia import GAN, VAE, Autoencoder, DenoisingAutoencoder, TextVAE

GREY = np.kron(load_digits(return_X_y=True)[0][:320].reshape(-1, 8, 8), np.ones((1, 2, 2)))
COLOUR = np.stack([GREY, GREY[::-1], 16 - GREY], 3)
BITS = (GREY > 7).astype(float)
TEXT = [" ".join(f"w{i % k}" for i in range(4)) for k in range(1, 65)]
QUICK: dict[str, Any] = {"max_epochs": 3, "batch_size": 32, "device": "cpu", "random_state": 0}
CONV: dict[str, Any] = {"network": "conv", "n_latent": 3, **QUICK}

CASES: dict[str, tuple[Callable[..., Any], Any]] = {
    "convolutions": (lambda **o: VAE(**CONV, **o), GREY),
    "convolutions of colours": (lambda **o: VAE(**CONV, **o), COLOUR),
    "convolutions, clipped": (lambda **o: VAE(gradient_clip=0.1, **CONV, **o), GREY),
    "convolutions, adamw": (lambda **o: VAE(optimizer="adamw", **CONV, **o), GREY),
    "convolutions, sgd": (lambda **o: VAE(optimizer="sgd", learning_rate=1e-6, **CONV, **o), GREY),
    "pixels one by one": (lambda **o: VAE(network="pixelcnn", n_latent=2, hidden=(8,), **QUICK, **o), BITS[:96]),
    "an autoencoder": (lambda **o: Autoencoder(**CONV, **o), GREY),
    "a denoiser": (lambda **o: DenoisingAutoencoder(**CONV, **o), GREY),
    "a game": (lambda **o: GAN(channels=4, **CONV, **o), GREY),
    "a game of packs": (lambda **o: GAN(channels=4, pack=2, **CONV, **o), GREY),
    "a game of packs, spectral": (lambda **o: GAN(channels=4, pack=4, spectral=True, **CONV, **o), COLOUR),
    "a transformer": (lambda **o: TextVAE(n_latent=2, network="transformer", **QUICK, **o), TEXT),
}


@pytest.mark.filterwarnings("ignore:.*columns are constant")
@pytest.mark.parametrize("name", CASES)
def test_a_recorded_fit_is_the_eager_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.learn.gradient.RECORD_AFTER", 5)
    make, rows = CASES[name]
    eager, recorded = (make(execution=execution).fit(rows).fit_ for execution in ("eager", "recorded"))
    assert all(torch.equal(value, recorded.tensors()[key]) for key, value in eager.tensors().items())
    assert [row.get("bound") for row in eager.history] == [row.get("bound") for row in recorded.history]
