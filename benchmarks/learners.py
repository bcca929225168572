"""Every learner on the same models for the same processor time: `python benchmarks/learners.py`, writes results/learners.md.

Three data sets, a VAE each: digits (8 x 8, as bits), the breast-cancer table (30 real columns) and every twentieth image of
static MNIST, 2,500 of them. Each learner has the same seconds of processor time (a machine may be shared), stopped
at the end of an epoch. A fifth of the rows is kept aside and judged once, by the importance-weighted bound of 100 samples and
the ELBO of 64; 15 % of the others are held out by the fit, which keeps the weights of the best bound on them.
"""

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from latentia import VAE
from latentia.data import load

RESULTS = Path(__file__).parent / "results" / "learners.md"
HEAD = (
    "# Every learner for the same processor time\n\nMade by `python benchmarks/learners.py`; nats per held-out row.\n"
)
LEARNERS: dict[str, dict[str, Any]] = {
    "amortized": {},
    "semi-amortized": {"learner_options": {"n_steps": 5}},
    "aggressive": {"learner_options": {"max_inner": 20, "mi_every": 20}},
    "svi": {},
    "wake-sleep": {},
    "reweighted-wake-sleep": {},
    "monte-carlo-em": {},
}


def data() -> dict[str, Callable[[], tuple[np.ndarray, dict[str, Any]]]]:
    """Rows and what the model of them is."""

    def table() -> np.ndarray:
        x = load_breast_cancer().data
        return (x - x.mean(0)) / x.std(0)

    return {
        "digits, bits": lambda: ((load_digits().data > 7.5).astype(np.float32), {"n_latent": 8, "hidden": (128,)}),
        "breast cancer": lambda: (table(), {"n_latent": 4, "hidden": (64,), "scale": "none"}),
        "static MNIST, 2,500": lambda: (load("mnist_static").x[::20], {"n_latent": 16, "hidden": (200,)}),
    }


class Watch:
    """Stops at the end of an epoch when the processor time is up, and remembers what the learner keeps per row."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.begun = seconds, time.process_time()
        self.per_row, self.used = 0.0, 0.0

    def __call__(self, loop: Any) -> bool:
        rows = loop.state.handles.get("rows")
        if rows is not None:
            self.per_row = rows.values.nbytes / len(rows.values)
        self.used = time.process_time() - self.begun
        return self.used >= self.seconds


def measured(name: str, rows: np.ndarray, make: dict[str, Any], seconds: float) -> str:
    """One line of the table."""
    order = np.random.default_rng(0).permutation(len(rows))
    test, train = rows[order[: len(rows) // 5]][: 300 if rows.shape[1] > 100 else 500], rows[order[len(rows) // 5 :]]
    options = {"max_epochs": 100_000, "validation_fraction": 0.15, "patience": None, "device": "cpu", "random_state": 0}
    model, watch = VAE(learner=name, **make, **LEARNERS[name], **options), Watch(seconds)
    model.fit(train, callbacks=[watch])
    tight, loose = (model.evidence(test, how, k).mean for how, k in (("importance", 100), ("elbo", 64)))
    fit = model.fit_
    best = max((row for row in fit.history if row["split"] == "validation"), key=lambda row: row["bound"])["epoch"]
    return f"| {name} | {tight:.2f} | {loose:.2f} | {watch.used:.1f} | {fit.epochs} | {best} | {fit.steps} | {watch.per_row:.0f} |"


def section(title: str, rows: np.ndarray, make: dict[str, Any], seconds: float) -> str:
    """The table of one data set, with the command and the machine that made it."""
    head = (
        "| learner | log p(x) >= (100 samples) | ELBO | seconds | epochs | of which kept | steps | bytes kept per row |"
    )
    lines = [f"## {title}", "", head, "|---|---|---|---|---|---|---|---|"]
    for name in LEARNERS:
        lines.append(measured(name, rows, make, seconds))
        print(title, lines[-1], flush=True)
    where = f"{os.cpu_count()} cores, shared, 1 thread, {platform.machine()}, torch {torch.__version__}"
    return "\n".join(
        [*lines, "", f"{seconds:g} seconds of processor time each; {where}, {time.strftime('%Y-%m-%d')}.", ""]
    )


def main() -> None:
    """Measure and write the table; sections that were not measured now stay."""
    every = data()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of processor time for each fit")
    parser.add_argument("--only", choices=tuple(every), help="one data set")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    torch.set_num_threads(1)
    there = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    found = {part.splitlines()[0]: "## " + part.rstrip() + "\n" for part in there.split("## ")[1:]}
    for title, make in every.items():
        if asked.only in (None, title):
            found[title] = section(title, *make(), asked.seconds)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join([HEAD, *(found[title] for title in every if title in found)]), encoding="utf-8")


if __name__ == "__main__":
    main()
