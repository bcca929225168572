"""Processes that are killed, die, hang or disagree: one sentence, nothing lost, no waiting without end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist
from safetensors.numpy import load_file
from spawning import end, environment, spawn, start

from latentia.errors import ProcessError
from latentia.processes.meeting import _answer, _invite

SCRIPT = str(Path(__file__).parent / "troubles.py")


def torchrun(folder: Path, size: int, restarts: int) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    options = ["--standalone", "--nproc-per-node", str(size), "--max-restarts", str(restarts)]
    command = [sys.executable, "-m", "torch.distributed.run", *options, SCRIPT, str(folder), "killed"]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)


def results(folder: Path, size: int) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def test_a_process_that_dies_takes_the_others_with_it_in_one_sentence(tmp_path: Path) -> None:
    ended = spawn(2, [SCRIPT, str(tmp_path), "dies"])
    assert [e.code for e in ended] == [2, 3]
    assert len(ended[0].err.strip().splitlines()) == 1
    assert "Another process of this run ended" in ended[0].err
    assert "latentia resume" in ended[0].err


def test_no_collective_waits_without_end(tmp_path: Path) -> None:
    processes = start(2, [SCRIPT, str(tmp_path), "hangs"], LATENTIA_TIME_LIMIT=4)
    try:
        _, said = processes[0].communicate(timeout=60)
        assert processes[0].returncode == 2
        assert "did not answer within the time limit" in said
    finally:
        processes[1].kill()
        end(processes)


@pytest.fixture(scope="module")
def in_turn(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("turn")
    ended = spawn(2, [SCRIPT, str(folder), "in turn"])
    assert [e.code for e in ended] == [0, 0], ended[0].err[-3000:]
    return results(folder, 2)


def test_a_killed_process_is_started_again_and_the_run_ends_with_the_bits_it_would_have_had(
    tmp_path: Path, in_turn: list[dict[str, Any]]
) -> None:
    ended = torchrun(tmp_path / "killed", 2, restarts=3)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "SIGKILL" in ended.stderr or "exitcode: -9" in ended.stderr  # it did happen
    assert results(tmp_path / "killed", 2) == [found["never killed"] for found in in_turn]


def test_a_signal_to_one_process_stops_all_at_the_same_step(in_turn: list[dict[str, Any]]) -> None:
    first, second = (found["stopped"] for found in in_turn)
    assert first == second
    assert first["interrupted"] == "SIGTERM"
    assert 0 < first["steps"] < 24
    assert first["steps"] % 6  # in the middle of an epoch


def test_a_stopped_run_is_resumed_with_the_same_bits(in_turn: list[dict[str, Any]]) -> None:
    for found in in_turn:
        assert found["resumed"] == found["whole"]
    assert in_turn[0]["whole"] == in_turn[1]["whole"]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("too few rows", "2 processes came for 1 rows"),
        ("other data", "Process 1 came with data of 61 rows"),
        ("not finite", r"the data \(batch.x\)"),
        ("one alone", "The disk is full"),
    ],
)
def test_a_trouble_of_one_is_the_trouble_of_all(trouble: str, words: str, in_turn: list[dict[str, Any]]) -> None:
    sentences = [found[trouble][0] for found in in_turn]
    assert re.search(words, sentences[0])
    assert sentences[0] == sentences[1]


def test_whose_fault_it_is_says_it(in_turn: list[dict[str, Any]]) -> None:
    assert [found["one alone"][1] for found in in_turn] == [True, False]
    assert [found["other data"][1] for found in in_turn] == [False, True]


def test_the_clock_stops_all(in_turn: list[dict[str, Any]]) -> None:
    assert all("max_time=0.3" in found["late"] for found in in_turn)


def test_processes_do_not_meet_those_that_went_before() -> None:
    store: Any = dist.HashStore()
    for key, value in {"offer": "old", "answer/1": "old-a", "answer/2": "old-b", "go/old": "old-a,old-b"}.items():
        store.set(f"latentia/{key}", value)
    until = time.monotonic() + 20
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(_answer, store, rank, until) for rank in (1, 2)]
        time.sleep(0.1)
        assert not any(other.done() for other in others)
        name = pool.submit(_invite, store, 3, until).result()
    assert name != "old"
    assert [other.result() for other in others] == [name, name]


def test_a_process_that_does_not_come_is_named() -> None:
    with pytest.raises(ProcessError, match="process 1 of 2 did not come"):
        _invite(dist.HashStore(), 2, time.monotonic() + 0.1)
    with pytest.raises(ProcessError, match="the first process did not come"):
        _answer(dist.HashStore(), 1, time.monotonic() + 0.1)


# --- the command line ------------------------------------------------------------------------------------------------

QUICK = ["--hidden", "8", "--n-latent", "2", "--no-report", "--device", "cpu", "--json"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "table.csv"
    np.savetxt(path, np.random.default_rng(0).normal(size=(301, 3)), delimiter=",", header="a,b,c", comments="")
    return path


def latentia(*arguments: object, **more: object) -> list[str]:
    return [sys.executable, "-m", "latentia", *map(str, arguments)]


def run(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(latentia(*arguments), env=environment(**more), capture_output=True, text=True, timeout=120)


def test_fit_starts_its_processes_itself(table: Path, tmp_path: Path, capsys: Any) -> None:
    from latentia.cli import main

    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["fit", str(table), "--out", str(one), *QUICK, "--max-epochs", "3"]) == 0
    ended = run("fit", table, "--out", two, *QUICK, "--max-epochs", 3, "--devices", 2)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    result = json.loads(ended.stdout)  # one process speaks
    weights = [load_file(folder / "weights.safetensors") for folder in (one, two)]
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, atol=1e-5, rtol=1e-5)
    record = json.loads((two / "run.json").read_text())
    assert record["fit"]["finished"]
    assert result["evidence"]


@pytest.mark.slow
def test_a_users_mistake_is_one_sentence_of_one_process(table: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("a,b\n1,2\n3,4.5\n")
    ended = run("fit", few, "--model", "ppca", "--n-latent", 1, "--out", tmp_path / "run", "--json", "--devices", 3)
    assert ended.returncode == 2
    assert ended.stderr.count("error:") == 1
    assert "3 processes came for 2 rows" in ended.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--devices", "0"], "--devices=0 is too small"),
        (["--nodes", "2"], "MASTER_ADDR and MASTER_PORT"),
    ],
)
def test_options_that_cannot_be_used(options: list[str], words: str, table: Path, tmp_path: Path, capsys: Any) -> None:
    from latentia.cli import main

    assert main(["fit", str(table), "--out", str(tmp_path / "run"), *options]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_half_a_description_of_the_processes_is_refused() -> None:
    ended = run("fit", "digits", "--out", "nowhere", WORLD_SIZE=2, RANK=0)
    assert ended.returncode == 2
    assert "MASTER_ADDR, MASTER_PORT" in " ".join(ended.stderr.split())


@pytest.mark.slow
def test_fit_starts_killed_processes_again(table: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = [*QUICK, "--max-epochs", 200, "--patience", 0, "--devices", 2]
    assert run("fit", table, "--out", whole, *options).returncode == 0
    process = subprocess.Popen(latentia("fit", table, "--out", killed, *options), env=environment())
    kill_a_child(process.pid, killed / "run.json")
    assert process.wait(timeout=200) == 0
    assert (whole / "weights.safetensors").read_bytes() == (killed / "weights.safetensors").read_bytes()


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_with_a_run_that_can_be_resumed(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = [*QUICK, "--max-epochs", 100_000, "--patience", 0, "--devices", 2]
    process = subprocess.Popen(
        latentia("fit", table, "--out", out, *options), env=environment(), start_new_session=True
    )
    wait_for(out / "run.json")
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert "SIGINT" in json.loads((out / "run.json").read_text())["fit"]["status"]


def wait_for(path: Path, limit: float = 60) -> None:
    until = time.monotonic() + limit
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def kill_a_child(parent: int, after: Path) -> None:
    wait_for(after)
    time.sleep(1)
    stats = [p.read_text().rsplit(")", 1)[1].split() for p in Path("/proc").glob("[0-9]*/stat")]
    pids = [int(p.parent.name) for p in Path("/proc").glob("[0-9]*/stat")]
    children = [pid for pid, stat in zip(pids, stats) if int(stat[1]) == parent]
    python = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(python[0], signal.SIGKILL)
