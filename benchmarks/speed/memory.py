"""Peak memory of a fit beyond its data and parameters: `python benchmarks/speed/memory.py`.

Each workload is a process of its own. Counted is what the process needed at most during the fit, less what it had with the
libraries imported and the data in memory, less the parameters with their gradients and moments (four numbers each).
Writes results/memory.md.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from common import images, machine

RESULTS = Path(__file__).parents[1] / "results" / "memory.md"
GRADIENT = {"likelihood": "bernoulli", "batch_size": 100, "max_epochs": 3, "device": "cpu", "random_state": 0}
WORKLOADS: dict[str, tuple[str, dict[str, Any]]] = {
    "VAE, MLP 784-500-20, batches of 100": ("VAE", {"n_latent": 20, "hidden": (500,), **GRADIENT}),
    "the same, batches of 2,000": ("VAE", {"n_latent": 20, "hidden": (500,), **GRADIENT, "batch_size": 2000}),
    "VAE, convolutional, batches of 100": (
        "VAE",
        {"n_latent": 20, "network": "conv", "image_shape": (28, 28), "hidden": (128,), **GRADIENT, "max_epochs": 2},
    ),
    "importance-weighted, 50 samples": (
        "VAE",
        {
            "n_latent": 20,
            "hidden": (500,),
            "bound": "importance-weighted",
            "n_samples": 50,
            **GRADIENT,
            "max_epochs": 2,
        },
    ),
    "mixture of 10, EM": ("GaussianMixture", {"n_components": 10, "covariance": "diag", "max_epochs": 3}),
    "probabilistic PCA, EM": ("ProbabilisticPCA", {"n_latent": 20, "learner": "exact-em", "max_epochs": 3}),
}
ROWS = 5_000


def peak() -> float:
    """Megabytes that this process needed at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def child(name: str) -> dict[str, float]:
    """Megabytes of one workload."""
    import latentia

    cls, options = WORKLOADS[name]
    x = images(ROWS)
    if cls != "VAE":
        import numpy as np

        x = x + 0.1 * np.random.default_rng(0).normal(size=x.shape)
    estimator = getattr(latentia, cls)(**options)
    before = peak()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(x)
    modules = (estimator.model_, estimator.posterior_)
    parameters = sum(p.numel() for module in modules for p in module.parameters())
    held = 4 * 4 * parameters / 2**20 if cls == "VAE" else 8 * parameters / 2**20
    return {"data": x.nbytes / 2**20, "parameters": held, "beyond": peak() - before - held}


def main() -> None:
    """Measure each in its own process, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", choices=WORKLOADS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(asked.child)))
        return
    lines = [
        "# Peak memory",
        "",
        f"`python benchmarks/speed/memory.py`, {ROWS:,} rows of 784 columns, {platform.system()}; {machine()}.",
        "",
        "| workload | data, MB | parameters, gradients, moments, MB | beyond them at most, MB |",
        "|---|---|---|---|",
    ]
    for name in WORKLOADS:
        command = [sys.executable, __file__, "--child", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        lines.append(f"| {name} | {found['data']:.0f} | {found['parameters']:.0f} | {found['beyond']:.0f} |")
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
