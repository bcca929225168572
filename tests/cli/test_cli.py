"""The command line as its users meet it: exit codes, sentences, JSON, files, resume."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentia
from latentia.cli import main
from latentia.cli.options import MODELS, NOT_OPTIONS, OPTIONS
from latentia.history import from_csv

WITHOUT = ("gan", "linear-ae", "logistic-pca", "ae", "dae", "text-vae")  # a log p(x), or a table
QUICK = ["--hidden", "8", "--n-latent", "2", "--max-epochs", "3", "--no-report", "--device", "cpu"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "people.csv"
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 3)) + 10
    lines = ["height,mass,age,kind"] + [
        ",".join(f"{v:.4f}" for v in row) + f",{'ab'[i % 2]}" for i, row in enumerate(rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "vae"
    assert main(["fit", str(table), "--label", "kind", "--out", str(out), *QUICK]) == 0
    return out


def test_a_run_folder_is_what_it_says(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["params"]["n_latent"] == 2
    assert record["asked"]["label"] == "kind"
    assert record["data"]["columns"] == ["height", "mass", "age"]
    assert record["fit"]["seed"] == 0
    assert "max_epochs=3" in record["fit"]["status"]
    assert {"latentia", "torch"} <= set(record["fit"]["versions"])
    assert (run / "history.csv").read_text().startswith("step,epoch,split,bound,reconstruction,kl")
    assert (run / "weights.safetensors").is_file()
    assert not [p for p in run.rglob("*") if p.suffix in (".pkl", ".pt", ".bin")]
    assert not list(run.rglob(".*"))


@pytest.mark.parametrize("model", [name for name in MODELS if name not in WITHOUT])  # see test_cli_*.py
def test_every_model_fits_scores_and_samples(model: str, table: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    more = QUICK if model == "vae" else ["--no-report", "--max-epochs", "20"]
    more = [*more, "--n-components", "2"] if model in ("gmm", "bgmm") else more
    assert main(["fit", str(table), "--label", "kind", "--model", model, "--out", str(out), *more, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["evidence"]
    assert main(["score", str(out), str(table), "--json"]) == 0
    score = json.loads(capsys.readouterr().out)
    assert np.isfinite(score["mean"])
    assert score["kind"] == ("lower" if model == "vae" else "exact")
    assert "bits_per_dimension" not in score
    estimator = latentia.load(out)
    x = np.loadtxt(table, delimiter=",", skiprows=1, usecols=(0, 1, 2))
    assert score["mean"] == pytest.approx(estimator.score(x), abs=1e-9)
    for command, columns in (("encode", estimator.transform(x[:1]).shape[1]), ("reconstruct", 3)):
        target = tmp_path / f"{command}.csv"
        assert main([command, str(out), str(table), "--out", str(target)]) == 0
        assert np.loadtxt(target, delimiter=",", skiprows=1).shape == (120, columns)
    assert main(["sample", str(out), "-n", "4", "--out", str(tmp_path / "new.npy")]) == 0
    assert np.load(tmp_path / "new.npy", allow_pickle=False).shape == (4, 3)


@pytest.mark.filterwarnings("ignore:3 of 64 columns are constant")
def test_integers_get_bits_per_dimension(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "digits"
    assert main(["fit", "digits", "--out", str(out), *QUICK, "--json"]) == 0
    capsys.readouterr()
    assert main(["score", str(out), "digits", "--json"]) == 0
    score = json.loads(capsys.readouterr().out)
    assert score["bits_per_dimension"] == pytest.approx(-score["mean"] / (64 * np.log(2)))


def test_compare_is_paired(run: Path, table: Path, capsys: Any) -> None:
    assert main(["compare", str(run), str(run), "--on", str(table), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["runs"]
    assert [row["difference"] for row in rows] == [0, 0]
    assert main(["compare", str(run), "--on", str(table)]) == 2


def test_warm_start_goes_on_from_a_run(run: Path, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "more"
    assert main(["fit", str(table), "--label", "kind", "--out", str(out), "--init", str(run), *QUICK]) == 0
    first = from_csv((run / "history.csv").read_text())
    second = from_csv((out / "history.csv").read_text())
    assert second[0]["bound"] > first[0]["bound"]


def test_scores_per_row(run: Path, table: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    assert main(["score", str(run), str(table), "--evidence", "elbo", "--samples", "8", "--rows", str(rows)]) == 0
    values = np.loadtxt(rows, delimiter=",", skiprows=1)
    assert values.shape == (120, 2)
    assert main(["score", str(run), str(table), "--rows", str(rows)]) == 2


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


BAD = {
    "missing file": (lambda d: ["fit", "no-such.csv", "--out", str(d / "o")], "no-such"),
    "a name nearly right": (lambda d: ["fit", "digit", "--out", str(d / "o")], "digits"),
    "empty": (lambda d: ["fit", write(d / "e.csv", ""), "--out", str(d / "o")], "empty"),
    "header alone": (lambda d: ["fit", write(d / "h.csv", "a,b\n"), "--out", str(d / "o")], "row"),
    "one row": (lambda d: ["fit", write(d / "1.csv", "a,b\n1.5,2.5\n"), "--out", str(d / "o")], "1 sample"),
    "nan": (lambda d: ["fit", write(d / "n.csv", "a,b\n1.5,2\nnan,2\n3,4\n"), "--out", str(d / "o")], "row 1, column 'a'"),
    "text": (lambda d: ["fit", write(d / "t.csv", "a,b\n1,x\n2,y\n"), "--out", str(d / "o")], "'b'"),
    "ragged": (lambda d: ["fit", write(d / "r.csv", "a,b\n1,2\n1,2,3\n"), "--out", str(d / "o")], "line 3"),
    "folder": (lambda d: ["fit", str(d), "--out", str(d / "o")], "pictures"),
    "huge integers": (lambda d: ["fit", write(d / "i.csv", f"a,b\n{2**60},2\n1,2\n"), "--out", str(d / "o")], "2**53"),
    "unknown option value": (lambda d: ["fit", "iris", "--scale", "big", "--out", str(d / "o")], "standard"),
    "unknown likelihood": (lambda d: ["fit", "iris", "--likelihood", "norma", "--out", str(d / "o")], "Did you mean normal"),
    "unknown model": (lambda d: ["fit", "iris", "--model", "banana", "--out", str(d / "o")], "gmm"),
    "option of another model": (lambda d: ["fit", "iris", "--covariance", "full", "--out", str(d / "o")], "--covariance"),
    "likelihood that does not fit": (lambda d: ["fit", "iris", "--likelihood", "bernoulli", "--out", str(d / "o")], "0 and 1"),
    "hidden that is no list": (lambda d: ["fit", "iris", "--hidden", "big", "--out", str(d / "o")], "--hidden"),
    "no such run": (lambda d: ["score", str(d / "none"), "iris"], "no run folder"),
    "unknown drop": (lambda d: ["fit", "iris", "--drop", "petals", "--out", str(d / "o")], "petals"),
    "unknown option": (lambda d: ["fit", "iris", "--outt", str(d / "o")], "outt"),
    "too many latents": (lambda d: ["fit", "iris", "--model", "ppca", "--n-latent", "9", "--out", str(d / "o")], "n_latent=9"),
    "an ending that is unknown": (lambda d: ["sample", str(d / "none"), "--out", "x.xls"], "no run folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_the_user_can_mend_is_one_sentence(name: str, tmp_path: Path, capsys: Any) -> None:
    make, expected = BAD[name]
    assert main([*make(tmp_path), "--no-report"] if "fit" in make(tmp_path) else make(tmp_path)) == 2
    shown = capsys.readouterr()
    text = re.sub(r"\s+", " ", shown.err)
    assert expected in text
    assert "Traceback" not in text
    assert not (tmp_path / "o" / "weights.safetensors").exists()


def test_wrong_columns_at_use(run: Path, capsys: Any) -> None:
    assert main(["score", str(run), "iris"]) == 2
    assert "height" in capsys.readouterr().err


def test_a_run_is_never_overwritten_unless_forced(run: Path, table: Path, tmp_path: Path, capsys: Any) -> None:
    before = (run / "weights.safetensors").read_bytes()
    assert main(["fit", str(table), "--label", "kind", "--out", str(run), *QUICK]) == 2
    assert "--force" in capsys.readouterr().err
    assert (run / "weights.safetensors").read_bytes() == before
    kept = tmp_path / "mine"
    kept.mkdir()
    (kept / "thesis.txt").write_text("years of work")
    assert main(["fit", str(table), "--label", "kind", "--out", str(kept), "--force", *QUICK]) == 2
    assert (kept / "thesis.txt").read_text() == "years of work"
    again = tmp_path / "again"
    assert main(["fit", str(table), "--label", "kind", "--out", str(again), *QUICK]) == 0
    assert main(["fit", str(table), "--label", "kind", "--out", str(again), "--force", *QUICK]) == 0


@pytest.mark.parametrize(
    "damage", ["newer", "not json", "weights", "no weights", "strange estimator", "strange parameter", "list"]
)
def test_damaged_and_newer_runs(damage: str, run: Path, table: Path, tmp_path: Path, capsys: Any) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    record = json.loads((copy / "run.json").read_text())
    if damage == "newer":
        (copy / "run.json").write_text(json.dumps({**record, "format": 99, "latentia": "9.0"}))
    elif damage == "not json":
        (copy / "run.json").write_text("{")
    elif damage == "list":
        (copy / "run.json").write_text("[1]")
    elif damage == "weights":
        (copy / "weights.safetensors").write_bytes((copy / "weights.safetensors").read_bytes()[:-7])
    elif damage == "no weights":
        (copy / "weights.safetensors").unlink()
    elif damage == "strange estimator":
        (copy / "run.json").write_text(json.dumps({**record, "estimator": "os.system"}))
    else:
        (copy / "run.json").write_text(json.dumps({**record, "params": {"evil": 1}}))
    assert main(["score", str(copy), str(table)]) == 2
    text = capsys.readouterr().err
    assert "error:" in text
    assert "Traceback" not in text


def test_a_full_disk_loses_nothing(run: Path, table: Path, tmp_path: Path) -> None:
    """A file-size limit stands for the full disk: the write fails half way, and what was there stays whole."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from latentia.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    out = tmp_path / "big"
    command = [
        "fit",
        str(table),
        "--label",
        "kind",
        "--out",
        str(out),
        "--hidden",
        "300,300",
        "--max-epochs",
        "2",
        "--no-report",
    ]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "could not be written" in re.sub(r"\s+", " ", done.stderr)
    assert "Traceback" not in done.stderr
    assert json.loads((out / "run.json").read_text())["fit"]["status"] == "Not finished."
    assert not [p for p in out.rglob("*") if p.name.startswith(".")]


def test_an_internal_error_is_ours(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import latentia.cli.data_commands as commands

    monkeypatch.setattr(commands, "names", lambda: 1 / 0)
    assert main(["data", "list"]) == 1
    assert "fault of latentia" in capsys.readouterr().err


def test_data_commands(table: Path, capsys: Any) -> None:
    assert main(["data", "list", "--json"]) == 0
    assert "digits" in json.loads(capsys.readouterr().out)
    assert main(["data", "describe", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1797
    assert main(["data", "describe", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["obstacles"] == {"kind": "holds text"}
    assert main(["data", "describe", str(table)]) == 0
    assert "--label kind" in capsys.readouterr().out
    assert main(["data", "describe", str(table.with_suffix(".csvv"))]) == 2
    assert main(["data", "fetch", "nothing"]) == 2


def test_the_options_are_the_estimators_parameters() -> None:
    from latentia import estimators

    known = {name for cls in MODELS.values() for name in getattr(estimators, cls)._get_param_names()}
    assert {option.name for option in OPTIONS} | set(NOT_OPTIONS) == known


def test_help_answers_at_once() -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "latentia", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    bare = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import typer, rich.console"], check=True, capture_output=True)
        bare.append(time.perf_counter() - start)
    assert min(times) < max(0.5, 2.5 * min(bare))


FIT = [
    "fit",
    "digits",
    "--seed",
    "0",
    "--hidden",
    "16",
    "--n-latent",
    "2",
    "--max-epochs",
    "12",
    "--no-report",
    "--device",
    "cpu",
]
KILLED = (
    "import sys, latentia.learn.loop as loop; loop.Limits.checkpoint_every = 0.0;"
    "import dataclasses; init = loop.Limits.__init__;"
    "loop.Limits.__init__ = lambda self, *a, **k: init(self, *a[:6], 0.0);"
    "from latentia.cli import main; sys.exit(main(sys.argv[1:]))"
)


def killed_and_resumed(out: Path, kills: int, seed: int) -> int:
    """SIGKILL a fit at random moments, resume each time; returns how often it really was killed."""
    rng, count = random.Random(seed), 0
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, *FIT, "--out", str(out)]
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
        if count < kills:
            wait_until = time.perf_counter() + 60
            while process.poll() is None and not (out / "run.json").exists() and time.perf_counter() < wait_until:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.6) + (1.5 if count else 0.0))
        else:
            process.wait()
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr.read().decode()  # type: ignore[union-attr]
            return count
        process.send_signal(signal.SIGKILL)
        process.wait()
        count += 1
        command = [sys.executable, "-c", KILLED, "resume", str(out), "--no-report"]


def compare_runs(a: Path, b: Path) -> None:
    assert (a / "weights.safetensors").read_bytes() == (b / "weights.safetensors").read_bytes()
    times = ("seconds", "rows_per_second")
    rows = [
        [{k: v for k, v in row.items() if k not in times} for row in from_csv((p / "history.csv").read_text())]
        for p in (a, b)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_with_the_same_bits(kills: int, tmp_path: Path) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-c", KILLED, *FIT, "--out", str(tmp_path / "whole")], check=True, env=env, capture_output=True
    )
    done = 0
    for attempt in range(kills):
        out = tmp_path / f"killed{attempt}"
        done += killed_and_resumed(out, min(3, kills - done), seed=attempt)
        compare_runs(tmp_path / "whole", out)
        if done >= kills:
            break
    assert done >= min(kills, 1)


def test_sigterm_saves_says_so_and_exits_with_130(tmp_path: Path) -> None:
    out = tmp_path / "run"
    long = [*FIT[:-1], "cpu", "--max-epochs", "100000", "--patience", "0", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "latentia", *long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (out / "checkpoints").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "latentia resume" in re.sub(r"\s+", " ", err)
    record = json.loads((out / "run.json").read_text())
    assert "SIGTERM" in record["fit"]["status"]
    assert latentia.load(out).fit_.interrupted == "SIGTERM"


@pytest.mark.parametrize(("begun", "resumed", "written"), [("--no-report", [], False), ("--report", [], True),
                                                          ("--no-report", ["--report"], True)])  # fmt: skip
def test_a_run_is_resumed_as_it_was_begun(
    begun: str, resumed: list[str], written: bool, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    quick = ["--hidden", "4", "--n-latent", "2", "--max-epochs", "2", "--device", "cpu"]
    assert main(["fit", str(table), "--drop", "kind", "--out", str(out), *quick, begun]) == 0
    (out / "report.html").unlink(missing_ok=True)
    assert main(["resume", str(out), *resumed]) == 0
    assert (out / "report.html").exists() == written


def test_a_note_that_several_fits_give_is_told_once(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import latentia.cli.data_commands as commands

    def warn() -> dict[str, Any]:
        for text in ("a [b]", "c", "a [b]"):
            warnings.warn(text, stacklevel=1)
        return {}

    monkeypatch.setattr(commands, "names", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["data", "list"]) == 0
    said = capsys.readouterr().err
    assert said.count("note: a [b]") == said.count("note: c") == 1
