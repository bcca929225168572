"""Where the time went: parts that add up to the whole, a trace that opens, and a fit that is not moved by being watched."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_loop import X, pair

import latentia
from latentia.errors import MemoryLimitError
from latentia.learn import AmortizedVI, ExactEM
from latentia.learn.profile import PARTS, Profile
from latentia.models import GaussianMixture


def run(folder: Path | None, **options: Any) -> Any:
    model, q = pair()
    return latentia.fit(model, AmortizedVI(q), X, batch_size=16, seed=0, device="cpu", profile=folder, **options)


def test_the_weights_are_those_of_a_fit_that_nobody_watched(tmp_path: Path) -> None:
    watched, alone = run(tmp_path, max_epochs=45), run(None, max_epochs=45)
    for a, b in zip(watched.tensors().values(), alone.tensors().values()):
        assert torch.equal(a, b)
    text = (tmp_path / "profile.md").read_text()
    assert "forward, backward and optimiser, recorded" in text
    assert "| all, of 270 steps |" in text
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert any("addmm" in event.get("name", "") for event in trace["traceEvents"])


def test_the_parts_add_up() -> None:
    profile = Profile(Path("nowhere"), 10)
    profile.seconds = {"data": 1.0, "forward": 2.0, "backward": 5.0, "optimiser": 3.0, "overhead": 10.0}
    profile.steps = 10
    own = profile.own()
    assert own == {"data": 1.0, "forward": 2.0, "backward": 3.0, "optimiser": 3.0, "overhead": 1.0}
    assert tuple(own) == PARTS
    assert "| data | 100.000 | 10.0% |" in profile.table()


def test_exact_em_is_measured_too(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    model = GaussianMixture(2, 2)
    latentia.fit(model, ExactEM(max_iter=5), x, profile=tmp_path, max_epochs=5)
    assert "optimiser" in (tmp_path / "profile.md").read_text()
    assert "expect" not in vars(model)


def test_a_full_device_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(AmortizedVI, "step", full)
    with pytest.raises(MemoryLimitError, match=r"in a step of 16 rows.* try batch_size=8"):
        run(None, max_epochs=1)
