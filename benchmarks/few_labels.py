"""Accuracy against the number of labels on MNIST, by what the classifier is shown.

    python benchmarks/few_labels.py                    # about a quarter of an hour on one quiet core
    python benchmarks/few_labels.py --rows 10000 --epochs 10 --draws 10

Encoders learn from the images of the training part without labels; then the same classifiers are fitted, in a pipeline, to
10, 100, 1,000 or all labelled images, shown as raw pixels, principal components, codes of an autoencoder, of a denoising autoencoder or
means of a VAE, and to fine-tuned encoders. Labels are drawn in equal numbers per class, anew in each draw; the error is the standard
error of the mean over draws. Accuracy is on the 10,000 test images. A kernel machine of 60,000 raw images is left out unless
--kernel-on-pixels asks for it: it alone takes as long as all the rest. Writes results/few_labels.md.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from latentia import VAE, Autoencoder, DenoisingAutoencoder, LinearAutoencoder
from latentia.data import load

RESULTS = Path(__file__).parent / "results" / "few_labels.md"
K = 30
# The share of pixels masked, the size 10 and the kernel without a scaler were chosen on 3,000 images of the training part.
SHARE = 0.6
SLOW = 20_000 * 784  # cells of a kernel machine
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "nearest neighbour": lambda: KNeighborsClassifier(1),
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300)),
    "RBF machine": lambda: SVC(C=10.0),  # a scaler would cost raw pixels ten points, and codes nothing
}


def encoders(asked: argparse.Namespace) -> dict[str, Any]:
    """What learns without labels."""
    common: dict[str, Any] = {"hidden": (500, 250), "max_epochs": asked.epochs, "schedule": "cosine", "device": "cpu"}
    common |= {"validation_fraction": 0, "random_state": asked.seed, "batch_size": 128}
    return {
        "principal components": LinearAutoencoder(K),
        "autoencoder": Autoencoder(K, **common),
        "denoising autoencoder": DenoisingAutoencoder(K, corruption="masking", corruption_share=SHARE, **common),
        "denoising autoencoder, 10 numbers": DenoisingAutoencoder(
            10, corruption="masking", corruption_share=SHARE, **common
        ),
        "VAE": VAE(K, likelihood="cross-entropy", **common),
    }


def balanced(labels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of n rows, as many of each class."""
    each = n // 10
    return np.concatenate([rng.choice(np.flatnonzero(labels == digit), each, replace=False) for digit in range(10)])


def accuracies(
    make: Callable[[], Any], train: Any, test: Any, labels: Any, truth: Any, draws: list[np.ndarray]
) -> np.ndarray:
    """Of a classifier fitted to each draw of rows."""
    return np.array([make().fit(train[rows], labels[rows]).score(test, truth) for rows in draws])


def stated(values: np.ndarray) -> str:
    """Mean in per cent, and its standard error; a dash where nothing was measured."""
    if not len(values):
        return "–"
    error = f" ± {100 * values.std(ddof=1) / len(values) ** 0.5:.1f}" if len(values) > 1 else ""
    return f"{100 * values.mean():.1f}{error}"


def main() -> None:
    """Learn, encode, classify, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000, help="training images that encoders learn from")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--test", type=int, default=10_000, help="test images")
    parser.add_argument("--labels", default="10,100,1000,all")
    parser.add_argument("--kernel-on-pixels", action="store_true", help="also where it is slow")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*columns are constant")
    train, test = load("mnist"), load("mnist", split="test")
    rng = np.random.default_rng(asked.seed)
    x, y = train.x[: asked.rows], np.asarray(train.label)[: asked.rows].astype(int)
    fresh, truth = test.x[: asked.test], np.asarray(test.label)[: asked.test].astype(int)
    sizes = [len(x) if size == "all" else int(size) for size in asked.labels.split(",")]
    draws = {n: [np.arange(n)] if n == len(x) else [balanced(y, n, rng) for _ in range(asked.draws)] for n in sizes}
    views, seconds, tuned = {"raw pixels": (x / 255.0, fresh / 255.0)}, {"raw pixels": 0.0}, {}
    for name, model in encoders(asked).items():
        begun = time.perf_counter()
        model.fit(x)
        views[name] = (model.transform(x), model.transform(fresh))
        seconds[name] = time.perf_counter() - begun
        print(f"{name}: {seconds[name]:.0f} s", flush=True)
        if hasattr(model, "fine_tune"):
            tuned[f"{name}, fine-tuned"] = model
    lines = _head(asked, len(x), seconds)
    for name, (codes, fresh_codes) in views.items():
        for title, make in CLASSIFIERS.items():
            slow = lambda n: "RBF" in title and n * codes.shape[1] > SLOW and not asked.kernel_on_pixels  # noqa: B023, E731
            some = [[] if slow(n) else draws[n] for n in sizes]
            found = [stated(accuracies(make, codes, fresh_codes, y, truth, rows)) for rows in some]
            lines.append(f"| {name} | {title} | {' | '.join(found)} |")
            print(lines[-1], flush=True)
    for name, model in tuned.items():
        lines.append(
            f"| {name} | linear head | {' | '.join(_fine_tuned(model, x, y, fresh, truth, draws[n]) for n in sizes)} |"
        )
        print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _head(asked: argparse.Namespace, n: int, seconds: dict[str, float]) -> list[str]:
    command = f"python benchmarks/few_labels.py --rows {asked.rows} --epochs {asked.epochs} --draws {asked.draws} --labels {asked.labels}"
    command += f" --test {asked.test}"
    sizes = ["all" if size == "all" else f"{int(size):,}" for size in asked.labels.split(",")]
    took = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items() if value)
    return [
        "# Accuracy (per cent, test) against the number of labels, MNIST",
        "",
        f"Made by `{command}`. Mean over {asked.draws} draws of the labelled images ± its standard error; codes of {K} numbers unless another is said, learnt "
        f"from {n:,} images without labels on a shared machine of {os.cpu_count()} cores ({took}); {asked.test:,} test images; a dash was left out.",
        "",
        f"| shown | classifier | {' | '.join(f'{size} labels' for size in sizes)} |",
        "|---|---|" + "---|" * len(sizes),
    ]


def _fine_tuned(model: Any, x: Any, y: Any, fresh: Any, truth: Any, draws: list[np.ndarray]) -> str:
    few = len(draws[0]) <= 1000
    options = {"max_epochs": 40 if few else 3, "batch_size": 20 if few else 128, "learning_rate": 1e-3}
    return stated(np.array([model.fine_tune(x[rows], y[rows], **options).score(fresh, truth) for rows in draws]))


if __name__ == "__main__":
    main()
