"""Static MNIST, VAE 784-400-40 (ReLU): test NLL with 200 importance samples.

    python benchmarks/static_mnist.py --max-time 600                # ten minutes, the schedule fitted to them
    python benchmarks/static_mnist.py --epochs 500 --with-valid --tighten 15     # the full schedule

Published: 89.9 (reference), 89.78 (Pythae, Adam 1e-4, 500 epochs, batch 100). Ours: Adam with a cosine schedule (or the one asked for), batch
100, the ELBO with one sample, its gradient without the score of q ("sticking the landing"), the output bias started at the logits of the pixel means, the 50,000 training images (with
--with-valid also the 10,000 of the validation part, on which nothing is tuned); no test image is looked at before the
end. The NLL is given with the encoder as proposal, as published, and with each row's proposal refined by 30 steps, which
estimates the same log p(x) better. With --tighten the encoder is then fitted further for so many epochs while p is held: by
reweighted wake-sleep, towards the exact posterior of the images and of the model's own dreams, which widens it where it was
too narrow; the NLL of the same p is given with it too, again with the encoder as the only proposal.
"""

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentia import VAE, fit
from latentia.data import load
from latentia.evidence import importance
from latentia.learn import ReweightedWakeSleep, Schedule
from latentia.posteriors import Refined
from latentia.reproduce.deep import some

RESULTS = Path(__file__).parent / "results" / "static_mnist.md"
HEAD = (
    "# Static MNIST, VAE 784-400-40, NLL with 200 importance samples\n\n"
    "Made by `python benchmarks/static_mnist.py`; lower is better. Published: 89.9, 89.78.\n\n"
    "| epochs | images | optimiser | gradient | test NLL | Monte Carlo error | error over rows | NLL, refined proposals | ELBO "
    "| fit, s | seed | machine | NLL, tightened encoder |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def make(asked: argparse.Namespace, epochs: int) -> VAE:
    """The estimator of the line, for so many epochs."""
    return VAE(
        40,
        likelihood="bernoulli",
        hidden=(400,),
        batch_size=100,
        max_epochs=epochs,
        learning_rate=asked.learning_rate,
        schedule=asked.schedule,
        optimizer=asked.optimizer,
        gradient=asked.gradient,
        validation_fraction=0,
        device="cpu",
        random_state=asked.seed,
    )


def affordable(train: np.ndarray, asked: argparse.Namespace) -> int:
    """Epochs that fit into the time, by the quicker of three that are timed."""
    begun, ends = time.perf_counter(), []
    make(asked, 3).fit(train, callbacks=[lambda loop: ends.append(time.perf_counter())])
    each = min(b - a for a, b in zip(ends, ends[1:]))
    return max(1, int(0.97 * (asked.max_time - (ends[-1] - begun)) / each))


def tightened(model: VAE, train: np.ndarray, asked: argparse.Namespace) -> str:
    """Fit q further, p held, and leave it in the estimator; how."""
    p, q = model.model_.float().requires_grad_(False), model.posterior_.float().requires_grad_(True)
    rate = Schedule("cosine", n_steps=asked.tighten * (len(train) // 100))
    learner = ReweightedWakeSleep(q, n_samples=10, fit="both", learning_rate=1e-3, schedule=rate)
    fit(p, learner, torch.as_tensor(train), max_epochs=asked.tighten, batch_size=100, seed=asked.seed + 1, device="cpu")
    p.double(), q.double().requires_grad_(False)
    return f"{asked.tighten} epochs"


def show(now: Any) -> None:
    """A line that is written over."""
    print(f"\r{now.epoch}/{now.epochs} {now.bound:.2f}", end="", flush=True)


def main() -> None:
    """Fit, evaluate, add a row to the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--max-time", type=float, help="seconds; the epochs are chosen after timing one")
    parser.add_argument("--with-valid", action="store_true", help="learn from the validation part too")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--schedule", default="cosine", choices=("constant", "cosine", "linear"))
    parser.add_argument("--optimizer", default="adam", choices=("adam", "adamw"))
    parser.add_argument("--gradient", default="sticking-the-landing", help="auto: that of Algorithm 1")
    parser.add_argument("--rows", type=int, default=10_000, help="test images")
    parser.add_argument("--tighten", type=int, default=0, help="epochs of the encoder alone, afterwards")
    parser.add_argument("--keep", help="a folder for the fitted model")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    train, test = load("mnist_static").x, load("mnist_static", split="test").x
    if asked.with_valid:
        train = np.concatenate([train, load("mnist_static", split="valid").x])
    start = time.perf_counter()
    epochs = asked.epochs if asked.max_time is None else affordable(train, asked)
    model = make(asked, epochs).fit(train, progress=show)
    fitted = time.perf_counter() - start
    if asked.keep:
        model.save(asked.keep)
    rows = some(test, asked.rows)
    nll, elbo = model.evidence(rows, "importance", 200), model.evidence(rows, "elbo", 16)
    q = Refined(model.posterior_, n_steps=30, n_samples=4)
    better = importance(model.model_, q, torch.as_tensor(rows).double(), n_samples=200)
    tight = ""
    if asked.tighten:
        begun, how = time.perf_counter(), tightened(model, train, asked)
        seconds = time.perf_counter() - begun
        found = importance(model.model_, model.posterior_, torch.as_tensor(rows).double(), n_samples=200)
        tight = f"{-found.mean:.2f} ± {found.mc_error:.2f} (Monte Carlo), {how}, {seconds:.0f} s"
    machine = (
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}"
    )
    row = (
        f"| {epochs} | {len(train):,} | {asked.optimizer} {asked.learning_rate:g}, {asked.schedule} | {asked.gradient} | {-nll.mean:.2f} | {nll.mc_error:.3f} "
        f"| {nll.row_error:.2f} | {-better.mean:.2f} | {elbo.mean:.2f} | {fitted:.0f} | {asked.seed} | {machine} | {tight} |\n"
    )
    print("\n" + row)
    RESULTS.parent.mkdir(exist_ok=True)
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    rows, blank, notes = before.partition("\n\nBoth NLLs")
    RESULTS.write_text(rows.rstrip("\n") + "\n" + row.rstrip("\n") + (blank or "\n") + notes, encoding="utf-8")


if __name__ == "__main__":
    main()
