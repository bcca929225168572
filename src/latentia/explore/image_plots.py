"""Figures made of pictures: pairs, grids, strips. They take rows of pixels and return a Figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .image_grid import as_images, tile
from .style import INK, WIDTH, figure, plain, quiet, styled

Limits = tuple[float, float]
Rows = tuple[str, np.ndarray, Limits]


@styled
def pairs_chart(kinds: Sequence[Rows], shape: Sequence[int], per_line: int = 14) -> Figure:
    """Lines of pictures under one another, one line for each kind (original, reconstruction, ...), in blocks.

    Arguments:
        kinds: name, rows `(rows, pixels)` and values of black and white, of each kind; the same rows in each.
        shape: (height, width[, channels]).
        per_line: pictures in a line.
    """
    n = len(kinds[0][1])
    per_line = min(per_line, max(n, 6))
    blocks = [slice(start, start + per_line) for start in range(0, n, per_line)]
    fig = figure(len(blocks) * (_height(WIDTH - 1.1, per_line, len(kinds), shape) + 0.2))
    for ax, block in zip(fig.subplots(len(blocks), 1, squeeze=False)[:, 0], blocks):
        lines = [_filled(as_images(x[block], shape, limits), per_line) for _, x, limits in kinds]
        _block(ax, np.concatenate(lines), per_line, [name for name, _, _ in kinds])
    return fig


@styled
def grids_chart(grids: Sequence[tuple[str, np.ndarray]], shape: Sequence[int], limits: Limits, per_line: int) -> Figure:
    """Square grids of pictures side by side.

    Arguments:
        grids: title and rows `(rows, pixels)` of each.
        shape, limits: as for `image_grid.as_images`.
        per_line: pictures in a line of a grid.
    """
    lines = -(-len(grids[0][1]) // per_line)
    each = WIDTH / max(2, len(grids))
    fig = figure(_height(each, per_line, lines, shape) + 0.3, each * len(grids))
    for ax, (title, x) in zip(fig.subplots(1, len(grids), squeeze=False)[0], grids):
        ax.imshow(tile(as_images(x, shape, limits), per_line, gap(shape)))
        ax.set_title(plain(title, 60), fontweight="normal")
        quiet(ax)
    return fig


@styled
def manifold_chart(grid: np.ndarray, units: tuple[int, int], shape: Sequence[int], limits: Limits) -> Figure:
    """A decoded plane of two latent units, `(n, n, pixels)`, as one picture."""
    n = len(grid)
    fig = figure(6.0 * shape[0] / shape[1] + 0.2, 6.4)
    ax = fig.subplots()
    ax.imshow(tile(as_images(grid.reshape(n * n, -1), shape, limits), n, gap(shape) if shape[1] < 16 else 0))
    quiet(ax)
    ax.set_xlabel(f"latent unit {units[0]}  →")
    ax.set_ylabel(f"latent unit {units[1]}  →")
    return fig


@styled
def traversals_chart(
    strips: Sequence[tuple[str, np.ndarray]], ticks: Sequence[str], shape: Sequence[int], limits: Limits
) -> Figure:
    """One strip for each latent unit, one picture for each percentile; in two columns where there are many.

    Arguments:
        strips: name and decoded rows `(percentiles, pixels)` of each unit.
        ticks: names of the percentiles.
        shape, limits: as for `image_grid.as_images`.
    """
    n_blocks = 2 if len(strips) > 5 else 1
    per_block = -(-len(strips) // n_blocks)
    width = WIDTH / 2 * (1 if n_blocks == 2 else 1.3)
    fig = figure(_height(width - 1.1, len(ticks), per_block, shape) + 0.35, width * n_blocks)
    for i, ax in enumerate(fig.subplots(1, n_blocks, squeeze=False)[0]):
        some = strips[i * per_block : (i + 1) * per_block]
        pictures = np.concatenate([as_images(x, shape, limits) for _, x in some])
        _block(ax, pictures, len(ticks), [name for name, _ in some], ticks)
        ax.set_anchor("N")
    return fig


@styled
def line_chart(x: np.ndarray, names: Sequence[str], shape: Sequence[int], limits: Limits, per_line: int = 12) -> Figure:
    """Pictures with a name above each, in lines."""
    blocks = [slice(start, start + per_line) for start in range(0, len(x), per_line)]
    per_line = min(per_line, len(x)) if len(x) > 6 else 6
    fig = figure(len(blocks) * (_height(WIDTH, per_line, 1, shape) + 0.3))
    for ax, block in zip(fig.subplots(len(blocks), 1, squeeze=False)[:, 0], blocks):
        _block(ax, _filled(as_images(x[block], shape, limits), per_line), per_line, [""], names[block])
    return fig


def gap(shape: Sequence[int]) -> int:
    """Pixels between two pictures of that shape."""
    return max(1, round(shape[1] / 12))


def _block(ax: Axes, pictures: np.ndarray, per_line: int, lines: Sequence[str], tops: Sequence[str] = ()) -> None:
    """Lines of pictures with names at their left, and at the top of each column."""
    height, width = pictures.shape[1:3]
    between = gap((height, width))
    ax.imshow(tile(pictures, per_line, between))
    quiet(ax)
    centre = lambda n, size: [i * (size + between) + (size - 1) / 2 for i in range(n)]  # noqa: E731
    ax.set_yticks(centre(len(lines), height), [plain(name, 22) for name in lines])
    ax.xaxis.tick_top()
    ax.set_xticks(centre(len(tops), width), [plain(name, 18) for name in tops])
    ax.tick_params(length=0)
    for label in ax.get_xticklabels():
        if label.get_text() == "50 %":
            label.set(fontweight="bold", color=INK)


def _filled(pictures: np.ndarray, n: int) -> np.ndarray:
    """Followed by blank ones, so that a short line has the scale of a full one."""
    return np.concatenate([pictures, np.ones((n - len(pictures), *pictures.shape[1:]))])


def _height(width: float, per_line: int, lines: int, shape: Sequence[int]) -> float:
    """Inches of that many lines of pictures in a block of that width."""
    between = gap(shape)
    return width * (lines * (shape[0] + between)) / (per_line * (shape[1] + between))
