"""What aggressive training says of its inner loops: nothing was still gaining where nothing was compared."""

import re

import pytest
import torch

import latentia
from latentia.conditional import Conditional
from latentia.families import Bernoulli, Normal
from latentia.learn import Aggressive
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized

X = (torch.rand(90, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()


def status(steps, **options):
    """Of a fit of so many steps, and how often q and p moved alone, counted from outside."""
    torch.manual_seed(0)
    model = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 6, (8,)), Bernoulli((6,)), (2,)))
    encoder = Amortized(Conditional(MLP(6, 4, (8,)), Normal((2,)), (6,), joint=True))
    learner = Counting(encoder, mi_every=1000, **options)
    fit = latentia.fit(model, learner, X, max_steps=steps, batch_size=16, device="cpu", seed=0)
    return fit, learner.moves


class Counting(Aggressive):
    """Writes down who moved."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.moves = ""

    def _move(self, side, *arguments):
        self.moves += side
        return super()._move(side, *arguments)


@pytest.mark.parametrize(("window", "max_inner"), [(10, 3), (10, 10), (5, 9)])
def test_two_windows_that_never_fit_are_not_called_a_gain(window, max_inner):
    fit, moves = status(4 * max_inner + 4, window=window, max_inner=max_inner)
    assert moves == ("q" * max_inner + "p") * 4
    assert "still gaining" not in fit.status
    assert f"two windows of {window} steps do not fit into max_inner={max_inner}" in fit.status
    assert f"Use max_inner={2 * window} or more" in fit.status


def test_two_windows_that_fit_may_be_compared():
    fit, _ = status(9, window=1, max_inner=2, tolerance=-1e9)
    assert "In 3 of them q was still gaining after max_inner=2 steps" in fit.status


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 9, 10, 13])
def test_the_steps_that_are_told_are_those_that_were_made(steps):
    fit, moves = status(steps, window=1, max_inner=4, tolerance=-1e9)
    alone, p = moves.split("p"), moves.count("p")
    if not p:
        assert f"q made {steps} step" in fit.status
        assert "p none" in fit.status
        assert "each after" not in fit.status
        return
    told = re.search(r"(\d+) steps? of p, each after ([\d.]+) of q", fit.status)
    assert int(told[1]) == p
    assert float(told[2]) == pytest.approx(sum(map(len, alone[:p])) / p, abs=0.05)
    said = re.search(r"In (\d+) of them", fit.status)
    assert int(said[1]) == p


def test_an_inner_loop_that_was_cut_is_told_by_its_history_too():
    fit, moves = status(60, window=3, max_inner=6)
    row = [row for row in fit.history if row["split"] == "train"][-1]
    seen = moves[: row["step"]]
    last = seen.rindex("p") + 1
    assert row["inner_steps"] == pytest.approx(seen[:last].count("q") / seen.count("p"))
