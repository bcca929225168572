"""Time to quality: from the start of the process to a test NLL of at most 95 on static MNIST, VAE 784-400-40.

    python benchmarks/speed/quality.py --rounds 3

Contenders: latentia, Pythae's trainer, and a loop by hand. All use Adam with batches of 100, rate 2e-3 falling by half a
cosine, 50,000 training images; each gets the fewest epochs, out of a list, after which its own NLL (200 importance samples
on --test images) is at most 95, found in a search that is not counted. Every run is a process of its own; its
time holds imports, reading the data, learning and the NLL. Writes results/speed_quality.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import BATCH, PIXELS, machine

from latentia.data import load
from latentia.reproduce.deep import some

RESULTS = Path(__file__).parents[1] / "results" / "speed_quality.md"
GOAL, SAMPLES, HIDDEN, LATENT, RATE = 95.0, 200, 400, 40, 2e-3
EPOCHS = (11, 13, 15, 17, 20, 24, 29, 36, 48)


def rows(split: str, n: int) -> np.ndarray:
    """Images of a part of static MNIST, `(n, 784)`, float32."""
    return np.ascontiguousarray(some(load("mnist_static", split=split).x, n).reshape(-1, PIXELS), dtype=np.float32)


def latentia_nll(epochs: int, test: np.ndarray) -> float:
    """`VAE.fit`, then its importance-weighted evidence."""
    from latentia import VAE

    model = VAE(
        LATENT,
        likelihood="bernoulli",
        hidden=(HIDDEN,),
        batch_size=BATCH,
        max_epochs=epochs,
        learning_rate=RATE,
        schedule="cosine",
        validation_fraction=0,
        device="cpu",
        random_state=0,
    )
    model.fit(rows("train", 50_000))
    return -model.evidence(test, "importance", SAMPLES, precision="float32").mean


def hand_nll(epochs: int, test: np.ndarray) -> float:
    """The loop that a careful person writes by hand, and the same estimator."""
    from plain import negative_elbo, negative_importance, networks

    torch.manual_seed(0)
    encoder, decoder = networks(HIDDEN, LATENT)
    x = torch.from_numpy(rows("train", 50_000))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(x) // BATCH)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            loss = negative_elbo(encoder, decoder, x[order[start : start + BATCH]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        pieces = torch.from_numpy(test).split(50)
        total = sum(float(negative_importance(encoder, decoder, piece, SAMPLES)) * len(piece) for piece in pieces)
    return total / len(test)


def pythae_nll(epochs: int, test: np.ndarray) -> float:
    """Pythae's trainer and its `get_nll`."""
    import logging

    from peers import pythae_model
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.CRITICAL)
    x, model = rows("train", 50_000), pythae_model(HIDDEN, LATENT)
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            optimizer_cls="Adam",
            scheduler_cls="CosineAnnealingLR",
            scheduler_params={"T_max": epochs},
        )
        data = BaseDataset(torch.from_numpy(x), torch.zeros(len(x)))
        BaseTrainer(model, data, training_config=settings).train()
    with torch.no_grad():
        return -float(model.get_nll(torch.from_numpy(test), n_samples=SAMPLES, batch_size=SAMPLES))


CONTENDERS = {"loop by hand": hand_nll, "latentia": latentia_nll, "pythae": pythae_nll}


def run(name: str, epochs: int, test: int) -> tuple[float, float]:
    """Seconds from the start of a process to its NLL, and the NLL."""
    command = [sys.executable, "-W", "ignore", __file__, "--child", name, "--epochs", str(epochs), "--test", str(test)]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    nll = float(json.loads(done.stdout.strip().splitlines()[-1]))
    print(f"{name}, {epochs} epochs: {abs(nll):.2f} after {seconds:.0f} s", flush=True)
    return seconds, abs(nll)


def search(name: str, test: int) -> tuple[int, tuple[float, float]]:
    """The fewest epochs that reach the goal, and what they took."""
    for epochs in EPOCHS:
        found = run(name, epochs, test)
        if found[1] <= GOAL:
            return epochs, found
    raise SystemExit(f"{name} did not reach {GOAL} within {EPOCHS[-1]} epochs.")


def table(found: dict[str, tuple[int, list[tuple[float, float]]]], asked: argparse.Namespace) -> str:
    """Markdown; ratios within rounds."""
    own = [seconds for seconds, _ in found["latentia"][1]]
    lines = [
        "# Time to quality",
        "",
        f"`python benchmarks/speed/quality.py --rounds {asked.rounds} --test {asked.test}`: seconds from the start of the "
        f"process to a test NLL of at most {GOAL:g} (static MNIST, {asked.test:,} test images, {SAMPLES} importance samples), "
        "settings in the script.",
        "",
        f"Machine: {machine()}.",
        "",
        "| | epochs | NLL | seconds | ratio to latentia | spread |",
        "|---|---|---|---|---|---|",
    ]
    for name, (epochs, runs) in found.items():
        each = [seconds / mine for (seconds, _), mine in zip(runs, own)]
        middle = statistics.median(seconds for seconds, _ in runs)
        lines.append(
            f"| {name} | {epochs} | {runs[0][1]:.2f} | {middle:.0f} | {statistics.median(each):.2f} "
            f"| {min(each):.2f} to {max(each):.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Search, then measure in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--test", type=int, default=10_000, help="test images of the NLL")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(CONTENDERS[asked.child](asked.epochs, rows("test", asked.test))))
        return
    found: dict[str, Any] = {}
    for name in CONTENDERS:
        epochs, first = search(name, asked.test)
        found[name] = (epochs, [first] if asked.rounds == 1 else [])
    for _ in range(asked.rounds if asked.rounds > 1 else 0):
        for name, (epochs, runs) in found.items():
            runs.append(run(name, epochs, asked.test))
    RESULTS.write_text(table(found, asked), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
