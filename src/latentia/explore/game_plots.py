"""Figures of a game: losses, how well the critic tells, and samples through training."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .image_grid import as_images, tile
from .image_plots import gap
from .style import DATA, IDLE, MODEL, WIDTH, figure, plain, quiet, styled

MOMENTS = 6


@styled
def game_chart(history: Sequence[dict[str, Any]]) -> Figure:
    """Losses of both players, the share of pairs told apart, and what the samples miss, against epochs.

    Arguments:
        history: rows of `Fit.history` of an adversarial fit.
    """
    fig = figure(2.9)
    losses, apart, missing = fig.subplots(1, 3)
    for name, colour, words in (("critic_loss", DATA, "critic"), ("generator_loss", MODEL, "generator")):
        _line(losses, history, "train", name, colour, words)
    losses.legend()
    losses.set_title("losses")
    _line(apart, history, "train", "told_apart", DATA, "")
    apart.axhline(0.5, color=IDLE, linewidth=1)
    apart.set_ylim(0, 1.02)
    apart.set_title("pairs told apart by the critic")
    _line(missing, history, "validation", "missed", DATA, "held-out rows missed")
    _line(missing, history, "train", "spread", MODEL, "spread of samples / of rows")
    missing.legend()
    missing.set_ylim(bottom=0)
    missing.set_title("what the samples leave out")
    for ax in (losses, apart, missing):
        ax.set_xlabel("epoch")
        ax.grid(axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    return fig


def _line(ax: Axes, history: Sequence[dict[str, Any]], split: str, name: str, colour: str, words: str) -> None:
    rows = [(r["epoch"], r[name]) for r in history if r["split"] == split and name in r and isfinite(r[name])]
    if rows:
        x, y = np.array(rows, dtype=float).T
        ax.plot(x, y, color=colour, label=words or "_", marker="o" if len(x) < 3 else None, markersize=4)


def moments(shown: Mapping[int, np.ndarray], most: int = MOMENTS) -> list[int]:
    """The epochs to show: the last, and as many before it as there is room for, spread evenly.

    >>> moments({0: 0, 1: 0, 2: 0, 4: 0, 8: 0, 10: 0}, 3)
    [0, 2, 10]
    """
    epochs = sorted(shown)
    if len(epochs) <= most:
        return epochs
    return [epochs[round(i * (len(epochs) - 1) / (most - 1))] for i in range(most)]


@styled
def pictures_through_training(
    shown: Mapping[int, np.ndarray], shape: Sequence[int], limits: tuple[float, float]
) -> Figure:
    """Pictures from the same z after some epochs, one line for each epoch.

    Arguments:
        shown: rows of pixels `(rows, pixels)` by epoch.
        shape: (height, width[, channels]).
        limits: values of black and white.
    """
    epochs, per_line = moments(shown), 16
    each = WIDTH / per_line * shape[0] / shape[1]
    fig = figure(len(epochs) * (each + 0.05) + 0.1)
    for ax, epoch in zip(fig.subplots(len(epochs), 1, squeeze=False)[:, 0], epochs):
        ax.imshow(tile(as_images(shown[epoch][:per_line], shape, limits), per_line, gap(shape)))
        quiet(ax)
        ax.set_ylabel(f"{epoch}", rotation=0, ha="right", va="center")
    return fig


@styled
def dots_through_training(shown: Mapping[int, np.ndarray], rows: np.ndarray, names: Sequence[str]) -> Figure:
    """Two columns of the samples from the same z after some epochs, over the data.

    Arguments:
        shown: samples `(n, 2)` by epoch.
        rows: of the data, `(rows, 2)`.
        names: of the two columns.
    """
    epochs = moments(shown)
    fig = figure(WIDTH / len(epochs) + 0.35)
    low, high = rows.min(0), rows.max(0)
    room = 0.12 * np.maximum(high - low, 1e-9)
    for i, (ax, epoch) in enumerate(zip(fig.subplots(1, len(epochs), squeeze=False)[0], epochs)):
        ax.plot(*rows.T, ".", color=DATA, markersize=2, alpha=0.25, rasterized=True)
        ax.plot(*shown[epoch].T, ".", color=MODEL, markersize=4)
        ax.set_xlim(low[0] - room[0], high[0] + room[0])
        ax.set_ylim(low[1] - room[1], high[1] + room[1])
        ax.set_title(f"epoch {epoch}", fontweight="normal")
        ax.set_xlabel(plain(names[0]))
        if i == 0:
            ax.set_ylabel(plain(names[1]))
        else:
            ax.set_yticks([])
    return fig
