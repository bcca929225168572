"""A VAE whose likelihood goes pixel by pixel: every picture counted, and the way from fit to file and back."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import latentia
from latentia import VAE
from latentia.cli import main
from latentia.errors import ParameterError

SMALL = {
    "n_latent": 2,
    "network": "pixelcnn",
    "hidden": (8,),
    "channels": 6,
    "n_layers": 2,
    "random_state": 0,
    "device": "cpu",
}
CASES = {
    "coins": ("bernoulli", 2, (2, 2)),
    "levels": ("categorical", 3, (2, 2)),
    "colours": ("bernoulli", 2, (1, 2, 2)),
}


def pictures(levels: int, n: int = 120) -> np.ndarray:
    """Rows of four pixels, the second always the first."""
    x = np.random.default_rng(0).integers(levels, size=(n, 4)).astype(float)
    x[:, 1] = x[:, 0]
    x[0] = levels - 1
    return x


@pytest.fixture(scope="module", params=CASES)
def fitted(request: pytest.FixtureRequest) -> tuple[VAE, int]:
    likelihood, levels, shape = CASES[request.param]
    model = VAE(**SMALL, likelihood=likelihood, image_shape=shape, max_epochs=3).fit(pictures(levels))
    return model, levels


def test_the_probabilities_of_all_pictures_sum_to_one(fitted: tuple[VAE, int]) -> None:
    model, levels = fitted
    every = torch.tensor(list(product(range(levels), repeat=4)), dtype=torch.float64)
    z = 2 * torch.randn(5, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        total = model.model_.log_likelihood(every, z.expand(5, len(every), 2)).exp().sum(1)
    assert torch.allclose(total, torch.ones(5, dtype=torch.float64), atol=1e-9)


def test_evidence_of_all_pictures_sums_to_one(fitted: tuple[VAE, int]) -> None:
    """p(x) by quadrature over z of the products of single pixels; the estimate agrees within its error."""
    model, levels = fitted
    every = np.array(list(product(range(levels), repeat=4)), float)
    axis = torch.linspace(-6, 6, 31, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    weight = torch.distributions.Normal(0.0, 1.0).log_prob(grid).sum(1) + 2 * torch.log(axis[1] - axis[0])
    rows = torch.tensor(every)
    with torch.no_grad():
        each = model.model_.log_likelihood(rows, grid.unsqueeze(1).expand(-1, len(rows), 2))
    exact = torch.logsumexp(each + weight.unsqueeze(1), 0)
    assert float(exact.exp().sum()) == pytest.approx(1, abs=1e-6)
    found = model.evidence(every[:20], "importance", n_samples=2000)
    assert np.allclose(found.values, exact[:20], atol=0.03)


def test_it_learns_what_pixels_have_in_common() -> None:
    x = pictures(2, 400)
    model = VAE(**SMALL, image_shape=(2, 2), max_epochs=60, learning_rate=2e-2).fit(x)
    assert model.score(x, n_samples=64) > -(3 * np.log(2) + 0.15)  # three coins, and a copy
    drawn = model.sample(400)
    assert (drawn[:, 0] == drawn[:, 1]).mean() > 0.95


def test_saved_loaded_drawn_and_decoded(fitted: tuple[VAE, int], tmp_path: Path) -> None:
    model, levels = fitted
    model.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    x = pictures(levels)[:7]
    assert np.array_equal(again.score_samples(x, n_samples=8), model.score_samples(x, n_samples=8))
    assert np.array_equal(again.sample(5), model.sample(5))
    assert np.array_equal(again.reconstruct(x), model.reconstruct(x))
    assert set(np.unique(model.sample(20))) <= set(range(levels))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"image_shape": (3, 2)}, "network='pixelcnn' needs image_shape"),
        ({"image_shape": (2, 2), "likelihood": "normal"}, "Use likelihood='bernoulli'"),
        ({"image_shape": (2, 2), "channels": 0}, "channels=0 is too small"),
    ],
)
def test_what_cannot_be_is_said(more: dict[str, object], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        VAE(**{**SMALL, **more}).fit(pictures(2))


def test_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", pictures(2).astype(np.float32))
    options = [
        "--network",
        "pixelcnn",
        "--image-shape",
        "2,2",
        "--hidden",
        "8",
        "--channels",
        "6",
        "--n-layers",
        "2",
        "--n-latent",
        "2",
    ]
    assert (
        main(
            [
                "fit",
                str(tmp_path / "x.npy"),
                "--out",
                str(tmp_path / "run"),
                "--max-epochs",
                "2",
                "--seed",
                "0",
                *options,
            ]
        )
        == 0
    )
    assert (tmp_path / "run" / "report.html").exists()
    assert main(["score", str(tmp_path / "run"), str(tmp_path / "x.npy"), "--samples", "4"]) == 0
    assert main(["sample", str(tmp_path / "run"), "-n", "2"]) == 0
    np.save(tmp_path / "grey.npy", pictures(3).astype(np.float32))
    assert main(["fit", str(tmp_path / "grey.npy"), "--out", str(tmp_path / "no"), *options]) == 2
    assert "binarize" in capsys.readouterr().err
