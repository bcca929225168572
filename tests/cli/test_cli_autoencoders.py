"""Autoencoders at the command line: fit with a report, encode, reconstruct; what has no log p(x) is refused in a sentence."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentia
from latentia.cli import main

MODELS = {
    "linear-ae": ["--max-memory", "50"],
    "logistic-pca": ["--max-epochs", "3"],
    "ae": ["--hidden", "8", "--max-epochs", "3", "--tied", "--pretrain-epochs", "1", "--device", "cpu"],
    "dae": ["--hidden", "8", "--max-epochs", "3", "--noise-scale", "0.3", "--device", "cpu"],
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "rows.csv"
    rows = np.random.default_rng(0).normal(size=(90, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    np.savetxt(path, rows, delimiter=",", header="a,b,c,d", comments="")
    return path


@pytest.mark.parametrize("model", MODELS)
def test_an_autoencoder_fits_and_says_what_it_has_not(model: str, table: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    words = ["fit", str(table), "--model", model, "--n-latent", "2", "--out", str(out), "--json", *MODELS[model]]
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert [estimate["kind"] for estimate in result["evidence"]] == ["error"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "An autoencoder has no distribution of z" in page
    assert "percentile of its codes" in page
    for untrue in (
        "Samples from the prior",
        "keeps to the prior",
        "KL of each latent unit",
        "osterior mean",
        "active latent units",
    ):
        assert untrue not in page
    assert "What each code carries" in page
    assert "active_units" not in result
    assert main(["doctor", str(out)]) == 0
    said = capsys.readouterr().out
    assert "continuous-bernoulli" not in said
    assert "poisson" not in said
    for command, columns in (("encode", 2), ("reconstruct", 4)):
        target = tmp_path / f"{command}.csv"
        assert main([command, str(out), str(table), "--out", str(target)]) == 0
        assert np.loadtxt(target, delimiter=",", skiprows=1).shape == (90, columns)
    for words in (["score", str(out), str(table)], ["sample", str(out), "-n", "2"]):
        assert main(words) == 2
        assert "Traceback" not in capsys.readouterr().err
    assert latentia.load(out).reconstruction(np.zeros((2, 4))).kind == "error"


def test_a_penalty_that_is_no_pair_is_refused(table: Path, tmp_path: Path, capsys: Any) -> None:
    words = [
        "fit",
        str(table),
        "--model",
        "linear-ae",
        "--learner",
        "uniform-l2",
        "--l2",
        "much",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(words) == 2
    assert "no pair of numbers" in capsys.readouterr().err


def test_a_finished_closed_form_that_is_resumed_says_how_it_ended(table: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    assert (
        main(["fit", str(table), "--model", "linear-ae", "--n-latent", "2", "--no-report", "--json", "--out", str(out)])
        == 0
    )
    status = json.loads(capsys.readouterr().out)["status"]
    assert status.startswith("Closed form")
    assert main(["resume", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == status


def test_a_run_that_lost_its_checkpoints_begins_again_from_where_it_began(table: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["fit", str(table), "--model", "ae", "--n-latent", "2", "--no-report", *MODELS["ae"][:4], "--device", "cpu"]
    assert main([*words, "--out", str(first)]) == 0
    assert main([*words, "--init", str(first), "--out", str(second)]) == 0
    rows = np.loadtxt(table, delimiter=",", skiprows=1)
    before = latentia.load(second).transform(rows)
    shutil.rmtree(second / "checkpoints", ignore_errors=True)
    assert main(["resume", str(second)]) == 0
    assert np.array_equal(latentia.load(second).transform(rows), before)
    assert not np.allclose(latentia.load(first).transform(rows), before)
