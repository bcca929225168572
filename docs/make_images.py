"""Draw the pictures of the documentation: `.venv/bin/python docs/make_images.py`, about a minute.

A VAE with 8 latent units learns the handwritten digits (8 x 8, whole numbers 0 to 16). The picture shows rows that it
did not learn from with their reconstructions, means of p(x|z) for z from the prior, and where the rows lie in z.
"""

import warnings
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from latentia import VAE

HERE = Path(__file__).parent / "images"
PER_ROW = 10


def sheet(rows: list[np.ndarray], together: int = 1) -> np.ndarray:
    """Rows of flat 8 x 8 images as one picture, with a line between the images and a wider one after `together` rows."""
    padded = [np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)), constant_values=3) for images in rows]
    strips = [np.hstack(list(images)) for images in padded]
    ends = [i % together == together - 1 and i < len(strips) - 1 for i in range(len(strips))]
    return np.vstack([np.pad(strip, ((0, 3 * (end and together > 1)), (0, 0))) for strip, end in zip(strips, ends)])


def show(axes: Any, picture: np.ndarray, title: str) -> None:
    """One sheet of images, dark ink on white."""
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=16, interpolation="nearest")
    axes.set_title(title, fontsize=10, loc="left")
    axes.axis("off")


def latent_map(axes: Any, z: np.ndarray, label: np.ndarray) -> None:
    """Posterior means along their first two principal axes, coloured by a label that the model never saw."""
    centred = z - z.mean(0)
    points = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    for digit in range(10):
        here = label == digit
        axes.scatter(*points[here].T, s=5, color=plt.get_cmap("tab10")(digit), label=str(digit), linewidths=0)
    axes.legend(fontsize=8, markerscale=2.5, frameon=False, ncols=1, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_title("rows in z: posterior means, first two axes", fontsize=10, loc="left")
    axes.set(xticks=[], yticks=[], aspect="equal")


def digits() -> None:
    """images/digits.png."""
    data = load_digits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # three pixels are always blank
        vae = VAE(n_latent=8, noise="one", max_epochs=150, random_state=0).fit(data.data)
    held_out = data.data[vae.held_out_rows_][: 3 * PER_ROW].reshape(3, PER_ROW, 64)
    pairs = [part for x in held_out for part in (x, vae.reconstruct(x))]
    drawn = vae.inverse_transform(np.random.default_rng(0).normal(size=(6 * PER_ROW, 8))).reshape(6, PER_ROW, 64)

    figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.1), width_ratios=(10, 10, 8), layout="constrained")
    show(axes[0], sheet(pairs, 2), "not learnt from; below each, its reconstruction")
    show(axes[1], sheet(list(drawn)), "new: means of p(x|z), z from the prior")
    latent_map(axes[2], vae.transform(data.data), data.target)
    HERE.mkdir(exist_ok=True)
    figure.savefig(HERE / "digits.png", dpi=180, metadata={"Software": None})


if __name__ == "__main__":
    digits()
