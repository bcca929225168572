"""How fast evidence is: beside its own matrix products, beside Pythae 0.1.2, and with samples where the error is.

    .venv-bench/bin/python benchmarks/evidence_speed.py        # an environment with latentia and pythae
    python benchmarks/evidence_speed.py                        # without Pythae

A VAE 784-200-200-50 with a Bernoulli likelihood, float32; with one thread times of this process alone (the machine is shared), with
more by the clock on the wall. What is compared runs in turns, and the ratio is the median over the turns. Lines: within 1.5 times the matrix products of the
decoder alone; at least 3 times Pythae's `get_nll`; the wanted error in a tenth of the time where one row in twenty is hard.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from latentia import evidence, families
from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.data import load
from latentia.models import LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized, Posterior

RESULTS = Path(__file__).parent / "results" / "evidence_speed.md"
SIZES = (50, 200, 200, 784)


def ours() -> tuple[LatentVariableModel, Amortized]:
    """Model and encoder, as they come from their random start."""
    torch.manual_seed(0)
    decoder = Conditional(MLP(50, 784, (200, 200)), families.Bernoulli((784,)), (50,))
    encoder = Conditional(MLP(784, 100, (200, 200)), families.Normal((50,)), (784,), joint=True)
    return LatentVariableModel(StandardNormal(50), decoder), Amortized(encoder)


def theirs() -> Any:
    """Pythae's VAE with the same layers."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    def body(*sizes: int) -> nn.Sequential:
        return nn.Sequential(*(layer for a, b in zip(sizes, sizes[1:]) for layer in (nn.Linear(a, b), nn.ReLU())))

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.loc, self.log_variance = body(784, 200, 200), nn.Linear(200, 50), nn.Linear(200, 50)

        def forward(self, x: Tensor) -> Any:
            h = self.body(x)
            return ModelOutput(embedding=self.loc(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(body(50, 200, 200), nn.Linear(200, 784), nn.Sigmoid())

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.body(z))

    config = VAEConfig(input_dim=(784,), latent_dim=50, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(), decoder=Decoder())


def products(n: int, rows_at_once: int = 2600) -> None:
    """The decoder's matrix products for n draws of z, and nothing else: no bias, no activation, no new memory."""
    weights = [torch.randn(a, b) for a, b in zip(SIZES, SIZES[1:])]
    h = [torch.randn(rows_at_once, size) for size in SIZES]
    for _ in range(-(-n // rows_at_once)):
        for weight, before, after in zip(weights, h, h[1:]):
            torch.mm(before, weight, out=after)


def seconds(run: Callable[[], Any]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    run()
    return clock() - begun


class SomeHard(Posterior):
    """The best factorised q, 1 % wider; on one row in twenty far wider, and beside the posterior."""

    def __init__(self, edge: float, shift: float) -> None:
        super().__init__()
        self.edge, self.shift = edge, shift

    def forward(self, batch: Batch, model: ProbabilisticPCA) -> Distribution:
        q = model.posterior(batch.x)
        hard = (batch.x[:, :1] > self.edge).to(batch.x.dtype)
        best = torch.linalg.inv(q.covariance_matrix).diagonal(dim1=-2, dim2=-1).rsqrt()
        return Independent(Normal(q.mean + self.shift * hard * best, (1.01 + 1.6 * hard) * best), 1)


def automatic() -> list[str]:
    """As many samples for every row, and samples where the error is: the same error of the mean."""
    torch.manual_seed(0)
    model = ProbabilisticPCA(100, 4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.05 * torch.randn_like(parameter))
    x = model.sample(200)
    edge = float(x[:, 0].quantile(0.95))
    tried = ((1.2, 5000), (1.2, 20_000), (2.0, 5000), (2.0, 20_000))
    return [_spent(model, SomeHard(edge, shift), x, k) for shift, k in tried]


def _spent(model: ProbabilisticPCA, q: SomeHard, x: Tensor, k: int) -> str:
    even = evidence.importance(model, q, x, n_samples=k)
    spent = evidence.importance(model, q, x, n_samples=k, error=even.mc_error)
    assert spent.row_samples is not None
    assert even.ess is not None
    hard = x[:, 0] > q.edge
    worth = [k / float(even.ess[rows].median()) for rows in (hard, ~hard)]
    runs = (
        (lambda: evidence.importance(model, q, x, n_samples=k, error=even.mc_error)),
        (lambda: evidence.importance(model, q, x, n_samples=k)),
    )
    share = median(seconds(runs[0]) / seconds(runs[1]) for _ in range(3))
    mean = float(spent.row_samples.double().mean())
    row = f"| {worth[0]:.0f} | {worth[1]:.2f} | {k:,} | {even.mc_error:.5f} | {spent.mc_error:.5f} | {mean:,.0f} | {share:.3f} |"
    print(row, flush=True)
    return row


def contenders(images: int, samples: int, few: int | None) -> dict[str, tuple[Callable[[], Any], float]]:
    """What is run, and by how much its time is scaled up."""
    model, q = ours()
    x = torch.as_tensor(load("mnist_static", split="test").x[:images]).float()
    evidence.importance(model, q, x[:100], n_samples=20)
    runs: dict[str, tuple[Callable[[], Any], float]] = {
        "matrix products alone": (lambda: products(images * samples), 1.0),
        "latentia, importance": (lambda: evidence.importance(model, q, x, n_samples=samples), 1.0),
    }
    try:
        vae, few = theirs(), few or max(1, images // 4)
    except ImportError:
        return runs
    call = lambda: vae.get_nll(x[:few], n_samples=samples, batch_size=100)  # noqa: E731
    return {**runs, "Pythae 0.1.2, get_nll": (call, images / few)}


def throughput(asked: argparse.Namespace, threads: int) -> list[str]:
    """A table for so many threads."""
    torch.set_num_threads(threads)
    runs = contenders(asked.images, asked.samples, asked.few)
    found: dict[str, list[float]] = {name: [] for name in runs}
    with torch.no_grad():
        for _ in range(asked.turns):
            for name, (run, scale) in runs.items():
                found[name].append(scale * seconds(run))
    base, mine = found["matrix products alone"], found["latentia, importance"]
    rows = []
    for name, times in found.items():
        to_products, to_ours = (median(t / b for t, b in zip(times, by)) for by in (base, mine))
        rows.append(
            f"| {name} | {1e6 * median(times) / (asked.images * asked.samples):.2f} | {to_products:.2f} | {to_ours:.2f} |"
        )
        print(rows[-1], flush=True)
    ratio = median(t / b for t, b in zip(mine, base))
    other = [median(t / b for t, b in zip(times, mine)) for name, times in found.items() if name.startswith("Pythae")]
    verdict = "".join(f" ({'reached' if r >= 3 else 'missed'}: {r:.2f})" for r in other)
    clock = "one thread, processor time" if threads == 1 else f"{threads} threads, time on the wall"
    return [
        f"## {clock[0].upper()}{clock[1:]}",
        "",
        f"Lines: to the products 1.5 ({'reached' if ratio <= 1.5 else 'missed'}: {ratio:.2f}); Pythae 3 times ours{verdict}.",
        "",
        "| | microseconds per sample | to the products | to latentia |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--few", type=int, help="images for Pythae, a quarter without it; its time is scaled up")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    asked = parser.parse_args()
    tables = [line for threads in asked.threads for line in throughput(asked, threads)]
    torch.set_num_threads(1)
    few = asked.few or max(1, asked.images // 4)
    text = [
        "# How fast evidence is",
        "",
        f"Made by `python benchmarks/evidence_speed.py --images {asked.images} --samples {asked.samples} --turns {asked.turns} --threads "
        f"{' '.join(map(str, asked.threads))}`: {asked.images:,} static MNIST images x {asked.samples:,} samples, VAE 784-200-200-50,",
        f"float32, medians of {asked.turns} turns (Pythae on {few} of the images, scaled up); {platform.machine()}, {os.cpu_count()} cores.",
        "",
        *tables,
        "## Samples where the error is",
        "",
        "200 rows of a linear-Gaussian model, one in twenty with a proposal beside the posterior. The share of",
        "the time that as many samples for every row take, for the same Monte Carlo error of the mean, all pilots counted. A row",
        "gets at least 100, and about 300 where the tail of its weights must be known, whatever is wanted. Line: a tenth.",
        "",
        "| samples worth one: hard rows | easy rows | samples of every row | its error | error reached | mean samples per row | share of the time |",
        "|---|---|---|---|---|---|---|",
        *automatic(),
    ]
    RESULTS.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
