"""A warm start of the linear autoencoder's gradient learners goes on from the weights that there are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentia
from latentia import LinearAutoencoder
from latentia.cli import main

LEARNERS = (
    "plain",
    "uniform-l2",
    "non-uniform-l2",
    "nested-dropout",
    "deterministic-nested-dropout",
    "rotation",
    "linear-vae",
)
X = np.random.default_rng(0).normal(size=(200, 5)) * [5.0, 4.0, 3.0, 1.0, 1.0] + np.arange(5)


def model(learner: str, **options: Any) -> LinearAutoencoder:
    return LinearAutoencoder(2, learner=learner, **{"max_epochs": 3, "random_state": 0, **options})


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("learner", LEARNERS)
def test_steps_of_no_length_leave_the_weights(learner: str, saved: bool, tmp_path: Path) -> None:
    started = model(learner).fit(X, run=tmp_path / "run" if saved else None)
    before, mean = started.components_.copy(), started.mean_.copy()
    if saved:
        started = latentia.load(tmp_path / "run")
    started.set_params(warm_start=True, learning_rate=1e-13, max_epochs=1).fit(X + 1.0)
    assert started.components_ == pytest.approx(before, rel=1e-6)
    assert started.mean_ == pytest.approx(mean + 1.0)  # what the moments say comes from the new rows


def test_three_epochs_and_three_are_six() -> None:
    """Plain descent keeps nothing but the weights, so that a warm start is the same as not having stopped."""
    twice, once = model("rotation", warm_start=True).fit(X).fit(X), model("rotation", max_epochs=6).fit(X)
    assert np.array_equal(twice.components_, once.components_)
    assert [h["bound"] for h in twice.history_] == [h["bound"] for h in once.history_[3:]]


def test_without_one_a_second_fit_is_the_first() -> None:
    first = model("rotation").fit(X)
    before = first.components_.copy()
    assert np.array_equal(first.fit(X).components_, before)


def test_the_closed_form_can_be_gone_on_from() -> None:
    closed = LinearAutoencoder(2, random_state=0).fit(X)
    axes = closed.components_.copy()
    closed.set_params(learner="rotation", warm_start=True, max_epochs=1).fit(X)
    assert closed.components_ == pytest.approx(axes, abs=1e-6)  # its optimum is the same


def test_a_run_at_the_command_line_can_be_gone_on_from(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", X, delimiter=",", header="a,b,c,d,e", comments="")
    words = ["fit", str(tmp_path / "x.csv"), "--model", "linear-ae", "--n-latent", "2", "--learner", "rotation"]
    words += ["--max-epochs", "3", "--seed", "0"]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    assert main([*words, "--out", str(tmp_path / "b"), "--init", str(tmp_path / "a")]) == 0
    bounds = [h["bound"] for name in "ab" for h in latentia.load(tmp_path / name).history_]
    assert bounds == pytest.approx([h["bound"] for h in model("rotation", max_epochs=6).fit(X).history_], rel=1e-9)
