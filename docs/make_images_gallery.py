"""Pictures of the gallery that no single command draws: `.venv/bin/python docs/make_images_gallery.py`, some minutes on one core.

The geometry of principal components in the plane; digits brought back by 30 numbers each; noisy and denoised digits; the arrows of a
denoising autoencoder on a spiral, from far and from near. Prints the errors beside the pictures.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from latentia import Autoencoder, DenoisingAutoencoder, LinearAutoencoder, LogisticPCA
from latentia.data import load
from latentia.explore import vector_field
from latentia.explore.field_plots import field_chart
from latentia.explore.image_plots import pairs_chart
from latentia.explore.style import DATA, INK, MODEL, figure, png, styled

HERE = Path(__file__).parent / "images"
SHAPE, N = (28, 28), 20_000
DEEP: dict[str, Any] = {
    "hidden": (500, 250),
    "activation": "gelu",
    "batch_size": 64,
    "max_epochs": 12,
    "schedule": "cosine",
}
DEEP |= {"validation_fraction": 0, "device": "cpu", "random_state": 0}
NOISE = 0.5  # of the distance from black to white


def write(name: str, fig: Any) -> None:
    """One picture of the gallery."""
    (HERE / f"gallery_{name}.png").write_bytes(png(fig))
    print(f"gallery_{name}.png", flush=True)


@styled
def plane(x: np.ndarray, model: LinearAutoencoder) -> Any:
    """Rows, their projections onto the first axis, and both axes by one standard deviation."""
    fig = figure(4.6, 6.4)
    ax = fig.subplots()
    back = model.reconstruct(x)
    for row, foot in zip(x, back):
        ax.plot(*np.stack([row, foot]).T, color=DATA, linewidth=0.6)
    ax.plot(*x.T, "o", color=DATA, markersize=4, label="rows")
    ax.plot(*back.T, ".", color=MODEL, markersize=5, label="what one number brings back")
    variances, axes = np.linalg.eigh(np.cov(x.T, bias=True))
    for variance, axis in zip(variances, axes.T):
        tip = x.mean(0) + np.sqrt(variance) * axis * np.sign(axis[1])
        ax.annotate("", tip, x.mean(0), arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.8})
    ax.set_aspect("equal")
    ax.legend(loc="upper left")
    return fig


def geometry() -> None:
    """Principal components of a hundred rows in the plane; Pythagoras, printed."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2)) * (2.0, 0.6) @ np.array([[0.86, 0.5], [-0.5, 0.86]]) + (1.0, 2.0)
    model = LinearAutoencoder(1).fit(x)
    kept, lost = model.explained_variance_.sum(), model.reconstruction_error(x).mean()
    print(f"total {model.total_variance_:.4f} = kept {kept:.4f} + lost {lost:.4f}")
    write("pca_plane", plane(x, model))


def errors(model: Any, x: np.ndarray) -> float:
    """Mean squared error of a picture, pixels in [0, 1]."""
    return float(np.square((model.reconstruct(x).astype(float) - x) / 255).sum(1).mean())


def reconstructions(train: np.ndarray, test: np.ndarray) -> None:
    """Test digits, and what thirty numbers bring back of them by three models."""
    models = {
        "autoencoder": Autoencoder(30, **DEEP).fit(train),
        "logistic PCA": Grey(LogisticPCA(30, likelihood="cross-entropy", max_epochs=4, random_state=0)).fit(train),
        "PCA": LinearAutoencoder(30).fit(train),
    }
    few = test[:14]
    kinds = [("digits", few, (0, 255)), *((name, model.reconstruct(few), (0, 255)) for name, model in models.items())]
    for name, model in models.items():
        print(f"{name}: {errors(model, test[:2000]):.2f}")
    write("reconstructions", pairs_chart(kinds, SHAPE))


class Grey:
    """A model of [0, 1] shown bytes."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, x: np.ndarray) -> "Grey":
        self.model.fit(x / 255)
        return self

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        return 255 * self.model.reconstruct(x / 255)


def denoised(train: np.ndarray, test: np.ndarray) -> None:
    """Test digits with noise, and what a denoising autoencoder makes of them."""
    scale = NOISE * 255
    model = DenoisingAutoencoder(64, noise_scale=scale, **DEEP).fit(train)
    few = test[:14].astype(float)
    noisy = few + scale * np.random.default_rng(0).normal(size=few.shape)
    back = model.denoise(noisy)
    for name, x in (("noisy", noisy), ("denoised", back)):
        print(f"{name}: {np.square((x - few) / 255).sum(1).mean():.1f}")
    kinds = [("digits", few, (0, 255)), ("with noise", noisy, (0, 255)), ("denoised", back, (0, 255))]
    write("denoised", pairs_chart(kinds, SHAPE))


def spiral_field() -> None:
    """Where a denoising autoencoder moves points of the plane, from far and from near."""
    t = 3 + 12 * np.random.default_rng(0).random(4000)
    x = 0.04 * np.stack([t * np.sin(t), t * np.cos(t)], 1)
    options = {**DEEP, "hidden": (64, 64, 64), "batch_size": 500, "max_epochs": 300, "learning_rate": 0.005}
    model = DenoisingAutoencoder(32, noise_scale=0.05, **options).fit(x)
    for name, zoom in (("far", 0.5), ("near", 1.8)):
        write(f"field_{name}", field_chart(vector_field(lambda y: model.denoise(y) - y, x, 26, zoom)))


def main() -> None:
    """All of them, or those that were named."""
    asked = sys.argv[1:]
    if not asked or "geometry" in asked:
        geometry()
    if not asked or "field" in asked:
        spiral_field()
    for name, draw in (("reconstructions", reconstructions), ("denoised", denoised)):
        if not asked or name in asked:
            draw(load("mnist").x[:N], load("mnist", split="test").x)


if __name__ == "__main__":
    main()
