"""The command line on rows that stay on the disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import latentia
from latentia.cli import main
from latentia.data import Dataset, Shards, open_data
from latentia.data.memory import fits, free_memory

QUICK = ["--hidden", "8", "--n-latent", "2", "--max-epochs", "2", "--device", "cpu"]
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(500, 3)) @ RNG.normal(size=(3, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "table"
    folder.mkdir()
    for number, part in enumerate(np.split(np.arange(500), [200, 200, 217])):
        kind = [f"k{i % 3}" for i in part]
        table = pa.table({**{name: ROWS[part, j] for j, name in enumerate("abc")}, "kind": kind})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=40)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "vae"
    assert main(["fit", str(folder), "--label", "kind", "--out", str(out), "--stream", "yes", *QUICK]) == 0
    return out


def test_a_streamed_run_says_so_and_has_a_report(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["asked"]["stream"] == "yes"
    assert record["data"]["rows"] == 500
    assert record["data"]["columns"] == ["a", "b", "c"]
    page = (run / "report.html").read_text()
    assert "validation rows" in page


@pytest.mark.parametrize("evidence", ["elbo", "importance"])
def test_score_is_that_of_the_rows_in_memory(
    run: Path, folder: Path, evidence: str, tmp_path: Path, capsys: Any
) -> None:
    found = {}
    for stream in ("yes", "no"):
        rows = tmp_path / f"{stream}.csv"
        more = ["--evidence", evidence, "--samples", "20", "--stream", stream, "--rows", str(rows), "--json"]
        assert main(["score", str(run), str(folder), *more]) == 0
        found[stream] = json.loads(capsys.readouterr().out), np.loadtxt(rows, delimiter=",", skiprows=1)
    np.testing.assert_allclose(found["yes"][1], found["no"][1], rtol=1e-9)
    for name in ("mean", "mc_error", "row_error", "rows", "kind"):
        theirs = found["no"][0][name]
        assert found["yes"][0][name] == (pytest.approx(theirs, rel=1e-9) if isinstance(theirs, float) else theirs)


@pytest.mark.parametrize("ending", [".csv", ".npy", ".parquet"])
@pytest.mark.parametrize("command", ["encode", "reconstruct"])
def test_what_is_written_block_by_block_is_what_is_written_at_once(
    run: Path, folder: Path, command: str, ending: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("latentia.data.shards.BLOCK_BYTES", 1000)
    written = []
    for stream in ("yes", "no"):
        out = tmp_path / f"{stream}{ending}"
        more = ["--std"] if command == "encode" else []
        assert main([command, str(run), str(folder), "--out", str(out), "--stream", stream, *more]) == 0
        if ending == ".csv":
            written.append(np.loadtxt(out, delimiter=",", skiprows=1))
        elif ending == ".npy":
            written.append(np.load(out, allow_pickle=False))
        else:
            table = pq.read_table(out)
            written.append(np.stack([column.to_numpy() for column in table.columns], 1))
    assert written[0].shape == (500, 4 if command == "encode" else 3)
    np.testing.assert_allclose(written[0], written[1], rtol=0, atol=1e-9)


def test_a_stopped_stream_is_resumed(folder: Path, tmp_path: Path, capsys: Any) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    options = [str(folder), "--label", "kind", "--stream", "yes", "--no-report", "--json", *QUICK]
    assert main(["fit", *options, "--out", str(whole)]) == 0
    assert main(["fit", *options, "--out", str(cut), "--max-epochs", "1"]) == 0
    record = json.loads((cut / "run.json").read_text())
    record["params"]["max_epochs"] = 2
    (cut / "run.json").write_text(json.dumps(record))
    assert main(["resume", str(cut), "--no-report", "--json"]) == 0
    capsys.readouterr()
    ours, theirs = (latentia.load(path).fit_.tensors() for path in (cut, whole))
    assert all(bool((ours[name] == theirs[name]).all()) for name in theirs)


def test_auto_streams_what_does_not_fit(folder: Path, monkeypatch: Any) -> None:
    assert isinstance(open_data(folder, drop=["kind"]), Dataset)
    monkeypatch.setattr("latentia.data.memory.free_memory", lambda: 4 * 500 * 24 - 1)
    assert isinstance(open_data(folder, drop=["kind"]), Shards)
    monkeypatch.setattr("latentia.data.memory.free_memory", lambda: 4 * 500 * 24)
    assert isinstance(open_data(folder, drop=["kind"]), Dataset)
    monkeypatch.undo()
    assert fits(0)
    assert (free_memory() or 1) > 0


REFUSED = [
    (["iris", "--stream", "yes"], "cannot be streamed"),
    (["FOLDER", "--stream", "maybe"], "stream='maybe' is not known"),
    (["FOLDER", "--stream", "yes"], "column 'kind' of 0.parquet holds string"),
    (["FOLDER", "--stream", "yes", "--label", "kind", "--split", "test"], "has no part 'test'"),
    (["CSV", "--stream", "yes"], "cannot be read in pieces"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_what_cannot_be_streamed_is_one_sentence(
    arguments: list[str], sentence: str, folder: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    names = {"FOLDER": str(folder), "CSV": str(tmp_path / "x.csv")}
    out = ["--out", str(tmp_path / "run"), "--model", "ppca"]
    assert main(["fit", *(names.get(argument, argument) for argument in arguments), *out]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_a_folder_of_shards_loads_into_memory(folder: Path) -> None:
    data = latentia.data.load(folder, label="kind")
    assert np.array_equal(data.x, ROWS)
    assert data.label is not None
    assert data.label[4] == "k1"
