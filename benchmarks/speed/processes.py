"""One process with all cores beside as many processes with one core each: `python benchmarks/speed/processes.py`.

The same VAE, batches, seed: rows per second of `VAE.fit` after its first epochs, in turns, ratios within rounds. Says from
which size on more processes pay. Writes results/speed_processes.md.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from common import machine

RESULTS = Path(__file__).parents[1] / "results" / "speed_processes.md"
SIZES = ((64, 500), (64, 2000), (500, 500), (500, 2000), (500, 8000), (1500, 2000))  # hidden units, rows per step
EPOCHS, STEPS = 4, 12  # the first two do not count; steps per epoch


def child(hidden: int, batch: int) -> float:
    """Rows per second of one of the processes' fits, which is that of all."""
    from latentia import VAE
    from latentia.processes import joined

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    x = (np.random.default_rng(0).random((batch * STEPS, 784), np.float32) < 0.2).astype(np.uint8)
    ends: list[float] = []
    model = VAE(
        20,
        likelihood="bernoulli",
        hidden=(hidden,),
        batch_size=batch,
        max_epochs=EPOCHS,
        validation_fraction=0,
        device="cpu",
        random_state=0,
    )
    with joined(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, callbacks=[lambda loop: ends.append(time.perf_counter())])
    seconds = [b - a for a, b in zip(ends, ends[1:])][1:]
    return len(x) / min(seconds)


def run(processes: int, threads: int, hidden: int, batch: int) -> float:
    """Rows per second of so many processes together."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, __file__, "--child", str(hidden), str(batch)]
    common = {**os.environ, "OMP_NUM_THREADS": str(threads), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = []
    for rank in range(processes):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        more = {name: str(value) for name, value in place.items()} if processes > 1 else {}
        environment = {**common, **more}
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=600)[0] for process in started]
    return min(float(json.loads(text.strip().splitlines()[-1])) for text in said)


def main() -> None:
    """Measure in turns, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(*asked.child)))
        return
    n = asked.processes
    lines = [
        "# More processes",
        "",
        f"`python benchmarks/speed/processes.py`: rows per second of one process with {n} threads, and of {n} processes with "
        f"one thread each; VAE on 784 columns, one hidden layer, 20 latent units; {asked.rounds} rounds.",
        "",
        f"Machine: {machine()}.",
        "",
        f"| hidden units | rows per step | rows per process x parameters | one | {n} | {n} / one | spread |",
        "|---|---|---|---|---|---|---|",
    ]
    for hidden, batch in SIZES:
        parameters = 784 * hidden * 2 + hidden * 60 + 784 + 40 + 2 * hidden
        pairs = [(run(1, n, hidden, batch), run(n, 1, hidden, batch)) for _ in range(asked.rounds)]
        each = [many / one for one, many in pairs]
        one, many = (statistics.median(values) for values in zip(*pairs))
        lines.append(
            f"| {hidden} | {batch} | {batch // n * parameters:.1e} | {one:,.0f} | {many:,.0f} "
            f"| {statistics.median(each):.2f} | {min(each):.2f} to {max(each):.2f} |"
        )
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
