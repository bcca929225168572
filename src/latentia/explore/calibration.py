"""The picture of calibration: ranks of each unit, and what q's regions hold."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evidence import Calibration
from .style import DATA, IDLE, INK, MODEL, figure, styled

UNITS = 8  # drawn at most
BAND = 3.0  # standard errors


@styled
def calibration_plot(found: Calibration) -> Figure:
    """Left, for each unit, how far the share of ranks below each value is from what it should be; right, coverage.

    The grey band is where a calibrated q stays at any one place all but once in 370 times.

    Arguments:
        found: by `evidence.calibrate`.
    """
    fig = figure(3.4)
    left, right = fig.subplots(1, 2)
    _ranks(left, found)
    _coverage(right, found)
    return fig


def _band(ax: Axes, found: Calibration, level: np.ndarray, centre: np.ndarray) -> None:
    error = BAND * np.sqrt(level * (1 - level) / found.n_rows)
    ax.fill_between(level, centre - error, centre + error, color=IDLE, alpha=0.45, linewidth=0, label="calibrated")


def _share_below(ranks: np.ndarray, n_samples: int) -> np.ndarray:
    counts = np.bincount(ranks, minlength=n_samples + 1)
    return np.concatenate([[0.0], counts.cumsum() / len(ranks)])


def _ranks(ax: Axes, found: Calibration) -> None:
    level = np.linspace(0, 1, found.n_samples + 2)
    _band(ax, found, level, np.zeros_like(level))
    worst = found.p_values.argsort()[:UNITS].tolist()
    for place, unit in enumerate(worst):
        off = _share_below(found.ranks[:, unit].numpy(), found.n_samples) - level
        label = f"z{unit}, the least uniform" if place == 0 else None
        ax.plot(
            level,
            off,
            color=MODEL if place == 0 else INK,
            alpha=1.0 if place == 0 else 0.35,
            label=label,
            linewidth=1.2,
        )
    ax.axhline(0, color=INK, linewidth=0.6)
    shown = (
        "each unit" if found.ranks.shape[1] <= UNITS else f"the {UNITS} least uniform of {found.ranks.shape[1]} units"
    )
    ax.set_title(f"Ranks of the true z, {shown}")
    ax.set_xlabel("rank among the draws, as a share")
    ax.set_ylabel("share of rows below, less expected")
    ax.legend(loc="best")


def _coverage(ax: Axes, found: Calibration) -> None:
    level = np.linspace(0, 1, found.n_samples + 2)
    _band(ax, found, level, level)
    held = _share_below(found.density_ranks.numpy(), found.n_samples)
    ax.plot(level, held, color=DATA, label="q")
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.6)
    ax.set_title("What q's regions of highest density hold")
    ax.set_xlabel("probability that q gives the region")
    ax.set_ylabel("share of rows whose true z is inside")
    ax.text(0.97, 0.06, "below: too sure", transform=ax.transAxes, ha="right", color=INK, fontsize=8)
    ax.text(0.03, 0.93, "above: too unsure", transform=ax.transAxes, color=INK, fontsize=8)
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, 0.92))
