"""`latentia certify`: tables, files, exit codes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentia
from latentia import testing
from latentia.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certify") / "run"
    x = np.random.default_rng(0).normal(size=(100, 3)) @ np.diag([1, 2, 3]) + 5
    latentia.VAE(2, hidden=(8,), max_epochs=2, random_state=0, device="cpu").fit(x).save(folder)
    return folder


def test_a_run_is_certified_with_the_outcome_of_python(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True
    (certificate,) = found["certificates"]
    model = latentia.load(run)
    wanted = testing.certify(model.model_, model.posterior_)
    assert certificate["checks"] == wanted.as_dict()["checks"]
    page = (run / "certificate.html").read_text()
    assert "passed" in page
    assert "http" not in page
    assert json.loads((run / "certificate.json").read_text())["certificates"] == found["certificates"]


def test_the_table_names_every_claim(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", str(run), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(name.split()[0] in out for name in testing.PROOFS)
    assert (tmp_path / "certificate.html").exists()


def test_a_failed_claim_has_its_own_exit_code(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from latentia.models import LatentVariableModel

    honest = LatentVariableModel.log_joint

    def wrong(self: Any, *args: Any) -> Any:
        return honest(self, *args) + 1

    monkeypatch.setattr(LatentVariableModel, "log_joint", wrong)
    assert main(["certify", str(run), "--out", str(tmp_path), "--only", "joint"]) == 3
    assert "failed" in capsys.readouterr().out
    assert "FAILED" in (tmp_path / "certificate.html").read_text()
    assert json.loads((tmp_path / "certificate.json").read_text())["passed"] is False


def test_models_that_ship_pass_a_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", "--out", str(tmp_path), "--only", "joint"]) == 0
    out = capsys.readouterr().out
    assert "VAE, poisson likelihood" in out
    assert "probabilistic PCA" in out


@pytest.mark.slow
def test_models_that_ship_pass_all_claims(tmp_path: Path) -> None:
    assert main(["certify", "--out", str(tmp_path)]) == 0


def test_an_unknown_claim_is_a_sentence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", str(run), "--only", "taste"]) == 2
    assert "likelihood mass" in capsys.readouterr().err
