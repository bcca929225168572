"""Data, fits and a parser for the tests of the report, as fixtures to take by name."""

import warnings
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from latentia.data import Dataset
from latentia.estimators.mixture import GaussianMixture
from latentia.estimators.vae import VAE

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (SCRIPT, "{{7*7}}", '"><img src=x onerror=alert(1)>', "price in $ and \\frac", "漢字\ud800")


class Parsed(HTMLParser):
    """Tags with their attributes, and the text of the page."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="session")
def parse():
    return lambda path: Parsed(path.read_text(encoding="utf-8"))


@pytest.fixture
def no_drawing(monkeypatch):
    """Pages without the seconds that drawing takes: figures are made, and not drawn."""
    monkeypatch.setattr("latentia.report.page.png", lambda figure: b"\x89PNG")


def fitted(estimator, x, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # constant columns are meant
        return estimator.fit(x, **options)


def vae(n_latent=2, **options):
    return VAE(n_latent=n_latent, **{"hidden": (8,), "max_epochs": 2, "random_state": 0, **options})


@pytest.fixture(scope="session")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 5)) @ rng.normal(size=(5, 5))
    x[:, 3] = 2.5
    label = np.array([SCRIPT, "{{7*7}}", "$x^$"], dtype=object)[np.arange(90) % 3]
    return Dataset(x, HOSTILE, f"data {SCRIPT} {{{{7*7}}}}", label=label, source=f"from {SCRIPT}")


@pytest.fixture(scope="session")
def table_fit(table):
    return fitted(vae(3), table.x)


@pytest.fixture(scope="session")
def images():
    x = np.random.default_rng(1).integers(0, 17, size=(80, 12)).astype(float)
    data = Dataset(x, tuple(f"pixel_{i}" for i in range(12)), "pictures", image_shape=(4, 3), label=np.arange(80) % 4)
    return replace(data, test=replace(data, x=x[::-1][:30], label=data.label[:30]))


@pytest.fixture(scope="session")
def image_fit(images):
    return fitted(vae(2), images.x)


@pytest.fixture(scope="session")
def blobs():
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 6])
    return Dataset(x, ("a", "b", "c"), "blobs", label=np.repeat(["left", "right"], 40))


@pytest.fixture(scope="session")
def mixture_fit(blobs):
    return GaussianMixture(n_components=2, random_state=0).fit(blobs.x)
