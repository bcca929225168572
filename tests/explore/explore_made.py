"""Data and fits for the tests of explore, as fixtures to take by name."""

import warnings

import numpy as np
import pytest

from latentia.estimators.linear import ProbabilisticPCA
from latentia.estimators.mixture import GaussianMixture
from latentia.estimators.vae import VAE


def small(n_latent, **options):
    return VAE(n_latent=n_latent, **{"hidden": (8,), "max_epochs": 2, "random_state": 0, **options})


@pytest.fixture(scope="session")
def rows():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(60, 2))
    return z @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(60, 5)) + 4.0


@pytest.fixture(scope="session")
def table_vae(rows):
    return small(3).fit(rows)


@pytest.fixture(scope="session")
def image_vae():
    x = np.random.default_rng(2).integers(0, 17, size=(40, 4, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return small(2).fit(x), x


@pytest.fixture(scope="session")
def pca(rows):
    return ProbabilisticPCA(n_latent=2, scale="standard", random_state=0).fit(rows)


@pytest.fixture(scope="session")
def mixture(rows):
    return GaussianMixture(n_components=3, random_state=0).fit(rows)
