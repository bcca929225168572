"""Importance-weighted and annealed evidence, brackets and gaps against answers found another way, on random problems.

    python benchmarks/evidence_oracles.py importance      # 2 minutes of one core; each writes its own table
    python benchmarks/evidence_oracles.py annealed        # 4
    python benchmarks/evidence_oracles.py bidirectional   # 2
    python benchmarks/evidence_oracles.py gaps            # 2

The problems are those of `tests/oracles`: linear-Gaussian, a mixture, 2^12 binary states, one and two latents through sines by
quadrature, a Gaussian random walk by the Kalman filter, a hidden Markov model by the forward algorithm. Each model is drawn anew,
and its rows from it.
"""

import argparse
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

from latentia import evidence
from latentia.estimate import Estimate
from latentia.evidence.ais import simulated

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "oracles"))
from oracle_problems import _grid, _log_joint, curved  # noqa: E402
from test_oracles import CONTINUOUS, PROBLEMS  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
FIRST = 1000  # seed of the first model: the tests have seen smaller ones


def counted(name: str, method: str, asked: argparse.Namespace) -> list[int]:
    """Rows that are to be believed, of them within 3 and 1.96 errors, and the others; estimates with such, and with a warning."""
    counts = np.zeros(6, dtype=int)
    for seed in range(FIRST, FIRST + asked.models):
        problem = PROBLEMS[name](seed, asked.rows)
        if method == "importance":
            options = {"n_samples": asked.samples}
        else:
            options = {"n_samples": asked.chains, "n_steps": asked.steps, "n_leapfrog": 2}
        found = evidence.estimate(method, problem.model, problem.posterior, problem.x, seed=seed, **options)
        counts += _count(found, problem.truth)
    return counts.tolist()


def _count(found: Estimate, truth: np.ndarray) -> np.ndarray:
    assert found.ess is not None
    assert found.row_mc_error is not None
    good = (found.ess > max(0.1 * found.n_samples, 5)).numpy()
    if found.pareto_k is not None:
        good &= (found.pareto_k < 0.7).numpy()
    off = (np.abs(found.values.numpy() - truth) - 1e-7) / np.maximum(found.row_mc_error.numpy(), 1e-12)
    rows = [good, good & (off < 3), good & (off < 1.96), ~good]
    return np.array([*(r.sum() for r in rows), not good.all(), not good.all() and bool(found.warning)], dtype=int)


def _row(name: str, counts: list[int]) -> str:
    good, three, two, poor, _, _ = counts
    share = lambda n: f"{n:,} ({100 * n / max(1, good):.1f} %)"  # noqa: E731
    return f"| {name} | {good:,} | {share(three)} | {share(two)} | {poor:,} |"


def oracles(method: str, asked: argparse.Namespace) -> list[str]:
    """The table of one estimator."""
    how = (
        f"{asked.samples:,} samples"
        if method == "importance"
        else f"from the prior, {asked.chains} chains, {asked.steps} temperatures, 2 leapfrog steps"
    )
    text = [
        f"{asked.models} random models of each kind, {asked.rows} rows of each; {how}. Believable: effective sample size above a tenth",
        "and above 5, tail index below 0.7.",
        "",
        "| problem | believable rows | within 3 errors | within 1.96 errors | not believable |",
        "|---|---|---|---|---|",
    ]
    total = [0] * 6
    for name in PROBLEMS if method == "importance" else CONTINUOUS:
        counts = counted(name, method, asked)
        total = [a + b for a, b in zip(total, counts)]
        text.append(_row(name, counts))
        print(text[-1], flush=True)
    text.append(_row("all", total))
    good, three, two, _, some, warned = total
    lines = [("99 of 100 within 3 errors", three >= 0.99 * good), ("92 to 98 within 1.96", 0.92 <= two / good <= 0.98)]
    lines.append((f"a warning elsewhere ({warned} of {some} estimates with such a row)", warned == some))
    text += ["", f"Lines: {'; '.join(f'{line}: {_reached(met)}' for line, met in lines)}."]
    return text


def _reached(met: bool) -> str:
    return "reached" if met else "missed"


def bidirectional(asked: argparse.Namespace) -> list[str]:
    """Bidirectional evidence on non-linear models with two latents."""
    text = [
        f"{asked.models} models with two latents through sines, {asked.rows} rows that each made, 16 chains from the prior, 2 leapfrog steps;",
        "nats per row, the truth by quadrature.",
        "",
        "| model | temperatures | lower | truth | upper | gap |",
        "|---|---|---|---|---|---|",
    ]
    gaps = []
    for seed in range(asked.models):
        problem = curved(FIRST + seed, 2)
        x, _ = simulated(problem.model, asked.rows, 0)
        truth = float(_quadrature(problem.model.conditional.network, x).mean())
        for steps in (100, 500):
            found = evidence.bidirectional(problem.model, n_rows=asked.rows, n_samples=16, n_steps=steps, n_leapfrog=2)
            text.append(
                f"| {seed} | {steps} | {found.lower.mean:.4f} | {truth:.4f} | {found.upper.mean:.4f} | "
                f"{found.gap:.4f} ± {found.gap_error:.4f} |"
            )
            print(text[-1], flush=True)
        gaps.append(found.gap)
    below = sum(gap < 0.1 for gap in gaps)
    text += [
        "",
        f"Line, a gap below 0.1 nat at 500 temperatures: {below} of {len(gaps)} models; mean {np.mean(gaps):.4f}.",
    ]
    return text


def _quadrature(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    grid, log_cell = _grid(2)
    return torch.logsumexp(_log_joint(network, grid, x, 0.5, "normal") + log_cell, 1)


def gaps(asked: argparse.Namespace) -> list[str]:
    """What the ELBO of each family lacks, beside the truth."""
    text = [
        f"{asked.rows} rows of each model through sines, 300 steps of each row's own q; nats per row, log p(x) by quadrature. The first q is",
        "normal with the exact mean and 1.2 times the exact spread.",
        "",
        "| latents | model | first q | factorised | full covariance | flow | Monte Carlo error |",
        "|---|---|---|---|---|---|---|",
    ]
    for n_latent in (1, 2):
        for seed in range(asked.models):
            problem = curved(FIRST + seed, n_latent, asked.rows)
            full, flow = (
                evidence.gaps(problem.model, problem.posterior, problem.x, n_samples=2000, richer=richer)
                for richer in ("full", "flow")
            )
            truth = problem.truth.mean()
            lacks = " | ".join(f"{truth - e.mean:.4f}" for e in (flow.encoder, flow.local, full.richer, flow.richer))
            text.append(f"| {n_latent} | {seed} | {lacks} | {flow.richer.mc_error:.4f} |")
            print(text[-1], flush=True)
    return text


def main() -> None:
    """Count, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=("importance", "annealed", "bidirectional", "gaps"))
    parser.add_argument("--models", type=int)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    asked = parser.parse_args()
    models, rows = {"importance": (30, 50), "annealed": (10, 25), "bidirectional": (6, 50), "gaps": (4, 50)}[
        asked.method
    ]
    asked.models, asked.rows = asked.models or models, asked.rows or rows
    begun = time.process_time()
    if asked.method == "bidirectional":
        table = bidirectional(asked)
    else:
        table = gaps(asked) if asked.method == "gaps" else oracles(asked.method, asked)
    seconds = time.process_time() - begun
    text = [
        f"# {asked.method.capitalize()}{'' if asked.method == 'gaps' else ' evidence'} on problems whose answer is known",
        "",
        f"Made by `python benchmarks/evidence_oracles.py {asked.method}` in {seconds:.0f} s of one core ({platform.machine()}, "
        f"{os.cpu_count()} cores, shared).",
        "",
        *table,
    ]
    (RESULTS / f"evidence_oracles_{asked.method}.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
