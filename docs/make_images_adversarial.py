"""Draw the pictures of docs/adversarial.md: `.venv/bin/python docs/make_images_adversarial.py`, about a minute.

Left to itself it draws the limit of a likelihood without noise, in closed form, and samples of a GAN through training on a ring of eight
narrow normals.
"""

from math import cos, pi, sin
from pathlib import Path

import numpy as np
import torch
from torch.distributions import LowRankMultivariateNormal

from latentia import GAN
from latentia.explore.game_plots import dots_through_training
from latentia.explore.style import DATA, IDLE, MODEL, figure, png, styled

HERE = Path(__file__).parent / "images"
WEIGHT = torch.tensor([[1.0], [0.5]], dtype=torch.float64)
SIGMAS = np.logspace(0, -4, 60)


def curves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean log p(x) on the line, off the line, and the KL of the posterior, for each scale of the noise."""
    torch.manual_seed(0)
    z = torch.randn(2000, 1, dtype=torch.float64)
    on = z @ WEIGHT.T
    off = on + 0.05 * torch.randn(2000, 2, dtype=torch.float64)
    found = []
    for sigma in SIGMAS:
        p = LowRankMultivariateNormal(torch.zeros(2).double(), WEIGHT, torch.full((2,), sigma**2).double())
        length = float((WEIGHT**2).sum())
        variance = sigma**2 / (length + sigma**2)
        mean = off @ WEIGHT.squeeze(1) / (length + sigma**2)
        kl = 0.5 * (mean.square() + variance - 1 - np.log(variance))
        found.append((float(p.log_prob(on).mean()), float(p.log_prob(off).mean()), float(kl.mean())))
    a, b, c = np.array(found).T
    return a, b, c


@styled
def limit() -> bytes:
    """The bound at the best q, which is log p(x), and the KL in it, as the noise goes to zero."""
    on, off, kl = curves()
    fig = figure(3.2)
    left, right = fig.subplots(1, 2)
    left.plot(SIGMAS, on, color=DATA, label="rows that are G(z) exactly")
    left.plot(SIGMAS, off, color=MODEL, label="rows 0.05 off")
    left.set_ylim(-60, 14)
    left.axvline(0.05, color=IDLE, linewidth=1)
    left.set_title("best bound, nats per row")
    right.plot(SIGMAS, kl, color=DATA)
    right.set_title("KL(q || p) in it: what z must say")
    for ax in (left, right):
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.set_xlabel("noise of the likelihood")
        ax.grid(axis="y")
    left.legend(loc="lower left")
    return png(fig)


def ring() -> bytes:
    """Samples of a GAN through training."""
    rng = np.random.default_rng(0)
    centres = np.array([[cos(k * pi / 4), sin(k * pi / 4)] for k in range(8)])
    x = centres[rng.integers(8, size=8000)] + 0.02 * rng.normal(size=(8000, 2))
    model = GAN(max_epochs=48, device="cpu", random_state=0).fit(x)
    return png(dots_through_training(model.shown_, x[:2000], ["x", "y"]))


def main() -> None:
    """Write both pictures."""
    (HERE / "adversarial_limit.png").write_bytes(limit())
    (HERE / "adversarial_ring.png").write_bytes(ring())


if __name__ == "__main__":
    main()
