"""Training steps side by side: `python benchmarks/speed/run.py [--rounds 7] [--only mlp,importance,conv]`.

Contenders alternate within a round; what is claimed are ratios within rounds. Peers that are not installed are left out.
"""

import argparse
import importlib.util
from pathlib import Path

import ours
import peers
import plain
import torch
from common import BATCH, Contender, alternate, images, machine, table

RESULTS = Path(__file__).parents[1] / "results"
HEAD = [
    "# Training steps",
    "",
    "`make bench`, or `python benchmarks/speed/run.py`: milliseconds per step of 100 rows inside each library's own training",
    "loop, static MNIST; contenders alternate within a round, ratios are taken within rounds (median, and the",
    "spread over rounds). Ours is `VAE.fit` into a run folder: checks, history, progress, checkpoints. Warm-up (220 steps:",
    "recording, compilation) is left out for all.",
    "",
]


def workloads() -> dict[str, tuple[str, list[Contender], int]]:
    """Title, contenders and rows of each."""
    mlp = [
        Contender("hand-written loop", plain.loop),
        Contender("latentia", ours.mlp),
        Contender("latentia, eager", ours.eager),
        Contender("matrix products alone", plain.floor),
        Contender("fused Adam alone", plain.adam),
    ]
    for name, run in (("pythae", peers.pythae), ("pyro", peers.pyro), ("numpyro", peers.numpyro)):
        if importlib.util.find_spec(name) is not None:
            mlp.append(Contender(name, run))
    importance = [Contender("hand-written loop", plain.importance_loop), Contender("latentia", ours.importance)]
    conv = [Contender("hand-written loop", plain.conv_loop), Contender("latentia", ours.conv)]
    return {
        "mlp": ("MLP VAE 784-500-20, Bernoulli", mlp, 20_000),
        "importance": ("the same with the importance-weighted bound, k = 50", importance, 1_000),
        "conv": ("convolutional VAE", conv, 2_000),
    }


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="mlp,importance,conv")
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    about = f"Machine: {machine()}; {asked.rounds} rounds."
    RESULTS.mkdir(exist_ok=True)
    for name, (title, contenders, rows) in workloads().items():
        if name not in asked.only.split(","):
            continue
        found = alternate(contenders, images(rows), asked.rounds)
        text = "\n".join([*HEAD, about, "", *table(title, found, rows // BATCH, "ms per step", "hand-written loop")])
        print(text)
        (RESULTS / f"speed_{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
