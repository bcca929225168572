"""`latentia quality`: a table, JSON, and sentences for what cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest

import latentia
from latentia.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3))
    lines = ["a,b,c,kind"] + [f"{','.join(f'{v:.5f}' for v in row)},{int(row[0] > 0)}" for row in x]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    given = ["--label", "kind", "--model", "ppca", "--n-latent", "2", "--no-report"]
    assert main(["fit", str(folder / "rows.csv"), "--out", str(folder / "run"), *given]) == 0
    return folder / "run"


def test_numbers_are_those_of_python(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(run.parent / "rows.csv")
    given = [str(run), source, "--label", "kind", "--features", "pca-2", "--n", "100", "--json"]
    assert main(["quality", *given]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["features"] == "PCA-2"
    assert (found["n"], found["split"]) == (100, "train")
    x = np.loadtxt(source, delimiter=",", skiprows=1)[:, :3]
    model = latentia.load(run)
    wanted = latentia.evidence.quality(model.sample(100, 0), x, "pca-2", n=100).as_dict()
    assert found["numbers"] == wanted["numbers"]


def test_a_table_is_printed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", str(run), str(run.parent / "rows.csv"), "--label", "kind", "--features", "classifier"]) == 0
    out = capsys.readouterr().out
    for word in ("Frechet distance", "kernel distance", "precision", "recall", "density", "coverage", "N=300"):
        assert word in out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--features", "vgg"], "vgg"),
        (["--n", "3"], "--n 3"),
        (["--split", "test"], "no part"),
        (["--k", "500"], "k=500"),
        (["--drop", "kind", "--features", "classifier"], "have none"),
    ],
)
def test_bad_input_is_a_sentence(run: Path, more: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    label = [] if "--drop" in more else ["--label", "kind"]
    assert main(["quality", str(run), str(run.parent / "rows.csv"), *label, *more]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert "Traceback" not in error
