"""Figures of tables: columns, correlations, strips of values. They take arrays and return a Figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .style import DATA, DIVERGING, LINE, MODEL, MUTED, WIDTH, figure, plain, styled
from .tables import bins_of, correlations, explained

PER_LINE = 4


@styled
def distributions_chart(real: np.ndarray, sampled: np.ndarray, names: Sequence[str]) -> Figure:
    """Each column's distribution, real beside sampled.

    Arguments:
        real, sampled: `(rows, columns)` each, user's units.
        names: of the columns.
    """
    fig, axes = _small_multiples(len(names), 1.55)
    for column, ax in enumerate(axes):
        bins = bins_of(real[:, column], sampled[:, column])
        shares = [bins.share(x[:, column]) for x in (real, sampled)]
        if bins.discrete:
            _bars(ax, bins.edges[:-1] + 0.5, *shares)
        else:
            ax.stairs(shares[0], bins.edges, fill=True, color=DATA, alpha=0.35)
            ax.stairs(shares[1], bins.edges, color=MODEL, linewidth=1.5)
        ax.set_title(plain(names[column], 26), fontsize=8.5, fontweight="normal")
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=bins.discrete, min_n_ticks=1))
    handles = [Patch(color=DATA, alpha=0.35, label="real"), Line2D([], [], color=MODEL, label="sampled")]
    fig.legend(handles=handles, loc="outside upper right", ncols=2)
    return fig


def _bars(ax: Axes, at: np.ndarray, real: np.ndarray, sampled: np.ndarray) -> None:
    ax.bar(at - 0.2, real, width=0.4, color=DATA, alpha=0.45)
    ax.bar(at + 0.2, sampled, width=0.4, color=MODEL, alpha=0.85)


@styled
def correlations_chart(real: np.ndarray, sampled: np.ndarray, names: Sequence[str]) -> Figure:
    """Correlations of the real and of the sampled columns, and each pair of the one against the other."""
    pair = [correlations(x) for x in (real, sampled)]
    labels = [plain(name, 18) for name in names]
    fig = figure(4.0 if len(names) <= 14 else 4.5)
    engine = fig.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(h_pad=0.12)
    axes = fig.subplots(1, 3, width_ratios=[1, 1, 0.85])
    for ax, values, title in zip(axes, pair, ("real", "sampled")):
        shown = ax.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1)
        ax.set_title(title)
        ax.spines[:].set_visible(False)
        size = 7.5 if len(names) <= 14 else 6
        ax.set_xticks(
            range(len(names)), labels, rotation=0 if max(map(len, labels)) * len(labels) <= 36 else 90, fontsize=size
        )
        ax.set_yticks(range(len(names)), labels if ax is axes[0] else [""] * len(names), fontsize=size)
        ax.tick_params(length=0)
    fig.colorbar(shown, ax=axes[:2], label="correlation", shrink=0.7, aspect=40, location="bottom")
    _pairs(axes[2], *pair)
    return fig


def _pairs(ax: Axes, real: np.ndarray, sampled: np.ndarray) -> None:
    upper = np.triu_indices(len(real), 1)
    x, y = real[upper], sampled[upper]
    ax.plot([-1, 1], [-1, 1], color=LINE, linewidth=1)
    ax.scatter(x, y, s=14, color=DATA, alpha=0.6, linewidths=0)
    ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xlabel="real", ylabel="sampled")
    ax.set_title("each pair of columns")
    ax.set_aspect("equal")
    ax.grid(True)


@styled
def reconstructions_chart(x: np.ndarray, reconstructed: np.ndarray, names: Sequence[str]) -> Figure:
    """Reconstruction against original, a panel for each column, with the share of variance explained."""
    fig, axes = _small_multiples(len(names), 1.75)
    share = explained(x, reconstructed)
    for column, ax in enumerate(axes):
        a, b = x[:, column], reconstructed[:, column]
        across = _apart(a)
        ends = _ends(across, b)
        ax.plot(ends, ends, color=LINE, linewidth=1)
        ax.scatter(across, b, s=float(np.clip(4000 / len(a), 3, 18)), color=MODEL, alpha=0.45, linewidths=0)
        text = (
            "constant"
            if np.isnan(share[column])
            else f"R² {share[column]:.2f}".replace("-0.00", "0.00").replace("-", "−")
        )
        ax.set_title(f"{plain(names[column], 20)}", fontsize=8.5, fontweight="normal")
        ax.annotate(text, (1, 1.03), xycoords="axes fraction", ha="right", va="bottom", fontsize=8, color=MUTED)
        ax.set(xlim=ends, ylim=ends)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(3, integer=across is not a))
    fig.supxlabel("original", fontsize=9, color=MUTED)
    fig.supylabel("reconstruction", fontsize=9, color=MUTED)
    return fig


def _apart(a: np.ndarray) -> np.ndarray:
    """The values themselves, or, where they are few, spread out a little so that dots do not hide one another."""
    values = np.unique(a)
    if not 1 < len(values) <= 12:
        return a
    return a + np.random.default_rng(0).uniform(-0.2, 0.2, len(a)) * np.diff(values).min()


def _ends(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """One range for both axes, so that the diagonal is one."""
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    margin = 0.07 * (high - low) or 0.5
    return low - margin, high + margin


@styled
def heat_chart(
    panels: Sequence[tuple[str, np.ndarray]], ticks: Sequence[str], names: Sequence[str], label: str, xlabel: str
) -> Figure:
    """Panels of coloured cells, a line for each column of the table, all on one scale that is symmetric about zero.

    Arguments:
        panels: title and values `(steps, columns)` of each.
        ticks: names of the steps.
        names: of the columns.
        label: what the colour means.
        xlabel: what the steps are.
    """
    per_line = min(PER_LINE, len(panels))
    lines = -(-len(panels) // per_line)
    fig = figure(lines * (0.17 * len(names) + 0.7) + 0.85, WIDTH if per_line > 2 else 6.4)
    grid = fig.subplots(lines, per_line, squeeze=False, sharey=True)
    most = _symmetric([x for _, x in panels])
    for i, ax in enumerate(grid.ravel()):
        if i >= len(panels):
            ax.set_axis_off()
            continue
        title, x = panels[i]
        shown = _cells(ax, x, most)
        ax.set_title(plain(title, 30), fontsize=8.5)
        ax.set_xticks(range(len(ticks)), ticks, fontsize=6.5)
        ax.set_yticks(range(len(names)), [plain(n, 22) for n in names], fontsize=7)
        if i // per_line == lines - 1:
            ax.set_xlabel(xlabel)
    _scale(fig, shown, grid.ravel().tolist(), label)
    return fig


@styled
def line_of_cells(a: np.ndarray, between: np.ndarray, b: np.ndarray, names: Sequence[str], label: str) -> Figure:
    """A real row, the decoded points between, another real row, as coloured cells.

    Arguments:
        a, b: `(columns,)`, standardised.
        between: `(points, columns)`, standardised.
        names, label: as for `heat_chart`.
    """
    fig = figure(0.2 * len(names) + 1.3, 8.2)
    axes = fig.subplots(1, 3, width_ratios=[1.3, len(between), 1.3], sharey=True)
    most = _symmetric([a, between, b])
    for ax, x, title in zip(axes, (a[None], between, b[None]), ("row A", "decoded, from A to B", "row B")):
        shown = _cells(ax, x, most)
        ax.set_title(title, fontsize=8.5)
        ax.set_xticks([])
    axes[1].set_xticks(range(len(between)), [f"{t:.0%}" for t in np.linspace(0, 1, len(between))], fontsize=7.5)
    axes[0].set_yticks(range(len(names)), [plain(n, 28) for n in names], fontsize=7.5)
    _scale(fig, shown, axes.tolist(), label)
    return fig


@styled
def weights_chart(weights: np.ndarray, assigned: np.ndarray) -> Figure:
    """Weight of each component of a mixture, and the share of rows that belong to it most."""
    fig = figure(2.5, 7.6)
    ax = fig.subplots()
    at = np.arange(len(weights))
    ax.bar(at - 0.2, weights, width=0.38, color=MODEL, alpha=0.9, label="weight in the model")
    ax.bar(at + 0.2, assigned, width=0.38, color=DATA, alpha=0.6, label="share of rows most probably its own")
    ax.set_xticks(at, [str(k) for k in at] if len(at) <= 40 else ["" if k % 5 else str(k) for k in at])
    ax.set_xlabel("component")
    ax.set_ylabel("share")
    ax.set_ylim(0, 1.25 * max(weights.max(), assigned.max()))
    ax.grid(axis="y")
    ax.legend(loc="upper right", ncols=2)
    return fig


def _scale(fig: Figure, shown: AxesImage, axes: list[Axes], label: str) -> None:
    width = fig.get_size_inches()[0]
    bar = fig.colorbar(shown, ax=axes, label=label, location="bottom", aspect=28, shrink=3.6 / width, pad=0.03)
    bar.outline.set_visible(False)  # type: ignore[operator]


def _cells(ax: Axes, x: np.ndarray, most: float) -> AxesImage:
    shown = ax.imshow(x.T, cmap=DIVERGING, vmin=-most, vmax=most, aspect="auto")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return shown


def _symmetric(arrays: Sequence[np.ndarray]) -> float:
    every = np.concatenate([np.abs(x).ravel() for x in arrays])
    every = every[np.isfinite(every)]
    return max(float(np.percentile(every, 99.5)) if len(every) else 0.0, 1e-6)


def _small_multiples(n: int, height: float) -> tuple[Figure, list[Axes]]:
    lines = -(-n // PER_LINE)
    fig = figure(lines * height + 0.45)
    axes = fig.subplots(lines, PER_LINE, squeeze=False).ravel().tolist()
    for ax in axes[n:]:
        ax.set_axis_off()
    return fig, axes[:n]
