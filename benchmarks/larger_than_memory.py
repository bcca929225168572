"""Rows on a disk beside the same rows in memory: `python benchmarks/larger_than_memory.py --rows 2000000`.

Makes Parquet shards in a temporary folder (or in --folder, where they are kept and used again), then runs processes in
turns: in memory, streamed, in memory, ... Each learns a VAE for some steps, runs passes of exact EM, encodes and scores all
rows, and says how long each took and how much memory it needed at most beyond what it had before it saw the data. Of more
than --memory-rows rows only that many come into memory, and rows per second are compared. Writes
results/larger_than_memory.md.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
TASKS = ("learn a VAE", "exact EM", "encode", "score")
MODES = ("memory", "stream")


def main() -> None:
    asked = arguments()
    if asked.child:
        print(json.dumps(child(asked)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        asked.folder = asked.folder or temporary
        make_shards(Path(asked.folder), asked.rows, asked.columns, asked.shard_rows)
        found: dict[str, list[Any]] = {mode: [] for mode in MODES}
        for turn in range(asked.repeats):
            for mode in MODES:
                found[mode].append(measure(asked, mode))
                print(f"turn {turn + 1}, {mode}: {found[mode][-1]}", flush=True)
    text = "\n".join(table(asked, found)) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "larger_than_memory.md").write_text(text)
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--shard-rows", type=int, default=1_000_000)
    parser.add_argument("--memory-rows", type=int, default=10_000_000)
    parser.add_argument("--steps", type=int, default=2000, help="of the VAE, 512 rows each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", help="where the shards are kept")
    parser.add_argument("--child", choices=MODES, help=argparse.SUPPRESS)
    return parser.parse_args()


def make_shards(folder: Path, rows: int, columns: int, shard_rows: int) -> None:
    """Float32 rows of five factors and noise, a seed for each shard; row groups of 100,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    loading = np.random.default_rng(0).normal(size=(5, columns)).astype(np.float32)
    for number, start in enumerate(range(0, rows, shard_rows)):
        path, size = folder / f"part-{number:05}.parquet", min(shard_rows, rows - start)
        if path.exists() and pq.read_metadata(path).num_rows == size:
            continue
        rng = np.random.default_rng([1, number])
        noise = rng.standard_normal((size, columns), np.float32)
        x = rng.standard_normal((size, 5), np.float32) @ loading + noise
        pq.write_table(pa.table({f"x{j}": x[:, j] for j in range(columns)}), path, row_group_size=100_000)


def measure(asked: argparse.Namespace, mode: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", mode]
    for name in ("rows", "memory_rows", "steps", "threads", "folder"):
        command += [f"--{name.replace('_', '-')}", str(getattr(asked, name))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(asked: argparse.Namespace) -> dict[str, Any]:
    """Rows per second of each task, and megabytes at most beyond those before the data."""
    import torch

    import latentia
    from latentia.data import open_shards

    torch.set_num_threads(asked.threads)
    shards = open_shards(asked.folder)
    few = shards.source.read(shards.source.groups[0]).x[:2000]
    ppca = latentia.ProbabilisticPCA(n_latent=5, max_epochs=2).fit(few)
    vae = latentia.VAE(n_latent=5, hidden=(64,), max_epochs=1, batch_size=512, random_state=0).fit(few)
    before = peak()
    data, n_rows = shards, shards.n_rows
    if asked.child == "memory":
        n_rows = min(n_rows, asked.memory_rows)
        data = shards.leave_out(np.arange(n_rows, shards.n_rows)).dataset().x
    out = {
        "learn a VAE": speed(lambda: learn(vae, data, asked.steps)),
        "exact EM": speed(lambda: em(ppca, data, n_rows)),
        "encode": speed(lambda: encode(ppca, data)),
        "score": speed(lambda: score(ppca, data, n_rows)),
    }
    return {**out, "MB": peak() - before}


def peak() -> int:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def speed(task: Callable[[], int]) -> float:
    """Rows per second, of a task that says how many rows it went over."""
    start = time.perf_counter()
    rows = task()
    return rows / (time.perf_counter() - start)


def learn(vae: Any, data: Any, steps: int) -> int:
    """Some steps of the VAE; the table in memory is a tensor already."""
    import latentia

    model, learner = vae._make(vae.plan_, vae.n_features_in_, 1)
    latentia.fit(model, learner, data, batch_size=512, max_steps=steps, max_epochs=10**6)
    return 512 * steps


def em(ppca: Any, data: Any, n_rows: int) -> int:
    """A start, which reads the rows twice, and three passes of exact EM."""
    import latentia
    from latentia.learn import ExactEM

    model, _ = ppca._make(ppca.plan_, ppca.n_features_in_, n_rows)
    latentia.fit(model, ExactEM(max_iter=3, tol=0), data, batch_size=4096)
    return 5 * n_rows


def encode(ppca: Any, data: Any) -> int:
    if isinstance(data, np.ndarray):
        return len(ppca.transform(data))
    return sum(map(len, ppca.transform_blocks(data)))


def score(ppca: Any, data: Any, n_rows: int) -> int:
    assert np.isfinite(ppca.score(data))
    return n_rows


def table(asked: argparse.Namespace, found: dict[str, list[Any]]) -> list[str]:
    in_memory = min(asked.rows, asked.memory_rows)
    lines = [
        "# Data larger than memory",
        "",
        f"`python benchmarks/larger_than_memory.py --rows {asked.rows}`, {asked.columns} columns of float32, shards of "
        f"{asked.shard_rows:,} rows in row groups of 100,000, {asked.threads} thread(s), {platform.machine()}; medians of "
        f"{asked.repeats} turns, the least and the most in brackets. In memory: {in_memory:,} rows.",
        "",
        "| task | in memory, rows/s | streamed, rows/s | time streamed / in memory |",
        "|---|---|---|---|",
    ]
    for task in TASKS:
        memory, stream = ([turn[task] for turn in found[mode]] for mode in MODES)
        ratios = [a / b for a, b in zip(memory, stream)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {task} | {median(memory):,.0f} | {median(stream):,.0f} | {spread} |")
    peaks = " and ".join(f"{max(turn['MB'] for turn in found[mode]):,} MB {mode}" for mode in MODES)
    size = asked.rows * asked.columns * 4 / 1e6
    return [*lines, "", f"Memory beyond the libraries' own, at most: {peaks}; the table has {size:,.0f} MB."]


if __name__ == "__main__":
    main()
