import sys

import matplotlib
import numpy as np
import pytest
import torch

from latentia.estimate import Estimate
from latentia.explore import image_plots, plots, table_plots
from latentia.explore.groups import group
from latentia.explore.maps import LatentMap
from latentia.explore.style import plain, png

HOSTILE = ["$\\frac{1}$", "a\nb", "_hidden", "<b>&", "漢字 🎉", "", "$x$ and $y$", "%s {} \\alpha", "x" * 400]
HISTORY = [
    {"step": i, "epoch": i, "split": split, "bound": -9.0 / i, "reconstruction": -8.0 / i, "kl": 1.0 / i}
    for i in range(1, 30)
    for split in ("train", "validation")
]


def settings():
    return {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}


def points(n, axes=2):
    return np.random.default_rng(0).normal(size=(n, axes))


def every_figure():
    x, names = points(30, 5), HOSTILE[:5]
    x[:, 2] = 7.0
    labels = np.array([HOSTILE[i % 9] for i in range(30)], dtype=object)
    two = LatentMap(points(30), ("a", "b"), "units", 1.0, np.array([[0, 0], [1, 1.0]]))
    one = LatentMap(points(30, 1), ("a",), "units", 1.0, np.array([[0], [1.0]]))
    estimates = [("a $", Estimate(torch.tensor([-1.0, -2]), "lower", "elbo", 3, torch.tensor([0.1, 0.1])))]
    estimates.append(("b", Estimate(torch.tensor([-1.0]), "exact", "exact")))
    pictures = np.random.default_rng(0).uniform(size=(6, 12))
    yield plots.learning_curve(HISTORY, ["reconstruction", "kl"])
    yield plots.learning_curve(HISTORY[:1], [])
    yield plots.evidence_chart(estimates)
    for groups in (group(labels), group(np.linspace(0, 1, 30)), None, group(np.array([None, "b"] * 15))):
        yield plots.map_chart(two, groups)
        yield plots.map_chart(one, groups)
    yield plots.units_chart(np.array([0.0, 0.3]), np.array([0.0, 1.0]))
    yield plots.units_chart(np.linspace(0, 1, 60), None)
    yield table_plots.distributions_chart(x, x[:9], names)
    yield table_plots.correlations_chart(x, x[:9], names)
    yield table_plots.reconstructions_chart(x, x + 1, names)
    yield table_plots.heat_chart([("u $", x[:3])] * 5, ["1", "2", "3"], names, "label", "step")
    yield table_plots.line_of_cells(x[0], x[:4], x[1], names, "label")
    yield table_plots.weights_chart(np.full(3, 1 / 3), np.array([1.0, 0, 0]))
    yield image_plots.pairs_chart([("a_$", pictures, (0, 1)), ("b", pictures, (0, 2))], (3, 4), per_line=4)
    yield image_plots.grids_chart([("a", pictures)], (3, 4), (0, 1), 3)
    yield image_plots.manifold_chart(pictures[:4].reshape(2, 2, 12), (0, 1), (2, 2, 3), (0, 1))
    yield image_plots.traversals_chart([("u", pictures)] * 6, list("abcdef"), (3, 4), (0, 1))
    yield image_plots.line_chart(pictures, list("abcdef"), (3, 4), (0, 1), per_line=4)


def test_every_figure_draws_hostile_names_without_pyplot_or_global_settings(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it now fails
    monkeypatch.setitem(matplotlib.rcParams, "text.color", "lime")
    before = settings()
    for figure in every_figure():
        figure.set_dpi(40)
        figure.set_layout_engine("none")  # the pages of the report are laid out in its own tests
        figure.canvas.draw()
    assert settings() == before


def test_a_figure_is_the_same_bytes_each_time():
    first, again = (png(plots.evidence_chart([("a", Estimate(torch.ones(2), "exact", "exact"))])) for _ in range(2))
    assert first == again
    assert first.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_drawn_as_it_stands(name):
    text = plain(name, 24)
    assert "\n" not in text
    assert not text.startswith("_")
    assert text.count("$") == text.count("\\$")


def test_only_glyphs_that_the_font_has_are_drawn():
    assert plain("a漢🎉b") == "a□□b"


def test_late_epochs_fill_the_frame_and_the_first_may_leave_it():
    figure = plots.learning_curve(HISTORY, [])
    low, high = figure.axes[0].get_ylim()
    assert low > -9.0
    assert high > -9.0 / 29
