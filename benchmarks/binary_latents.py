"""Static MNIST, 200 binary latents, linear networks: -log p(x) by gradient estimator at equal steps.

    python benchmarks/binary_latents.py                        # 100,000 steps of each, about 5 minutes each on a core
    python benchmarks/binary_latents.py --steps 2000 --rows 1000 --gradients disarm

Published (1e6 steps): score function 164.0, NVIL 113.1, Concrete 107.3, ARM 107.2. Ours: encoder and decoder one linear
layer each, a learnt prior, Adam, batch 20, constant learning rate, two draws per row for every estimator (NVIL and the
score function average two independent estimates), the output bias started at the logits of the pixel means. -log p(x) of
the test part with 200 importance samples.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch

import latentia
from latentia.bounds import Elbo
from latentia.conditional import Conditional
from latentia.data import load
from latentia.evidence import elbo, importance
from latentia.families import Bernoulli
from latentia.learn import AmortizedVI
from latentia.models import FamilyPrior, LatentVariableModel
from latentia.posteriors import Amortized
from latentia.reproduce.deep import some

RESULTS = Path(__file__).parent / "results" / "binary_latents.md"
HEAD = (
    "# Static MNIST, 784-200 Bernoulli latents, linear: -log p(x) by gradient estimator\n\n"
    "Made by `python benchmarks/binary_latents.py`; nats per image, lower is better; importance samples: 200. Published at "
    "1e6 steps: score function 164.0, NVIL 113.1, Concrete 107.3, ARM 107.2. The machine was shared: seconds tell little.\n\n"
    "| gradient | steps | learning rate | test -log p(x) | Monte Carlo error | error over rows | test -ELBO | train -ELBO "
    "| rows | fit, s | seed |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def parts(x: torch.Tensor, n_latent: int = 200) -> tuple[Any, Any]:
    """The linear model and its encoder."""
    n = x.shape[1]
    likelihood = Conditional(torch.nn.Linear(n_latent, n), Bernoulli((n,)), (n_latent,))
    likelihood.start_at(x.mean(0), x.std(0))
    model = LatentVariableModel(FamilyPrior(Bernoulli((n_latent,)), learnt=True), likelihood)
    encoder = Conditional(torch.nn.Linear(n, n_latent), Bernoulli((n_latent,)), (n,), joint=True)
    return model, Amortized(encoder)


def run(gradient: str, rate: float, x: torch.Tensor, test: torch.Tensor, asked: argparse.Namespace) -> str:
    """One fit, as a row of the table."""
    torch.manual_seed(asked.seed)
    model, q = parts(x)
    learner = AmortizedVI(q, bound=Elbo(2, gradient=gradient), learning_rate=rate)
    start = time.perf_counter()
    options = {"max_epochs": 10**6, "max_steps": asked.steps, "batch_size": 20, "seed": asked.seed, "device": "cpu"}
    fit = latentia.fit(model, learner, x, **options)
    seconds = time.perf_counter() - start
    nll, bound = importance(model, q, test, n_samples=200), elbo(model, q, test, n_samples=16)
    return (
        f"| {gradient} | {asked.steps:,} | {rate:g} | {-nll.mean:.2f} | {nll.mc_error:.3f} | {nll.row_error:.2f} "
        f"| {-bound.mean:.2f} | {-fit.history[-1]['bound']:.2f} | {len(test):,} | {seconds:.0f} | {asked.seed} |\n"
    )


def main() -> None:
    """Fit with each estimator, add a row to the table after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gradients", nargs="+", default=["leave-one-out", "score", "disarm", "nvil"])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--learning-rate", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--rows", type=int, default=10_000, help="test images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="write no table")
    asked = parser.parse_args()
    x = torch.as_tensor(load("mnist_static").x).float()
    test = torch.as_tensor(some(load("mnist_static", split="test").x, asked.rows)).float()
    for gradient in asked.gradients:
        for rate in asked.learning_rate:
            row = run(gradient, rate, x, test, asked)
            print(row, flush=True)
            if not asked.dry:
                before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
                RESULTS.write_text(before + row, encoding="utf-8")


if __name__ == "__main__":
    main()
