"""Draw the pictures of quality.md: `.venv/bin/python docs/make_quality_images.py`, a minute or two.

Left: rate and distortion of a VAE of the handwritten digits: what its decoder could do with the best q at each rate, the
line of the ELBO, and where its encoder stands. Right: some of the pictures that the known factors draw.
"""

import warnings
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

from latentia import VAE, evidence
from latentia.data import FACTORS, render_factors

HERE = Path(__file__).parent / "images"
BLUE, ORANGE, INK = "#2a6fb0", "#d9730d", "#5f6c7b"


def curve(axes: Any) -> None:
    """The plane of rate and distortion."""
    x = load_digits().data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # three pixels are always blank
        vae = VAE(n_latent=4, noise="one", hidden=(128,), max_epochs=150, random_state=0).fit(x)
    rows = torch.as_tensor(x[vae.held_out_rows_])
    model, q = vae.model_, vae.posterior_
    weights = (64, 32, 16, 8, 4, 2.8, 2, 1.4, 1)
    points = evidence.rate_distortion_curve(model, q, rows, kl_weights=weights, n_samples=4000)
    print(*points, sep="\n")
    axes.plot(
        [p.rate for p in points],
        [p.distortion for p in points],
        "-o",
        color=BLUE,
        ms=3,
        label="best q at each KL weight",
    )
    best, own = points[-1], evidence.rate_distortion(model, q, rows)
    ends = np.array([max(0.0, best.rate - 6), best.rate + 2])
    axes.plot(
        ends, -best.elbo - ends, "--", color=INK, lw=0.9, label=f"rate + distortion = {-best.elbo:.1f} = -log p(x)"
    )
    axes.plot(own.rate, own.distortion, "D", color=ORANGE, ms=6, label=f"the encoder's q: ELBO {own.elbo:.1f}")
    axes.set(xlabel="rate, nats per row", ylabel="distortion, nats per row")
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("rate and distortion, digits, 4 latent units", fontsize=10, loc="left")


def factors(axes: Any) -> None:
    """One factor moves along each row, the others stand still."""
    middle = {"shape": 1, "size": 2, "x": 3, "y": 4, "brightness": 2}
    steps = np.linspace(0, 1, 8)
    rows = []
    for name, size in FACTORS.items():
        values = np.round(steps * (size - 1)).astype(int)
        pictures = render_factors(np.array([list({**middle, name: v}.values()) for v in values]), 24).reshape(
            -1, 24, 24
        )
        rows.append(np.hstack(list(np.pad(pictures, ((0, 0), (1, 1), (1, 1)), constant_values=0.25))))
    axes.imshow(np.vstack(rows), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks([13 + 26 * i for i in range(len(FACTORS))], list(FACTORS), fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("pictures from known factors: one moves along each row", fontsize=10, loc="left")


def main() -> None:
    """images/quality.png."""
    figure, axes = plt.subplots(1, 2, figsize=(11.0, 3.6), width_ratios=(6, 5), layout="constrained")
    curve(axes[0])
    factors(axes[1])
    figure.savefig(HERE / "quality.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
