"""A watched fit as frames: the rows in the latent plane, and what the model draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .groups import Groups, group
from .image_grid import as_images, tile
from .image_plots import gap
from .maps import principal_axes
from .style import DATA, class_colour, figure, pixels, quiet, styled
from .training import Watch

PER_LINE = 4


@styled
def training_frames(
    watch: Watch, label: Any = None, shape: Sequence[int] | None = None, limits: tuple[float, float] = (0.0, 1.0)
) -> list[np.ndarray]:
    """One frame of pixels for each epoch looked at, all on the same axes.

    Arguments:
        watch: after the fit.
        label: of the watched rows; colours them.
        shape, limits: of pictures, as for `image_grid.as_images`; without them only the map is drawn.
    """
    maps, names = _maps(watch.means)
    groups = group(label)
    low, high = (f(np.concatenate(maps)) for f in (_low, _high))
    frames = []
    for epoch, points, draws in zip(watch.epochs, maps, watch.draws):
        fig = figure(4.4, 8.8 if shape else 4.8)
        axes = fig.subplots(1, 2 if shape else 1, squeeze=False)[0]
        _map(axes[0], points, groups, (low, high), names)
        fig.suptitle(f"epoch {epoch}", x=0.01, ha="left", fontsize=10, fontweight="bold")
        if shape:
            axes[1].imshow(tile(as_images(draws, shape, limits), PER_LINE, gap(shape)))
            axes[1].set_title(watch.drawn, fontweight="normal")
            quiet(axes[1])
        frames.append(pixels(fig))
    return frames


def _maps(means: list[np.ndarray]) -> tuple[list[np.ndarray], tuple[str, str]]:
    """Every epoch's rows in one plane: the units themselves, or the principal axes of the last epoch."""
    last = means[-1]
    if last.shape[1] == 1:
        return [np.column_stack([m[:, 0], np.arange(len(m))]) for m in means], ("latent unit 0", "row")
    if last.shape[1] == 2:
        return means, ("latent unit 0", "latent unit 1")
    scores, _ = principal_axes(last)
    axes = np.linalg.lstsq(last - last.mean(0), scores, rcond=None)[0]
    return [(m - last.mean(0)) @ axes for m in means], (
        "first principal axis of the last epoch",
        "second principal axis",
    )


def _map(ax: Axes, points: np.ndarray, groups: Groups | None, window: tuple[Any, Any], names: tuple[str, str]) -> None:
    colours: Any = DATA
    if groups is not None and groups.codes is not None:
        colours = [class_colour(code) for code in groups.codes]
    elif groups is not None:
        colours = groups.values
    ax.scatter(*points.T, s=7, c=colours, linewidths=0, alpha=0.8)
    (left, bottom), (right, top) = window
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])


def _low(points: np.ndarray) -> np.ndarray:
    return np.percentile(points, 0.5, axis=0) - 0.1 * np.ptp(np.percentile(points, (0.5, 99.5), axis=0), axis=0) - 1e-6


def _high(points: np.ndarray) -> np.ndarray:
    return np.percentile(points, 99.5, axis=0) + 0.1 * np.ptp(np.percentile(points, (0.5, 99.5), axis=0), axis=0) + 1e-6
