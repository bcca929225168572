"""latentia's own fit, with all it does for its user: checks, history, progress, checkpoints."""

import tempfile
import warnings
from typing import Any

import numpy as np
from common import BATCH, HIDDEN, LATENT, MEASURED, Clock, warm

from latentia import VAE


def epochs(x: np.ndarray, **options: Any) -> list[float]:
    """Seconds per epoch of `VAE.fit` into a run folder, watched by a progress callback."""
    settings: dict[str, Any] = {
        "likelihood": "bernoulli",
        "hidden": (HIDDEN,),
        "batch_size": BATCH,
        "max_epochs": warm(len(x)) + MEASURED,
        "validation_fraction": 0,
        "device": "cpu",
        "random_state": 0,
    }
    model, clock = VAE(LATENT, **{**settings, **options}), Clock(len(x))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels that are always blank
        model.fit(x, run=f"{folder}/run", callbacks=[clock.tick], progress=lambda now: None)
    return clock.seconds()


def mlp(x: np.ndarray) -> list[float]:
    return epochs(x)


def eager(x: np.ndarray) -> list[float]:
    return epochs(x, execution="eager")


def compiled(x: np.ndarray) -> list[float]:
    return epochs(x, execution="compiled")


def importance(x: np.ndarray) -> list[float]:
    return epochs(x, bound="importance-weighted", n_samples=50)


def conv(x: np.ndarray) -> list[float]:
    return epochs(x, network="conv", image_shape=(28, 28), hidden=(128,))
