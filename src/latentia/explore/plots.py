"""Figures of the fit as a whole: learning curve, evidence, map, units. They take numbers and return a Figure."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ..estimate import Estimate
from .groups import Groups
from .maps import LatentMap
from .style import DATA, IDLE, INK, LINE, MODEL, MUTED, WIDTH, class_colour, class_marker, figure, plain, styled

_SPLITS = {"train": ("while learning", IDLE, "-"), "validation": ("held-out rows", DATA, "-")}
_MARKER = {"exact": "o", "lower": ">", "upper": "<"}


@styled
def learning_curve(history: Sequence[dict[str, Any]], parts: Sequence[str], name: str = "bound") -> Figure:
    """The bound and its named parts against epochs, of learning and of held-out rows.

    Arguments:
        history: rows of `Fit.history`.
        parts: names of the parts to draw beside the bound.
        name: what the bound is called.
    """
    names = ("bound", *parts)
    fig = figure(3.1)
    axes = fig.subplots(1, len(names), width_ratios=[1.5, *[1] * len(parts)], squeeze=False)[0]
    titles = {"bound": name, "kl": "KL"}
    for ax, key in zip(axes, names):
        _curve(ax, history, key)
        ax.set_title(plain(titles.get(key, key.replace("_", " ")), 32))
        ax.set_xlabel("epoch")
    axes[0].set_ylabel("nats per row")
    _mark_best(axes[0], history)
    lines = [line for line in axes[0].get_lines() if not str(line.get_label()).startswith("_")]
    fig.legend(handles=lines, loc="outside upper right", ncols=3)
    return fig


def _curve(ax: Axes, history: Sequence[dict[str, Any]], name: str) -> None:
    drawn = []
    for split, (label, colour, style) in _SPLITS.items():
        rows = [(r["epoch"], r[name]) for r in history if r["split"] == split and name in r and isfinite(r[name])]
        if rows:
            x, y = np.array(rows, dtype=float).T
            ax.plot(x, y, style, color=colour, label=label, marker="o" if len(x) < 3 else None, markersize=4)
            drawn.append((x, y))
    ax.grid(axis="y")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    _frame(ax, drawn)


def _frame(ax: Axes, curves: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Cut the first epochs off where they would flatten all that follows; a caption should say so."""
    if not curves or max(len(x) for x, _ in curves) < 12:
        return
    last = max(x.max() for x, _ in curves)
    late = np.concatenate([y[x > 0.08 * last] for x, y in curves])
    every = np.concatenate([y for _, y in curves])
    if not len(late):
        return
    span = max(float(late.max() - late.min()), 1e-9)
    low, high = late.min() - 0.15 * span, late.max() + 0.15 * span
    if every.min() < late.min() - 1.5 * span or every.max() > late.max() + 1.5 * span:
        ax.set_ylim(low, high)


def _mark_best(ax: Axes, history: Sequence[dict[str, Any]]) -> None:
    rows = [(r["bound"], r["epoch"]) for r in history if r["split"] == "validation" and isfinite(r["bound"])]
    if len(rows) > 1:
        best, epoch = max(rows)
        ax.plot([epoch], [best], "o", color=DATA, markersize=5.5, markeredgecolor="white", label="best held-out")


@styled
def evidence_chart(estimates: Sequence[tuple[str, Estimate]]) -> Figure:
    """Each estimate of mean log p(x) with its two errors; the arrow of a bound points to where log p(x) lies.

    Arguments:
        estimates: name and `Estimate` of each.
    """
    fig = figure(0.75 + 0.42 * len(estimates))
    ax = fig.subplots()
    for y, (_, e) in enumerate(estimates):
        colour = INK if e.kind == "exact" else DATA
        rows = e.row_error if isfinite(e.row_error) else 0.0
        ax.plot([e.mean - rows, e.mean + rows], [y, y], color=colour, alpha=0.35, linewidth=1.4)
        ax.plot([e.mean - e.mc_error, e.mean + e.mc_error], [y, y], color=colour, linewidth=4, solid_capstyle="butt")
        ax.plot([e.mean], [y], _MARKER[e.kind], color=colour, markersize=9, markeredgecolor="white")
    ax.set_yticks(range(len(estimates)), [plain(name, 64) for name, _ in estimates])
    ax.set_ylim(len(estimates) - 0.4, -0.6)
    ax.set_xlabel("nats per row, higher is better")
    ax.margins(x=0.12)
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return fig


@styled
def map_chart(maps: LatentMap, groups: Groups | None, name: str = "label") -> Figure:
    """The rows of a latent map, coloured by class or along a scale; a histogram where there is but one axis.

    Arguments:
        maps: where the rows lie.
        groups: what colours them; None for one colour.
        name: of what colours them.
    """
    wide = groups is not None
    fig = figure(5.2 if maps.points.shape[1] > 1 else 3.2, 7.6 if wide else 6.4)
    ax = fig.subplots()
    groups = groups or Groups(np.zeros(len(maps.points), dtype=int), ("",))
    if maps.points.shape[1] == 1 and groups.codes is not None:
        _histograms(ax, maps, groups)
    else:
        _scatter(fig, ax, maps, groups, name)
    if groups.codes is not None:
        _class_legend(ax, groups, name)
    ax.set_xlabel(maps.axes[0])
    return fig


def _scatter(fig: Figure, ax: Axes, maps: LatentMap, groups: Groups, name: str) -> None:
    points, n = maps.points, len(maps.points)
    style = {"s": float(np.clip(16000 / n, 5, 30)), "alpha": float(np.clip(1400 / n, 0.6, 0.85)), "linewidths": 0}
    one = points.shape[1] == 1
    if groups.codes is None:
        assert groups.values is not None
        y = groups.values if one else points[:, 1]
        shown = ax.scatter(points[:, 0], y, c=groups.values, cmap="viridis", plotnonfinite=True, **style)
        fig.colorbar(shown, ax=ax, label=name, shrink=0.7, aspect=30)
        ax.set_ylabel(name if one else maps.axes[1])
    else:
        order = np.random.default_rng(0).permutation(n)  # so that no class hides another by coming last
        for marker in sorted({class_marker(c) for c in groups.codes.tolist()}):
            some = order[[class_marker(c) == marker for c in groups.codes[order].tolist()]]
            colours = [class_colour(c) for c in groups.codes[some].tolist()]
            ax.scatter(
                points[some, 0], points[some, 1], c=colours if len(groups.names) > 1 else DATA, marker=marker, **style
            )
        _class_names(ax, points, groups)
        ax.set_ylabel(maps.axes[1])
    if maps.prior is not None and not one:
        _prior_contours(ax, maps.prior)
    if not one:
        ax.set_aspect("equal", adjustable="datalim")


def _class_legend(ax: Axes, groups: Groups, name: str) -> None:
    if len(groups.names) < 2 or groups.codes is None:
        return
    codes = [*range(len(groups.names)), *([-1] if (groups.codes < 0).any() else [])]
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=class_marker(c),
            color=class_colour(c),
            markersize=6,
            label=_class_name(groups, c),
        )
        for c in codes
    ]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), title=name, alignment="left")


def _class_name(groups: Groups, code: int) -> str:
    return "(no label)" if code < 0 else plain(groups.names[code], 22) or "(empty)"


def _class_names(ax: Axes, points: np.ndarray, groups: Groups) -> None:
    """Names where the classes lie, for those who cannot tell the colours apart."""
    if not 1 < len(groups.names) <= 12:
        return
    assert groups.codes is not None
    halo = [withStroke(linewidth=3.5, foreground="white")]
    for code, name in enumerate(groups.names):
        here = points[groups.codes == code]
        if len(here):
            x, y = np.median(here, axis=0)
            ax.text(x, y, plain(name, 12), ha="center", va="center", fontsize=9, fontweight="bold", path_effects=halo)


def _prior_contours(ax: Axes, prior: np.ndarray) -> None:
    for mass in (0.5, 0.95):
        radius = 2 * np.sqrt(-2 * np.log(1 - mass)) * prior[1]
        ax.add_patch(
            Ellipse(tuple(prior[0]), *radius, fill=False, edgecolor=MUTED, linestyle=(0, (4, 3)), linewidth=0.9)
        )
        low = prior[0] - np.array([0.0, radius[1] / 2])
        halo = [withStroke(linewidth=2.5, foreground="white")]
        ax.annotate(
            f"{mass:.0%} of the prior",
            tuple(low),
            ha="center",
            va="center",
            fontsize=7.5,
            color=MUTED,
            path_effects=halo,
        )


def _histograms(ax: Axes, maps: LatentMap, groups: Groups) -> None:
    assert groups.codes is not None
    x = maps.points[:, 0]
    edges = np.histogram_bin_edges(x, bins=40).tolist()
    for code, _ in enumerate(groups.names):
        here = x[groups.codes == code]
        colour = class_colour(code) if len(groups.names) > 1 else DATA
        ax.hist(here, edges, histtype="stepfilled", alpha=0.22, color=colour)
        ax.hist(here, edges, histtype="step", linewidth=1.4, color=colour)
    ax.set_ylabel("rows")
    if maps.prior is not None:
        centre, sd = maps.prior[:, 0]
        z = np.linspace(centre - 3.5 * sd, centre + 3.5 * sd, 200)
        density = np.exp(-0.5 * ((z - centre) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        ax.plot(z, density * len(x) * (edges[1] - edges[0]), "--", color=MUTED, linewidth=1)
        ax.annotate(
            "dashed: the prior, for all rows",
            (0.01, 0.97),
            xycoords="axes fraction",
            va="top",
            fontsize=7.5,
            color=MUTED,
        )


@styled
def units_chart(activity: np.ndarray, kl: np.ndarray | None, threshold: float | None = 0.01) -> Figure:
    """KL and activity of each latent unit, from the most to the least active.

    Arguments:
        activity: variance over rows of the posterior mean, `(units,)`.
        kl: mean KL, nats per row, `(units,)`; None where q and p do not factorise.
        threshold: what an active unit exceeds; None of codes, which have no scale of their own.
    """
    order = np.argsort(-activity, kind="stable")
    fig = figure(2.6 if kl is None else 4.4, float(np.clip(3.0 + 0.5 * len(order), 5.5, WIDTH)))
    axes = fig.subplots(1 if kl is None else 2, 1, sharex=True, squeeze=False)[:, 0]
    at, active = np.arange(len(order)), activity[order] > (threshold or 0.0)
    colours = [DATA if a else IDLE for a in active]
    if kl is not None:
        axes[0].bar(at, kl[order], color=colours, width=0.6)
        axes[0].set_title("KL(q(z|x) || p(z)) of each unit")
        axes[0].set_ylabel("nats per row")
        axes[0].grid(axis="y")
    if threshold is None:
        axes[-1].bar(at, activity[order], color=DATA, width=0.6)
        axes[-1].set_title("Variance of each code over the rows")
        axes[-1].set_ylabel("variance")
        axes[-1].grid(axis="y")
    else:
        _activity(axes[-1], at, np.maximum(activity[order], 1e-6), colours, threshold)
    labels = (
        [str(u) for u in order] if len(order) <= 40 else [str(u) if i % 5 == 0 else "" for i, u in enumerate(order)]
    )
    axes[-1].set_xticks(at, labels)
    axes[-1].set_xlabel("code, largest variance first" if threshold is None else "latent unit, most active first")
    spare = max(0.0, (4.4 - len(order)) / 2)
    axes[-1].set_xlim(-0.7 - spare, len(order) - 0.3 + spare)
    return fig


def _activity(ax: Axes, at: np.ndarray, activity: np.ndarray, colours: list[str], threshold: float) -> None:
    ax.set_yscale("log")
    floor = min(threshold / 20, float(activity.min()) / 2)
    ax.vlines(at, floor, activity, color=colours, linewidth=2)
    ax.scatter(at, activity, color=colours, s=26, zorder=3)
    ax.axhline(threshold, color=MODEL, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_ylim(floor, max(2.0, float(activity.max()) * 1.6))
    ax.set_title(f"Activity: variance of the posterior mean (dashed: {threshold:g})")
    ax.set_ylabel("variance")
    ax.grid(axis="y", color=LINE)
