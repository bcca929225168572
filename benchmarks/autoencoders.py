"""Autoencoders against published numbers.

    python benchmarks/autoencoders.py pca              # PCA and a linear autoencoder learnt by gradient, MNIST, k = 30
    python benchmarks/autoencoders.py deep             # 784-1000-500-250-30, ten minutes
    python benchmarks/autoencoders.py logistic         # logistic PCA, k = 30
    python benchmarks/autoencoders.py axes             # which linear autoencoders find the principal axes, k = 20
    python benchmarks/autoencoders.py linear-vae       # the linear VAE's ELBO beside the closed form, k = 20
    python benchmarks/autoencoders.py score            # a denoising autoencoder's score beside the true one
    python benchmarks/autoencoders.py streamed         # singular values of a matrix that does not fit into its allowance

Squared errors are per image, pixels in [0, 1], on the 10,000 test images of MNIST, learnt from the 60,000 training images. Each part
writes its table to results/autoencoders_<part>.md.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentia import Autoencoder, LinearAutoencoder, LogisticPCA
from latentia.data import load
from latentia.reproduce.autoencoders import axis_distances

RESULTS = Path(__file__).parent / "results"
PUBLISHED = {"pca": 13.87, "logistic": 8.01, "deep": 3.00, "linear-vae": 299.758}


def write(part: str, title: str, lines: list[str]) -> None:
    """A table with the command that made it and the machine it was made on."""
    machine = f"{os.cpu_count()} cores (shared), {torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}"
    command = " ".join(["python benchmarks/autoencoders.py", *sys.argv[1:]])
    text = "\n".join([f"# {title}", "", f"Made by `{command}`; {machine}.", "", *lines, ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"autoencoders_{part.replace('-', '_')}.md").write_text(text, encoding="utf-8")
    print(text)


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """Training and test images, bytes."""
    return load("mnist").x, load("mnist", split="test").x


def unit(x: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1]."""
    return x.astype(np.float32) / 255


def stated(errors: np.ndarray) -> str:
    """Mean and standard error over rows."""
    return f"{errors.mean():.3f} | {errors.std(ddof=1) / len(errors) ** 0.5:.3f}"


def pca(asked: argparse.Namespace) -> None:
    """Line 1: the closed form and the gradient."""
    train, test = map(unit, mnist())
    lines = ["| model | squared error | error over rows | seconds | published |", "|---|---|---|---|---|"]
    variants = {"closed-form": {}, "plain": {"max_epochs": 20}, "rotation": {"max_epochs": 20}}
    for learner, options in variants.items():
        begun = time.perf_counter()
        model = LinearAutoencoder(30, learner=learner, random_state=asked.seed, **options).fit(train)
        seconds = time.perf_counter() - begun
        errors = model.reconstruction_error(test)
        lines.append(f"| linear, {learner} | {stated(errors)} | {seconds:.0f} | {PUBLISHED['pca']} (PCA) |")
        if learner == "closed-form":
            left = -2 * model.score(train) - 784 * np.log(2 * np.pi)
            gap = model.total_variance_ - model.explained_variance_.sum() - left
            lines.append(f"| total variance less explained less the error (train) | {gap:.1e} | | | 0 |")
    write("pca", "30 principal components of MNIST", lines)


def affordable(make: Callable[[int], Any], train: np.ndarray, seconds: float) -> int:
    """Epochs that fit into the time, by the quicker of two that are timed."""
    begun, ends = time.perf_counter(), []
    make(2).fit(train, callbacks=[lambda loop: ends.append(time.perf_counter())])
    return max(1, int(0.97 * (seconds - (ends[-1] - begun)) / min(ends[0] - begun, ends[1] - ends[0])))


def deep(asked: argparse.Namespace) -> None:
    """Line 1: the deep autoencoder, within a time."""
    train, test = mnist()

    def make(epochs: int) -> Autoencoder:
        options: dict[str, Any] = {"max_epochs": epochs, "pretrain_epochs": asked.pretrain, "tied": asked.tied}
        options |= {"hidden": (1000, 500, 250), "activation": asked.activation, "batch_size": asked.batch}
        options |= {"learning_rate": 1e-3, "schedule": "cosine", "validation_fraction": 0}
        return Autoencoder(30, device=asked.device, random_state=asked.seed, **options)

    begun, worked = time.perf_counter(), time.process_time()
    epochs = asked.epochs or affordable(make, train, asked.max_time)
    model = make(epochs).fit(train, progress=show)
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    errors = model.reconstruction_error(test) / 255**2
    lines = [
        "| network | batch | epochs | squared error | error over rows | seconds | of which of a core | line | published |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    name = f"784-1000-500-250-30, {asked.activation}{', tied' * asked.tied}"
    name += f", each layer first for {asked.pretrain} epochs" if asked.pretrain else ""
    lines.append(
        f"| {name} | {asked.batch} | {epochs} | {stated(errors)} | {seconds:.0f} | {worked:.0f} | 8.01 | {PUBLISHED['deep']:.2f} |"
    )
    write("deep", "The deep autoencoder, MNIST", lines)
    model.save(RESULTS.parent.parent / "runs" / "deep_autoencoder") if asked.keep else None


def logistic(asked: argparse.Namespace) -> None:
    """Line 1: logistic PCA on grey levels."""
    train, test = map(unit, mnist())
    options: dict[str, Any] = {"learner": asked.learner, "max_time": asked.max_time, "max_epochs": asked.epochs or 1000}
    begun = time.perf_counter()
    model = LogisticPCA(30, likelihood="cross-entropy", precision="float32", random_state=asked.seed, **options)
    model.fit(train, progress=show)
    seconds = time.perf_counter() - begun
    errors = model.reconstruction_error(test)
    lines = [
        "| learner | passes | cross-entropy, nats (test) | squared error | error over rows | seconds | published |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    score = model.reconstruction(test).mean
    row = f"| {asked.learner} | {model.fit_.epochs} | {score:.3f} | {stated(errors)} | {seconds:.0f} | {PUBLISHED['logistic']} |"
    write("logistic", "Logistic PCA of grey MNIST, k = 30", [*lines, row, "", model.fit_.status])


AXES: dict[str, tuple[str, dict[str, Any]]] = {  # row of the table: learner, its options, 100 steps an epoch
    "plain": ("plain", {"max_epochs": 100}),
    "uniform L2, 0.5": ("uniform-l2", {"l2": (0.5, 0.5), "max_epochs": 100}),
    "non-uniform L2, 0.1 to 0.9": ("non-uniform-l2", {"l2": (0.1, 0.9), "max_epochs": 300}),
    "non-uniform L2, 0.1 to 0.9 of the 20th variance": ("non-uniform-l2", {"max_epochs": 300}),
    "nested dropout, sampled": ("nested-dropout", {"max_epochs": 300}),
    "nested dropout, deterministic": ("deterministic-nested-dropout", {"max_epochs": 100}),
    "rotation-augmented": ("rotation", {"max_epochs": 100}),
    "linear VAE": ("linear-vae", {"max_epochs": 300}),
}
AXES_PUBLISHED = {"uniform L2, 0.5": "0.735", "non-uniform L2, 0.1 to 0.9": "0.10 after 30,000"}
AXES_PUBLISHED |= dict.fromkeys(("rotation-augmented", "nested dropout, deterministic"), "about 0")


def axes(asked: argparse.Namespace) -> None:
    """Line 2: centred MNIST, no bias, first weights of standard deviation 0.01, full batches."""
    train = unit(mnist()[0])
    closed = LinearAutoencoder(20).fit(train)
    true, variances = closed.components_.T, closed.explained_variance_
    lines = ["| learner | gradient steps | axis distance | subspace distance | seconds | published axis distance |"]
    lines += ["|---|---|---|---|---|---|"]
    for title in asked.only.split(";") if asked.only else AXES:
        learner, options = AXES[title]
        begun = time.perf_counter()
        model = LinearAutoencoder(20, learner=learner, random_state=asked.seed, **options).fit(train)
        axis, subspace = axis_distances(true, model.components_.T)
        seconds, steps = time.perf_counter() - begun, 100 * options["max_epochs"]
        row = f"| {title} | {steps:,} | {axis:.4f} | {subspace:.1e} | {seconds:.0f} | {AXES_PUBLISHED.get(title, '')} |"
        lines.append(row)
        print(row, flush=True)
    off = int((np.linspace(0.1, 0.9, 20) > variances).sum())
    lines += ["", f"The variances along the axes fall from {variances[0]:.2f} to {variances[-1]:.2f}. A weight above the variance of its axis switches the "
              f"unit off, as {off} of the weights from 0.1 to 0.9 do: their axes are missed whatever the number of steps."]  # fmt: skip
    write("axes", "Which linear autoencoders find the principal axes, MNIST, k = 20", lines)


def linear_vae(asked: argparse.Namespace) -> None:
    """Line 3: the linear VAE's ELBO beside the closed form."""
    train = unit(mnist()[0])
    begun = time.perf_counter()
    model = LinearAutoencoder(20, learner="linear-vae", max_epochs=asked.epochs or 40, random_state=asked.seed).fit(
        train
    )
    elbo, seconds = model.fit_.history[-1]["bound"], time.perf_counter() - begun
    exact = model.evidence(train, "exact")
    lines = ["| what | nats per image | |", "|---|---|---|"]
    lines.append(f"| published maximum | {PUBLISHED['linear-vae']} | |")
    lines.append(f"| ELBO of the linear VAE, exact over all rows | >= {elbo:.3f} | {seconds:.0f} s |")
    lines.append(f"| its log p(x), exact | {exact.mean:.3f} | error over rows {exact.row_error:.3f} |")
    lines.append(f"| sigma^2 | {float(model.model_.scale[0]) ** 2:.6f} | published 0.024597 |")
    write("linear-vae", "The linear VAE is probabilistic PCA, MNIST train, k = 20", lines)


def show(now: Any) -> None:
    """A line per epoch."""
    if now.epoch_ended:
        print(f"{now.epoch}/{now.epochs} {now.bound:.3f}", flush=True)


def main() -> None:
    """One part."""
    from autoencoders_more import score, streamed

    parts = {"pca": pca, "deep": deep, "logistic": logistic, "axes": axes, "linear-vae": linear_vae}
    parts |= {"score": score, "streamed": streamed}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=tuple(parts))
    parser.add_argument("--epochs", type=int, help="instead of what fits into the time")
    parser.add_argument("--max-time", type=float, default=600, help="seconds")
    parser.add_argument("--pretrain", type=int, default=0, help="epochs of each layer (deep)")
    parser.add_argument("--tied", action="store_true", help="tied weights (deep)")
    parser.add_argument("--activation", default="gelu", help="of the deep autoencoder")
    parser.add_argument("--batch", type=int, default=64, help="rows of a batch (deep)")
    parser.add_argument("--learner", default="alternating", help="of logistic PCA")
    parser.add_argument("--only", help="rows of the table of axes, separated by semicolons")
    parser.add_argument("--columns", default="128,1024", help="of the matrices that are streamed")
    parser.add_argument("--mib", default="160,1280", help="of the matrices that are streamed; a tenth is allowed")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3, help="data sets of the score")
    parser.add_argument("--keep", action="store_true", help="save the deep autoencoder under runs/")
    asked = parser.parse_args()
    parts[asked.part](asked)


if __name__ == "__main__":
    main()
