"""Annealed evidence beside importance-weighted evidence of a VAE 784-200-200-50 on static MNIST, and the gap on the model's own rows.

    python benchmarks/evidence_mnist.py --minutes 8           # fits, then measures; about half an hour on one core
    python benchmarks/evidence_mnist.py --run FOLDER          # measures a run that is there

Lines: annealed evidence at least the importance-weighted one with 5,000 samples less 2 errors, on 100 test images
(published difference: 0.8); bidirectional gap below 1 nat.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import torch

import latentia
from latentia import VAE, evidence
from latentia.data import load

RESULTS = Path(__file__).parent / "results" / "evidence_mnist.md"


def fitted(asked: argparse.Namespace) -> VAE:
    """The run that is there, or one that is fitted now."""
    if asked.run is not None and (asked.run / "run.json").exists():
        return latentia.load(asked.run)
    vae = VAE(
        50,
        likelihood="bernoulli",
        hidden=(200, 200),
        batch_size=100,
        max_epochs=10_000,
        max_time=60 * asked.minutes,
        validation_fraction=0,
        device="cpu",
        random_state=0,
    ).fit(load("mnist_static").x)
    if asked.run is not None:
        vae.save(asked.run)
    return vae


def measured(vae: VAE, asked: argparse.Namespace) -> list[str]:
    """Rows of the table."""
    model, q = vae.model_.float(), vae.posterior_.float()
    x = torch.as_tensor(load("mnist_static", split="test").x).float()
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: asked.images]]
    chains = {"n_samples": asked.chains, "n_steps": asked.steps, "n_leapfrog": asked.leapfrog}
    rows, found = [], {}
    for name, run in (
        ("ELBO", lambda: evidence.elbo(model, q, x, n_samples=100)),
        ("importance, 50", lambda: evidence.importance(model, q, x, n_samples=50)),
        ("importance, 5,000", lambda: evidence.importance(model, q, x, n_samples=5000)),
        ("annealed", lambda: evidence.annealed(model, q, x, start=asked.start, **chains)),
    ):
        begun = time.process_time()
        found[name] = run()
        seconds, e = time.process_time() - begun, found[name]
        rows.append(
            f"| {name} | >= {e.mean:.3f} | {e.mc_error:.3f} | {e.row_error:.2f} | {float(e.ess.median()) if e.ess is not None else 0:.1f} | {seconds:.0f} |"
        )
        print(rows[-1], flush=True)
    a, b = found["annealed"], found["importance, 5,000"]
    error = (a.mc_error**2 + b.mc_error**2) ** 0.5
    text = f"\nAnnealed less importance-weighted, same images: {a.mean - b.mean:+.3f} +- {error:.3f} nats (published: +0.8 on another model)."
    begun = time.process_time()
    bracket = evidence.bidirectional(model, q, n_rows=asked.simulated, start=asked.start, **chains)
    gap = (
        f"\nOn {asked.simulated} rows that the model made: >= {bracket.lower.mean:.3f}, <= {bracket.upper.mean:.3f}, gap "
        f"{bracket.gap:.3f} +- {bracket.gap_error:.3f} nats; {time.process_time() - begun:.0f} s."
    )
    print(text, gap, flush=True)
    return [*rows, text, gap]


def main() -> None:
    """Fit, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--simulated", type=int, default=50)
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--leapfrog", type=int, default=3)
    parser.add_argument("--start", default="prior", choices=("prior", "q"))
    asked = parser.parse_args()
    vae = fitted(asked)
    epochs = vae.history_[-1]["epoch"] if vae.history_ else 0
    lines = [
        "# Annealed and importance-weighted evidence, static MNIST, VAE 784-200-200-50",
        "",
        f"Made by `python benchmarks/evidence_mnist.py`: fitted for {epochs:.0f} epochs; {asked.images} test images;",
        f"{asked.chains} chains, {asked.steps} temperatures, {asked.leapfrog} leapfrog steps, from the {asked.start}; seconds of one core;",
        f"{platform.machine()}, {os.cpu_count()} cores, shared.",
        "",
        "| | nats per image | Monte Carlo error | error over images | median effective sample size | s |",
        "|---|---|---|---|---|---|",
        *measured(vae, asked),
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
