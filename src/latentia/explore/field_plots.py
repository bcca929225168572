"""Arrows as a figure."""

import numpy as np
from matplotlib.figure import Figure

from .fields import Field
from .style import DATA, INK, MODEL, figure, plain, styled


@styled
def field_chart(field: Field, paths: np.ndarray | None = None) -> Figure:
    """The arrows over the data; where they are longer than the grid is wide all are shortened alike.

    Arguments:
        field: from `vector_field`.
        paths: walks in the plane, `(steps, rows, 2)`; None draws none.
    """
    fig = figure(5.6, 6.4)
    ax = fig.subplots()
    few = field.rows[:: max(1, len(field.rows) // 4000)]
    ax.plot(few[:, 0], few[:, 1], ".", color=DATA, markersize=2, alpha=0.45, label="data")
    cell = np.ptp(field.points, axis=0).max() / max(1, round(len(field.points) ** 0.5) - 1)
    length = np.linalg.norm(field.vectors, axis=1)
    most = np.percentile(length, 95) or 1.0
    shown = field.vectors * min(1.0, 1.6 * cell / most)
    arrows = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.0025, "color": MODEL}
    ax.quiver(*field.points.T, *shown.T, label="where the model moves a row", **arrows)
    if paths is not None:
        for i, line in enumerate(np.swapaxes(paths, 0, 1)):
            ax.plot(*line.T, color=INK, linewidth=0.9, label="walks" if i == 0 else None)
            ax.plot(*line[0], "o", color=INK, markersize=3)
    low, high = field.points.min(0), field.points.max(0)
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_xlabel(plain(field.axes[0], 40))
    ax.set_ylabel(plain(field.axes[1], 40))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.09), ncols=3)
    return fig
