"""Draw the score field of a denoising autoencoder on a spiral: `.venv/bin/python docs/make_images_score.py`, about half a minute.

Arrows are the network's estimate of the gradient of the log-density of the spiral smoothed with noise of standard deviation 0.05; lines are
walks of 25 steps along it, each step one denoising, from points all over the plane. Lengths of arrows are square roots. The animation shows the walks step by step.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from latentia import DenoisingAutoencoder
from latentia.explore import Field, animate, vector_field, walk
from latentia.explore.field_plots import field_chart
from latentia.explore.style import MODEL, figure, png, quiet, styled

HERE = Path(__file__).parent / "images"
SCALE = 0.05


def spiral(n: int, seed: int) -> np.ndarray:
    """Rows of (0.04 t sin t, 0.04 t cos t), t uniform from 3 to 15."""
    t = 3 + 12 * np.random.default_rng(seed).random(n)
    return 0.04 * np.stack([t * np.sin(t), t * np.cos(t)], axis=1)


@styled
def frame(rows: np.ndarray, points: np.ndarray, half: float) -> np.ndarray:
    """The spiral and where the walkers are, as pixels."""
    fig = figure(2.4, 2.4)
    ax = fig.subplots()
    ax.plot(*rows.T, ".", color="#c9ced6", markersize=1.5)
    ax.plot(*points.T, ".", color=MODEL, markersize=3)
    ax.set_xlim(-half, half)
    ax.set_ylim(-half, half)
    quiet(ax)
    fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]


def main() -> None:
    """Fit, draw, animate."""
    x = spiral(4000, 0)
    options = {
        "hidden": (64, 64, 64),
        "activation": "silu",
        "batch_size": 500,
        "learning_rate": 0.005,
        "schedule": "cosine",
    }
    model = DenoisingAutoencoder(
        32, noise_scale=SCALE, max_epochs=400, validation_fraction=0, device="cpu", random_state=0, **options
    ).fit(x)
    field = vector_field(lambda y: SCALE**2 * model.score_field(y), x, n=26)
    move = lambda y: model.denoise(y) - y  # noqa: E731
    walks = walk(move, np.random.default_rng(1).uniform(-0.55, 0.55, (12, 2)), n_steps=25)
    length = np.linalg.norm(field.vectors, axis=1, keepdims=True)
    shown = 0.1 * field.vectors / np.sqrt(np.maximum(length, 1e-9))
    few = Field(field.points, shown, field.rows[:1500], field.axes)
    picture = Image.open(BytesIO(png(field_chart(few, walks)))).convert("RGB").quantize(64)
    picture.save(HERE / "score_spiral.png", optimize=True)
    crowd = walk(move, np.random.default_rng(2).uniform(-0.68, 0.68, (200, 2)), n_steps=16)
    animate([frame(x[:1500], step, 0.7) for step in crowd], HERE / "score_walk.webp", seconds=0.12)


if __name__ == "__main__":
    main()
