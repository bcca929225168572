"""Static MNIST, VAE 784-400-40 (ReLU): test NLL with 200 importance samples.

    python benchmarks/static_mnist.py --epochs 200     # about ten minutes on four cores
    python benchmarks/static_mnist.py --epochs 500     # the full schedule

Published: 89.9 (reference), 89.78 (Pythae, Adam 1e-4, 500 epochs, batch 100). Ours: Adam with a cosine schedule, batch
100, the ELBO with one sample, the output bias started at the logits of the pixel means, the 50,000 training images; no
test or validation image is looked at before the end.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import torch

from latentia import VAE
from latentia.data import load

RESULTS = Path(__file__).parent / "results" / "static_mnist.md"
HEAD = (
    "# Static MNIST, VAE 784-400-40, NLL with 200 importance samples\n\n"
    "Made by `python benchmarks/static_mnist.py`; lower is better. Published: 89.9, 89.78.\n\n"
    "| epochs | learning rate | test NLL | Monte Carlo error | error over rows | ELBO | fit, s | evaluation, s | seed | machine |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def main() -> None:
    """Fit, evaluate, add a row to the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--rows", type=int, default=10_000, help="test images")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    train, test = load("mnist_static"), load("mnist_static", split="test")
    model = VAE(
        40,
        likelihood="bernoulli",
        hidden=(400,),
        batch_size=100,
        max_epochs=asked.epochs,
        learning_rate=asked.learning_rate,
        schedule="cosine",
        validation_fraction=0,
        device="cpu",
        random_state=asked.seed,
    )
    start = time.perf_counter()
    model.fit(train.x, progress=lambda now: print(f"\r{now.epoch}/{now.epochs} {now.bound:.2f}", end="", flush=True))
    fitted = time.perf_counter() - start
    start = time.perf_counter()
    nll = model.evidence(test.x[: asked.rows], "importance", 200)
    taken = time.perf_counter() - start
    elbo = model.evidence(test.x[: asked.rows], "elbo", 16)
    machine = (
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}"
    )
    row = (
        f"| {asked.epochs} | {asked.learning_rate:g}, cosine | {-nll.mean:.2f} | {nll.mc_error:.3f} | {nll.row_error:.2f} "
        f"| {elbo.mean:.2f} | {fitted:.0f} | {taken:.0f} | {asked.seed} | {machine} |\n"
    )
    print("\n" + row)
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(before + row, encoding="utf-8")


if __name__ == "__main__":
    main()
