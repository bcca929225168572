"""Learners at the command line: reached by name, refused in a sentence, compared at equal time."""

import json
from pathlib import Path

import numpy as np
import pytest

from latentia.cli import main

ROWS = (np.random.default_rng(0).random((60, 5)) < 0.4).astype(int)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    np.savetxt("bits.csv", ROWS, fmt="%d", delimiter=",", header="a,b,c,d,e", comments="")
    return "bits.csv"


def fit(table: str, learner: str, out: str, *more: str) -> int:
    plain = ["--max-epochs", "2", "--hidden", "4", "--n-latent", "2", "--no-report", "--json"]
    return main(["fit", table, "--learner", learner, "--out", out, *plain, *more])


OPTIONS = {
    "svi": "row_steps=2,infer_steps=5",
    "semi-amortized": "n_steps=2,through=no",
    "aggressive": "max_inner=3,window=1",
    "wake-sleep": "n_samples=2",
    "reweighted-wake-sleep": "fit=both",
    "monte-carlo-em": "sampler=hmc,n_moves=2",
}


@pytest.mark.parametrize("learner", OPTIONS)
def test_every_learner_is_reached_with_its_options(
    learner: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(table, learner, "run", "--learner-options", OPTIONS[learner]) == 0
    record = json.loads(Path("run/run.json").read_text())
    assert record["params"]["learner"] == learner
    assert len(record["params"]["learner_options"]) == OPTIONS[learner].count("=")
    capsys.readouterr()
    assert main(["encode", "run", table]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 61


@pytest.mark.parametrize(
    ("learner", "more", "words"),
    [
        ("exact-em", (), "Use AmortizedVI"),
        ("variational-em", (), "Use AmortizedVI"),
        ("monte-carlo", (), "monte-carlo-em"),
        ("aggressive", ("--learner-options", "max_iner=3"), "max_inner"),
        ("aggressive", ("--learner-options", "max_inner"), "name=value"),
        ("aggressive", ("--learner-options", "max_inner=0"), "Use 1 or more"),
        ("wake-sleep", ("--kl-weight", "2"), "goals of its own"),
        ("semi-amortized", ("--posterior", "poisson"), "through=false"),
    ],
)
def test_refusals_are_one_sentence(
    learner: str, more: tuple[str, ...], words: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(table, learner, "run", *more) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("learner", "wrong", "right"),
    [
        ("semi-amortized", "n_steps=1", "through=false,step_samples=2"),
        ("semi-amortized", "through=false", "step_samples=2"),
        ("svi", "infer_samples=1,infer_steps=2", "infer_samples=2"),
    ],
)
def test_what_a_refusal_advises_is_taken(
    learner: str, wrong: str, right: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(table, learner, "run", "--posterior", "poisson", "--learner-options", wrong) == 2
    assert right in capsys.readouterr().err
    own = f"through=false,{right}" if wrong == "through=false" else right
    assert fit(table, learner, "run", "--posterior", "poisson", "--learner-options", own) == 0


def test_learners_are_compared_at_equal_time(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(table, "amortized", "one") == 0
    assert fit(table, "wake-sleep", "two", "--max-epochs", "4") == 0
    assert fit(table, "reweighted-wake-sleep", "three", "--learner-options", "n_samples=3") == 0
    capsys.readouterr()
    assert main(["compare", "one", "two", "--on", table, "--samples", "4", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["learner"] for run in runs] == ["amortized", "wake-sleep"]
    then = [run["at_equal_time"] for run in runs]
    assert then[0]["within"] == then[1]["within"] <= min(run["seconds"] for run in runs)
    assert all(row["seconds"] is None or row["seconds"] <= row["within"] for row in then)
    assert [row["kind"] for row in then] == ["ELBO", "ELBO"]
    assert main(["compare", "one", "two", "--on", table, "--samples", "4"]) == 0
    said = capsys.readouterr().out
    assert "seconds of learning" in said
    assert "not of one kind" not in said
    assert main(["compare", "one", "three", "--on", table, "--samples", "4"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "not of one kind (ELBO, IW (k = 3))" in said
