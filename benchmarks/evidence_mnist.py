"""Annealed evidence beside importance-weighted evidence of a VAE 784-200-200-50 on static MNIST, and the gap on the model's own rows.

    python benchmarks/evidence_mnist.py --minutes 5           # fits, then measures; about ten minutes on one core
    python benchmarks/evidence_mnist.py --run FOLDER          # measures a run that is there

Lines: annealed evidence at least the importance-weighted one with 5,000 samples less 2 errors, on 100 test images
(published difference: 0.8); bidirectional gap below 1 nat.
"""

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import latentia
from latentia import VAE, evidence
from latentia.data import load
from latentia.estimate import Estimate
from latentia.evidence.gap import difference

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
    """Rows of the table, and what they say of the lines."""
    model, q = vae.model_.float(), vae.posterior_.float()
    x = torch.as_tensor(load("mnist_static", split="test").x).float()
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: asked.images]]
    chains = {"n_samples": asked.chains, "n_steps": asked.steps, "n_leapfrog": asked.leapfrog}
    runs: dict[str, Callable[[], Estimate]] = {
        "ELBO, 100 samples": lambda: evidence.elbo(model, q, x, n_samples=100),
        "importance, 50": lambda: evidence.importance(model, q, x, n_samples=50),
        "importance, 5,000": lambda: evidence.importance(model, q, x, n_samples=5000),
        "importance, refined, 5,000": lambda: evidence.importance(model, q, x, n_samples=5000, proposal="refined"),
        "annealed from the prior": lambda: evidence.annealed(model, q, x, start="prior", **chains),
        "annealed from q": lambda: evidence.annealed(model, q, x, start="q", **chains),
    }
    found = {name: _timed(name, run) for name, run in runs.items()}
    rows, estimates = [row for _, row in found.values()], {name: e for name, (e, _) in found.items()}
    return [*rows, "", *_differences(estimates), *_bracket(model, q, asked.simulated, chains)]


def _timed(name: str, run: Callable[[], Estimate]) -> tuple[Estimate, str]:
    begun = time.process_time()
    e = run()
    ess = "" if e.ess is None else f"{float(e.ess.median()):.1f}"
    tail = "" if e.pareto_k is None else f"{float((e.pareto_k > 0.7).double().mean()):.0%}"
    row = f"| {name} | >= {e.mean:.3f} | {e.mc_error:.3f} | {ess} | {tail} | {time.process_time() - begun:.0f} |"
    print(row, flush=True)
    return e, row


def _differences(estimates: dict[str, Estimate]) -> list[str]:
    """Annealed less importance-weighted with 5,000 samples, image by image."""
    base, lines = estimates["importance, 5,000"], []
    for name in ("annealed from the prior", "annealed from q"):
        gap = difference(estimates[name], base)
        reached = "reached" if gap.mean >= -2 * gap.mc_error else "missed"
        lines.append(
            f"{name.capitalize()} less importance-weighted with 5,000 samples, same images: {gap.mean:+.3f} nats (Monte Carlo ± "
            f"{gap.mc_error:.3f}, images ± {gap.row_error:.3f}; published: +0.8 on another model). Line, not below by 2 errors: {reached}."
        )
        print(lines[-1], flush=True)
    return [line for text in lines for line in (text, "")]


def _bracket(model: Any, q: Any, n_rows: int, chains: dict[str, int]) -> list[str]:
    """The bidirectional gap on rows that the model makes."""
    begun = time.process_time()
    found = evidence.bidirectional(model, q, n_rows=n_rows, start="q", **chains)
    seconds = time.process_time() - begun
    text = (
        f"Bidirectional, from q, on {n_rows} rows that the model made: >= {found.lower.mean:.3f}, <= {found.upper.mean:.3f}, gap "
        f"{found.gap:.3f} ± {found.gap_error:.3f} nats in {seconds:.0f} s. Line, below 1: {'reached' if found.gap < 1 else 'missed'}."
    )
    print(text, flush=True)
    return [text]


def main() -> None:
    """Fit, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--simulated", type=int, default=50)
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--leapfrog", type=int, default=3)
    asked = parser.parse_args()
    vae = fitted(asked)
    epochs = vae.history_[-1]["epoch"] if vae.history_ else 0
    lines = [
        "# Annealed and importance-weighted evidence, static MNIST, VAE 784-200-200-50",
        "",
        f"Made by `python benchmarks/evidence_mnist.py`: fitted for {epochs:.0f} epochs; {asked.images} test images, random ones;",
        f"{asked.chains} chains, {asked.steps} temperatures, {asked.leapfrog} leapfrog steps; float32; seconds of one core, {platform.machine()}, shared.",
        "A tail index above 0.7: the mean of the weights cannot be believed, and its error is widened until it says so.",
        "",
        "| | nats per image | Monte Carlo error | median effective sample size | rows with a tail index above 0.7 | s |",
        "|---|---|---|---|---|---|",
        *measured(vae, asked),
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
