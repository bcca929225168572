"""Evidence at the command line: every estimator, gaps, calibration, their JSON, and what they refuse."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import latentia
from latentia.cli import main

QUICK = ["--hidden", "8", "--n-latent", "2", "--max-epochs", "3", "--no-report", "--device", "cpu"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "people.csv"
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 3)) + 10
    path.write_text("a,b,c\n" + "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "vae"
    assert main(["fit", str(table), "--out", str(out), *QUICK]) == 0
    return out


def shown(capsys: Any, *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main([str(word) for word in (*words, "--json")]) == 0
    return json.loads(capsys.readouterr().out)


OPTIONS = {
    "elbo": ["--samples", "16"],
    "importance": ["--samples", "50"],
    "importance refined": ["--samples", "50", "--proposal", "refined"],
    "importance defensive": ["--samples", "50", "--proposal", "defensive"],
    "importance error": ["--error", "0.2"],
    "annealed": ["--samples", "4", "--steps", "20"],
    "annealed q": ["--samples", "4", "--steps", "20", "--start", "q"],
    "bidirectional": ["--samples", "4", "--steps", "20", "--simulated", "5"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_estimator(name: str, run: Path, table: Path, capsys: Any) -> None:
    method = name.split()[0]
    found = shown(capsys, "score", run, table, "--evidence", method, "--limit", "10", *OPTIONS[name])
    assert found["kind"] == "lower"
    assert found["rows"] == 10
    assert np.isfinite(found["mean"])
    assert found["mc_error"] > 0
    if method == "bidirectional":
        bracket = found["bidirectional"]
        assert bracket["lower"]["kind"] == "lower"
        assert bracket["upper"]["kind"] == "upper"
        assert bracket["gap"] == pytest.approx(bracket["upper"]["mean"] - bracket["lower"]["mean"])
    if name == "importance error":
        assert found["mc_error"] <= 0.2 or "warning" in found
    assert main(["score", str(run), str(table), "--evidence", method, "--limit", "5", *OPTIONS[name]]) == 0
    text = capsys.readouterr().out
    assert ">=" in text
    assert ("Gap" in text) == (method == "bidirectional")


def test_the_same_numbers_as_in_python(run: Path, table: Path, capsys: Any) -> None:
    estimator = latentia.load(run)
    x = np.loadtxt(table, delimiter=",", skiprows=1)
    found = shown(capsys, "score", run, table, "--evidence", "annealed", "--samples", "4", "--steps", "10")
    same = estimator.evidence(x, "annealed", 4, n_steps=10)
    assert found["mean"] == pytest.approx(same.mean, abs=1e-9)


@pytest.fixture(scope="module")
def on_disk(table: Path) -> Path:
    """The same rows in a file that can be read in pieces."""
    import pyarrow.csv
    import pyarrow.parquet

    path = table.with_suffix(".parquet")
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(table), path)
    return path


def test_rows_on_a_disk_meet_the_error(run: Path, on_disk: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.estimators.streaming.ROWS_AT_ONCE", 40)
    found = shown(capsys, "score", run, on_disk, "--evidence", "importance", "--error", "0.1", "--stream", "yes")
    assert found["rows"] == 120
    assert found["mc_error"] <= 0.1 or "warning" in found


def test_gaps(run: Path, table: Path, on_disk: Path, capsys: Any) -> None:
    words = ("gaps", run, table, "--limit", "20", "--steps", "30", "--samples", "100")
    found = shown(capsys, *words)
    parts = found["gaps"]
    assert found["rows"] == 20
    total = parts["approximation"]["mean"] + parts["amortisation"]["mean"]
    assert parts["inference"]["mean"] == pytest.approx(total)
    assert {"mean", "mc_error", "row_error"} == set(parts["inference"])
    assert main([str(word) for word in words]) == 0
    assert "amortisation" in capsys.readouterr().out
    again = shown(capsys, "gaps", run, on_disk, *words[3:], "--stream", "yes")
    assert again["rows"] == 20
    assert shown(capsys, *words, "--richer", "flow")["richer_family"] == "a flow"


def test_calibrate(run: Path, tmp_path: Path, capsys: Any) -> None:
    plot = tmp_path / "ranks.png"
    found = shown(capsys, "calibrate", run, "--rows", "100", "--plot", plot)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert 0 <= found["p_value"] <= 1
    assert len(found["unit_p_values"]) == 2
    assert main(["calibrate", str(run), "--rows", "100"]) == 0
    assert "region of q" in capsys.readouterr().out


def test_weights_that_are_all_zero_are_refused_on_the_disk_too(
    run: Path, table: Path, tmp_path: Path, capsys: Any
) -> None:
    rows = tmp_path / "rows.parquet"
    pandas.read_csv(table).assign(w=0.0).to_parquet(rows)
    for stream in ("yes", "no"):
        assert main(["score", str(run), str(rows), "--weight", "w", "--samples", "8", "--stream", stream]) == 2
        assert re.search("all (row weights|of them) are zero", " ".join(capsys.readouterr().err.split()))


BAD = {
    "no method": (["score", "RUN", "DATA", "--evidence", "magic"], "evidence='magic'"),
    "no samples": (["score", "RUN", "DATA", "--evidence", "annealed", "--samples", "0"], "n_samples=0"),
    "no error": (["score", "RUN", "DATA", "--error", "0"], "error=0"),
    "option of another": (["score", "RUN", "DATA", "--evidence", "elbo", "--steps", "5"], "n_steps is no option of elbo"),
    "no rows": (["score", "RUN", "DATA", "--limit", "0"], "--limit 0"),
    "no proposal": (["score", "RUN", "DATA", "--proposal", "best"], "proposal='best'"),
    "no simulated": (["score", "RUN", "DATA", "--evidence", "bidirectional", "--samples", "2", "--steps", "2",
                      "--limit", "2", "--simulated", "0"], "n_rows=0"),
    "no such family": (["gaps", "RUN", "DATA", "--richer", "mixture"], "richer"),
    "no steps": (["gaps", "RUN", "DATA", "--steps", "0"], "n_steps=0"),
    "few rows": (["calibrate", "RUN", "--rows", "3"], "too few"),
    "plot": (["calibrate", "RUN", "--plot", "x.doc"], ".png"),
    "a seed below zero": (["score", "RUN", "DATA", "--limit", "12", "--seed", "-5"], "--seed"),
    "a seed beyond numbers": (["quality", "RUN", "DATA", "--seed", "99999999999999999999999"], "--seed"),
    "no precision": (["score", "RUN", "DATA", "--precision", "half"], "precision='half'"),
    "no exact": (["score", "RUN", "DATA", "--evidence", "exact"], "exact evidence needs"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_the_user_can_mend_is_one_sentence(name: str, run: Path, table: Path, capsys: Any) -> None:
    words, expected = BAD[name]
    assert main([{"RUN": str(run), "DATA": str(table)}.get(word, word) for word in words]) == 2
    text = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert expected in text
    assert "Traceback" not in text
