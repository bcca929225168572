"""SVI with a million rows, each with parameters of its own: `python benchmarks/svi_million.py`, writes results/svi_million.md.

Rows of a factor model (10 columns, 3 factors), float32; a full-covariance q for each row. After each epoch: the bound (its mean
over the epoch), exact log p(x) of the model as it stands, rows per second, bytes that the learner keeps per row, and the
largest memory of the process.
"""

import argparse
import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import torch

import latentia
from latentia.bounds import Elbo
from latentia.families import FullNormal
from latentia.learn import SVI
from latentia.models import FactorAnalysis
from latentia.posteriors import Local

RESULTS = Path(__file__).parent / "results" / "svi_million.md"
COLUMNS, LATENT = 10, 3


def rows(n: int) -> torch.Tensor:
    """Draws of a factor model."""
    generator = torch.Generator().manual_seed(0)
    z, w = torch.randn(n, LATENT, generator=generator), torch.randn(LATENT, COLUMNS, generator=generator)
    return (z @ w).add_(torch.randn(n, COLUMNS, generator=generator), alpha=0.5)


class Watch:
    """What the learner keeps per row, read while it runs."""

    per_row = 0.0

    def __call__(self, loop: Any) -> None:
        table = loop.state.handles["rows"]
        self.per_row = table.values.nbytes / len(table.values)


def main() -> None:
    """Learn for some epochs and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, model, watch = rows(asked.rows), FactorAnalysis(COLUMNS, LATENT), Watch()
    bound = Elbo(1, gradient="sticking-the-landing")
    learner = SVI(Local(FullNormal((LATENT,))), bound=bound, learning_rate=0.02, row_steps=5)
    options: dict[str, Any] = {"max_epochs": asked.epochs, "batch_size": 20_000, "device": "cpu", "callbacks": [watch]}
    begun = time.process_time()
    fit = latentia.fit(model, learner, x, **options)
    used = time.process_time() - begun
    lines = [
        "# SVI with a million rows",
        "",
        f"`python benchmarks/svi_million.py --rows {asked.rows} --epochs {asked.epochs}`.",
        "",
    ]
    lines += ["| epoch | bound, mean of the epoch | exact log p(x) at its end | rows per second |", "|---|---|---|---|"]
    for row in fit.history:
        lines.append(f"| {row['epoch']} | {row['bound']:.3f} | {row['log_prob']:.3f} | {row['rows_per_second']:,.0f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    where = f"{os.cpu_count()} cores, shared, 1 thread, {platform.machine()}, torch {torch.__version__}"
    lines += [
        "",
        f"{asked.rows:,} rows; {watch.per_row:.0f} bytes kept per row (9 numbers of q, twice as many moments, a count); "
        f"{used:.0f} seconds of processor time, {asked.rows * asked.epochs / used:,.0f} rows per second of it; largest memory "
        f"{peak:.2f} GiB; {where}.",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
