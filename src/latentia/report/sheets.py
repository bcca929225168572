"""Figures that are pictures where the rows are pictures, and coloured cells where they are a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import AbilityError
from ..explore import middle
from ..explore.components import Components
from ..explore.image_plots import line_chart, pairs_chart, traversals_chart
from ..explore.latent import walked
from ..explore.neighbours import Neighbours
from ..explore.reconstructions import Reconstructions
from ..explore.table_plots import heat_chart, line_of_cells, reconstructions_chart
from .view import View


def walks_sheet(view: View, walks: Sequence[tuple[str, np.ndarray]], ticks: Sequence[str]) -> Any:
    """Decoded rows along each latent unit; of a table the change from the prior's median, in standard deviations.

    Arguments:
        view: of the run.
        walks: name and decoded rows `(ticks, columns)` of each unit.
        ticks: names of the points along it.
    """
    if view.image_shape:
        return traversals_chart(walks, ticks, view.image_shape, view.limits)
    _, sd = standard(view)
    centre = view.estimator.inverse_transform(middle(view.estimator)[None])
    panels = [(name, ((x - centre) / sd)[:, view.columns]) for name, x in walks]
    short = [tick.removesuffix(" %") for tick in ticks]
    kind = walked(view.estimator)
    along = f"percentile of the {view.spread}" if kind == "percentile" else kind
    return heat_chart(panels, short, view.names, "change, standard deviations", along)


def line_sheet(view: View, ends: np.ndarray, between: np.ndarray) -> Any:
    """Two rows as the model sees them, and what lies decoded between them.

    Arguments:
        view: of the run.
        ends: `(2, columns)`.
        between: `(points, columns)`.
    """
    seen = view.seen(ends)
    if view.image_shape:
        names = ["A", *(f"{t:.0%}" for t in np.linspace(0, 1, len(between))), "B"]
        return line_chart(np.vstack([seen[:1], between, seen[1:]]), names, view.image_shape, view.limits)
    mean, sd = standard(view)
    scaled = [((x - mean) / sd)[:, view.columns] for x in (seen, between)]
    return line_of_cells(scaled[0][0], scaled[1], scaled[0][1], view.names, "standard deviations from the mean")


def lines_sheet(view: View, names: Sequence[str], ends: np.ndarray, between: Sequence[np.ndarray]) -> Any:
    """Several pairs of pictures, and what lies decoded between the two of each, line under line.

    Arguments:
        view: of the run.
        names: of the pairs.
        ends: `(2 pairs, columns)`.
        between: `(points, columns)` of each pair.

    Raises: `AbilityError` for a table.
    """
    if not view.image_shape:
        raise AbilityError("Several pairs are drawn of pictures, and these data are a table. Name one pair of rows.")
    seen = view.seen(ends)
    lines = [np.vstack([seen[2 * i : 2 * i + 1], way, seen[2 * i + 1 : 2 * i + 2]]) for i, way in enumerate(between)]
    ticks = ["A", *(f"{t:.0%}" for t in np.linspace(0, 1, len(between[0]))), "B"]
    return traversals_chart(list(zip(names, lines)), ticks, view.image_shape, view.limits)


def components_sheet(view: View, found: Components) -> Any:
    """The centre and the axes of a linear model, or the means of a mixture.

    Axes have no light and dark of their own: each picture of one goes from its least to its largest change, grey is none.
    """
    rows, names = found.directions, [str(i) for i in range(len(found.directions))]
    if view.image_shape and found.kind == "means":
        return line_chart(rows, names, view.image_shape, view.limits)
    if view.image_shape:
        low, high = view.limits
        most = np.abs(rows).max(1, keepdims=True)
        shown = (low + high) / 2 + (high - low) / 2 * rows / np.where(most == 0, 1.0, most)
        return line_chart(np.vstack([found.centre, shown]), ["mean", *names], view.image_shape, view.limits)
    mean, sd = standard(view)
    cells = (rows - mean if found.kind == "means" else rows)[:, view.columns] / sd[view.columns]
    title = "mean of each component" if found.kind == "means" else "change along each axis"
    return heat_chart(
        [(title, cells)], names, view.names, "standard deviations", {"means": "mean", "axes": "axis"}[found.kind]
    )


def reconstructions_sheet(view: View, found: Reconstructions) -> Any:
    """Pictures beside what comes back of them; of a table each column's values against what comes back.

    Arguments:
        view: of the run.
        found: the rows.
    """
    if view.image_shape is None:
        return reconstructions_chart(found.seen[:, view.columns], found.rebuilt[:, view.columns], view.names)
    binarise = view.estimator.binarise_
    limits = view.limits if binarise is None else (binarise.low, binarise.high)
    kinds = [("original", found.rows, limits), ("reconstruction", found.rebuilt, view.limits)]
    if binarise is not None:
        kinds.insert(1, ("as seen", found.seen, (0.0, 1.0)))
    return pairs_chart(kinds, view.image_shape)


def neighbours_sheet(view: View, x: np.ndarray, rows: np.ndarray, found: Neighbours) -> Any:
    """Each row beside those that the model holds to be most like it.

    Arguments:
        view: of the run.
        x: all rows, user's units.
        rows: numbers of the rows that were asked about.
        found: their neighbours.
    """
    names = [f"row {row}" for row in rows]
    if view.image_shape:
        kinds = [(name, x[line], view.limits) for name, line in zip(names, found.index)]
        return pairs_chart(kinds, view.image_shape, found.index.shape[1])
    mean, sd = standard(view)
    panels = [(name, ((x[line] - mean) / sd)[:, view.columns]) for name, line in zip(names, found.index)]
    ticks = [str(i) for i in range(found.index.shape[1])]
    return heat_chart(panels, ticks, view.names, "standard deviations from the mean", "neighbours, nearest first")


def standard(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the shown rows' columns; 1 for constant ones."""
    x = view.seen(view.shown.x)
    sd = x.std(0)
    return x.mean(0), np.where((x.min(0) == x.max(0)) | (sd == 0), 1.0, sd)
