"""Whole jobs side by side: evidence, EM, growth with rows, start-up. `python benchmarks/speed/whole.py [--rounds 5]`.

As in run.py: contenders alternate, ratios are taken within rounds.
"""

import argparse
import importlib.util
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import PIXELS, images, machine

from latentia import FactorAnalysis, GaussianMixture, evidence
from latentia.batch import TensorBatches
from latentia.conditional import Conditional
from latentia.families import Bernoulli, Normal
from latentia.learn import ExactEM
from latentia.models import GaussianMixture as Mixture
from latentia.models import LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized

RESULTS = Path(__file__).parents[1] / "results" / "speed_whole.md"
Jobs = dict[str, Callable[[], Any]]


def clock(jobs: Jobs, rounds: int) -> dict[str, list[float]]:
    """Seconds of each job in each round."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    names = list(jobs)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            jobs[name]()
            found[name].append(time.perf_counter() - start)
    return found


def lines(title: str, found: dict[str, list[float]], to: str) -> list[str]:
    """A table of seconds and ratios."""
    out = [f"## {title}", "", f"| | seconds | ratio to {to} | spread |", "|---|---|---|---|"]
    for name, values in found.items():
        each = [a / b for a, b in zip(values, found[to])]
        out.append(
            f"| {name} | {statistics.median(values):.3f} | {statistics.median(each):.2f} | {min(each):.2f} to {max(each):.2f} |"
        )
    return [*out, ""]


def evidence_jobs(rows: int = 100, samples: int = 1000) -> Jobs:
    """Importance evidence with the 784-200-200-50 net, and its matrix products alone."""
    x = torch.from_numpy(images(rows))
    model = LatentVariableModel(
        StandardNormal(50), Conditional(MLP(50, PIXELS, (200, 200), "tanh"), Bernoulli((PIXELS,)), (50,))
    )
    encoder = MLP(PIXELS, 100, (200, 200), "tanh")
    q = Amortized(Conditional(encoder, Normal((50,)), (PIXELS,), joint=True))
    weights = [torch.randn(a, b) for a, b in ((50, 200), (200, 200), (200, PIXELS))]

    def products() -> None:
        with torch.no_grad():
            h = torch.randn(rows * 100, 50)
            for _ in range(samples // 100):
                y = h
                for w in weights:
                    y = y @ w

    jobs: Jobs = {
        "matrix products alone": products,
        "latentia": lambda: evidence.importance(model, q, x, n_samples=samples),
    }
    if importlib.util.find_spec("pythae") is not None:
        jobs["pythae"] = pythae_nll(x, samples)
    return jobs


def pythae_nll(x: torch.Tensor, samples: int) -> Callable[[], Any]:
    """Pythae's `get_nll` with networks of the same sizes."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = MLP(PIXELS, 100, (200, 200), "tanh")

        def forward(self, rows: torch.Tensor) -> Any:
            loc, log_variance = self.net(rows.reshape(len(rows), -1)).chunk(2, -1)
            return ModelOutput(embedding=loc, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = MLP(50, PIXELS, (200, 200), "tanh")

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    config = VAEConfig(input_dim=(PIXELS,), latent_dim=50, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder())

    def run() -> None:
        with torch.no_grad():
            model.get_nll(x, n_samples=samples, batch_size=100)

    return run


def mixture_jobs(rows: int = 100_000, k: int = 10, d: int = 20, passes: int = 20) -> Jobs:
    """Twenty passes of EM for a full-covariance mixture."""
    from sklearn.mixture import GaussianMixture as Theirs

    x = np.random.default_rng(0).normal(size=(rows, d)) + np.random.default_rng(1).normal(size=(k, d)).repeat(
        rows // k, 0
    )
    ours = GaussianMixture(k, max_epochs=passes, tol=0, start="random", random_state=0)
    theirs = Theirs(k, max_iter=passes, tol=0, init_params="random_from_data", random_state=0)
    return {"scikit-learn": quietly(lambda: theirs.fit(x)), "latentia": lambda: ours.fit(x)}


def factor_jobs(rows: int = 50_000, d: int = 50, passes: int = 20) -> Jobs:
    """Twenty passes of EM for factor analysis."""
    from sklearn.decomposition import FactorAnalysis as Theirs

    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 5)) @ rng.normal(size=(5, d)) + rng.normal(size=(rows, d))
    ours = FactorAnalysis(5, max_epochs=passes, tol=0, random_state=0)
    theirs = Theirs(5, max_iter=passes, tol=1e-30, svd_method="lapack")
    return {"scikit-learn": quietly(lambda: theirs.fit(x)), "latentia": lambda: ours.fit(x)}


def quietly(job: Callable[[], Any]) -> Callable[[], Any]:
    """Without the warning that it has not converged: that is asked for."""
    import warnings

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            job()

    return run


def start_jobs() -> Jobs:
    """Processes that start and end."""
    run = lambda code: lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: E731
    command = [str(Path(sys.executable).parent / "latentia"), "--help"]
    return {
        "import torch": run("import torch"),
        "import latentia": run("import latentia"),
        "import torch, latentia; latentia.VAE": run("import torch, latentia; latentia.VAE"),
        "latentia --help": lambda: subprocess.run(command, check=True, capture_output=True),
    }


def growth(largest: int) -> list[str]:
    """Seconds of EM and of evidence over rows, and the exponent fitted to them."""
    sizes = [10**i for i in range(4, round(math.log10(largest)) + 1)]
    out = ["## Growth with rows", "", "| | " + " | ".join(f"{n:.0e}" for n in sizes) + " | exponent |"]
    out.append("|---" * (len(sizes) + 2) + "|")
    for name, job in (("EM, mixture of 4 in 4 columns, 3 passes", em_pass), ("exact evidence, PPCA", exact_evidence)):
        job(sizes[0])
        seconds = [min(job(n) for _ in range(3 if n < 10**7 else 1)) for n in sizes]
        slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        out.append(f"| {name} | " + " | ".join(f"{s:.3f}" for s in seconds) + f" | {slope:.3f} |")
    return [*out, ""]


def em_pass(rows: int) -> float:
    """Seconds of three passes."""
    x = torch.randn(rows, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    learner, model = ExactEM(start="random", max_iter=3, tol=0), Mixture(4, 4)
    batches = TensorBatches(x, batch_size=4096, dtype=torch.float64)
    state = learner.init(model, batches)
    start = time.perf_counter()
    for _ in range(3):
        state, _ = learner.step(model, batches, state)
    return time.perf_counter() - start


def exact_evidence(rows: int) -> float:
    """Seconds of log p(x) in closed form."""
    x = torch.randn(rows, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = ProbabilisticPCA(4, 2)
    start = time.perf_counter()
    evidence.exact(model, x)
    return time.perf_counter() - start


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--largest", type=float, default=1e7, help="rows of the growth table")
    asked = parser.parse_args()
    out = [
        "# Whole jobs",
        "",
        "`python benchmarks/speed/whole.py`.",
        "",
        f"Machine: {machine()}; {asked.rounds} rounds.",
        "",
    ]
    out += lines(
        "Importance evidence, 784-200-200-50, 100 rows x 1,000 samples",
        clock(evidence_jobs(), asked.rounds),
        "matrix products alone",
    )
    out += lines(
        "EM, mixture: 100,000 x 20, 10 components, 20 passes", clock(mixture_jobs(), asked.rounds), "scikit-learn"
    )
    out += lines(
        "EM, factor analysis: 50,000 x 50, 5 factors, 20 passes", clock(factor_jobs(), asked.rounds), "scikit-learn"
    )
    out += lines("Start-up", clock(start_jobs(), asked.rounds), "import torch")
    out += growth(int(asked.largest))
    text = "\n".join(out)
    print(text)
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
