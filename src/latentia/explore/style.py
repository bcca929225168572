"""How all figures look, and text that a figure can be trusted with.

Blue is what is there (the data), orange is what the model makes of it; classes have the colours of Paul Tol's "muted"
scheme, which colour-blind readers can tell apart. Nothing global changes: settings hold inside `rc_context` alone.
"""

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

INK, MUTED, LINE = "#1f2933", "#5f6c7b", "#d9dee5"
DATA, MODEL, IDLE = "#2a6fb0", "#d9730d", "#b6bfca"
CLASSES = ("#332288", "#cc6677", "#44aa99", "#ddcc77", "#88ccee", "#882255", "#117733", "#999933", "#aa4499", "#777777")
MARKERS = ("o", "^")  # the second ten classes have the colours of the first, and another shape
DIVERGING = LinearSegmentedColormap.from_list(
    "latentia", ["#9a4a00", "#e08a3c", "#f6d9b8", "#fbfbfb", "#bcd5ec", "#4f90c9", "#174a7c"]
).with_extremes(bad="#e3e7ec")
WIDTH = 9.6  # inches; the page shows it at about 960 pixels
DPI = 180

RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 9,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#9aa5b1",
    "axes.facecolor": "white",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "text.usetex": False,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "lines.linewidth": 1.6,
    "image.interpolation": "nearest",
}

styled = rc_context(RC)  # type: ignore[arg-type]  # a decorator: the settings hold while the function runs


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of that many inches, on a canvas of its own."""
    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(fig)
    return fig


@styled
def png(fig: Figure) -> bytes:
    """The figure as the bytes of a PNG file, the same bytes each time."""
    out = BytesIO()
    fig.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


@styled
def pixels(fig: Figure, dpi: int = 100) -> np.ndarray:
    """The figure as `(height, width, 3)` bytes, a frame of an animation."""
    fig.set_dpi(dpi)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def plain(text: Any, width: int = 24) -> str:
    """A name as one line that matplotlib draws as it stands: no formulas, no missing glyphs, no hidden legend entry.

    >>> plain("price in $", 24), plain("a very long name of a column", 12), plain("_hidden")
    ('price in \\\\$', 'a very long…', ' _hidden')
    """
    line = " ".join(str(text).split())
    line = "".join(c if ord(c) in _glyphs() else "□" for c in line)
    line = line if len(line) <= width else f"{line[: width - 1].rstrip()}…"
    line = line.replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def quiet(ax: Axes) -> None:
    """No ticks, no frame: for pictures."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def class_colour(code: int) -> str:
    """Colour of a class; missing labels are grey."""
    return "#c9ced6" if code < 0 else CLASSES[code % len(CLASSES)]


def class_marker(code: int) -> str:
    """Marker of a class."""
    return MARKERS[(max(code, 0) // len(CLASSES)) % len(MARKERS)]
