"""One generator network learnt by a bound, by a game and by both, on MNIST: samples, distances, log p(x).

    python benchmarks/gan_mnist.py --folder /tmp/gan-mnist             # about 20 minutes on one core
    python benchmarks/gan_mnist.py --folder /tmp/gan-mnist --rows 2000 --epochs 1   # a try

The network is z (32) -> 256 -> 256 -> 784 -> sigmoid, in all three: the mean of a normal likelihood of one learnt scale
(VAE, stopped early on its held-out bound), the whole model (GAN), and the first again with a critic of its means beside the
bound. Compared are 10,000 draws of E[x|z] with the 10,000 test images: samples of the VAE proper carry its noise, which would
decide about every distance. Features: the last hidden layer of a classifier trained here on the training labels. log p(x) is
annealed importance sampling of some test images at one stated noise, the same for all; the models' own noise is left aside.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import latentia
from latentia.conditional import Conditional
from latentia.data import load
from latentia.evidence import annealed, features, frechet_distance, kernel_distance, neighbourhood
from latentia.explore.image_plots import grids_chart
from latentia.explore.style import png
from latentia.families import Normal
from latentia.fitted import Fit
from latentia.learn import Adversarial, AmortizedVI, Schedule
from latentia.models import Generator, LatentVariableModel, StandardNormal, means_of, with_noise
from latentia.networks import MLP, Critic
from latentia.posteriors import Amortized
from latentia.scaling import Scaling

HERE = Path(__file__).parent
RESULTS, PICTURE = HERE / "results" / "gan_mnist.md", HERE.parent / "docs" / "images" / "adversarial_mnist.png"
LATENT, HIDDEN, PIXELS, NOISE = 32, (256, 256), 784, 0.1
STOPPED_BY = 500  # epochs in which the VAE, learnt at a constant rate, has stopped early
SCALE = {"loc": 0.0, "scale": 255.0, "text": "0..255 to [0, 1]"}
NAMES = {"vae": "bound (VAE)", "gan": "game (GAN)", "both": "both (VAE-GAN)"}


def network() -> nn.Module:
    """The generator's network, the same for all."""
    return nn.Sequential(MLP(LATENT, PIXELS, HIDDEN), nn.Sigmoid())


def vae() -> tuple[LatentVariableModel, Amortized]:
    """Its network as the mean of a normal likelihood, and an encoder."""
    p = Conditional(network(), Normal((PIXELS,), scale="one", floor=0.01), (LATENT,))
    q = Conditional(MLP(PIXELS, 2 * LATENT, HIDDEN), Normal((LATENT,)), (PIXELS,), joint=True)
    return LatentVariableModel(StandardNormal(LATENT), p, Scaling(**SCALE)), Amortized(q)


def make(kind: str, steps: int) -> tuple[Any, Any, dict[str, Any]]:
    """Model, learner and options of the fit."""
    torch.manual_seed(0)
    schedule = Schedule("cosine", n_steps=steps)
    game: dict[str, Any] = {"r1": 1.0, "learning_rate": 1e-3, "schedule": schedule}
    if kind == "gan":
        model = Generator(StandardNormal(LATENT), network(), (PIXELS,), Scaling(**SCALE))
        return model, Adversarial(Critic(PIXELS, HIDDEN), **game), {}
    model, q = vae()
    if kind == "vae":
        return model, AmortizedVI(q, learning_rate=1e-3), {"patience": 5, "max_epochs": STOPPED_BY}
    who = Adversarial(Critic(PIXELS, HIDDEN), posterior=q, judged="means", game_weight=300.0, average=0.999, **game)
    return model, who, {"restore_best": False}


def fit(kind: str, x: np.ndarray, held_out: np.ndarray, folder: Path, epochs: int, seconds: float | None) -> Any:
    """The model, learnt, or read from the folder if it is there."""
    steps = epochs * -(-len(x) // 128)
    model, who, options = make(kind, steps)
    target, begun = folder / kind, time.process_time()
    if not (target / "run.json").is_file():
        limits = {"max_epochs": epochs, "max_time": seconds, "batch_size": 128, "seed": 0, "device": "cpu"}
        show = lambda now: print(f"\r{kind} {now.epoch}/{now.epochs}", end="", flush=True)  # noqa: E731
        options = {**limits, **options}
        found = latentia.fit(
            model, who, torch.as_tensor(x), validation=torch.as_tensor(held_out), progress=show, **options
        )
        found.save(target, processor_seconds=time.process_time() - begun)
        print(f"\n{kind}: {found.status}")
    return model, Fit.load(target, model, who.posterior)


def measure(model: Any, x: np.ndarray, learnt: Any, asked: argparse.Namespace) -> dict[str, Any]:
    """Distances of draws of E[x|z] from the test images, and log p(x) at the stated noise."""
    plain = means_of(model)
    torch.manual_seed(1)
    drawn = plain.sample(len(x)).numpy()
    real, fake = learnt(x), learnt(drawn)
    near = neighbourhood(real, fake) if asked.neighbours else None
    noisy = with_noise(plain, NOISE).requires_grad_(False)
    few = torch.as_tensor(x[:: len(x) // asked.evidence_rows][: asked.evidence_rows].astype(np.float32))
    estimate = annealed(noisy, None, few, n_samples=asked.chains, n_steps=asked.temperatures, seed=0)
    found = {"drawn": drawn[:48], "frechet": frechet_distance(real, fake), "kernel": kernel_distance(real, fake)}
    return {**found, "near": near, "log_prob": estimate}


def table(rows: dict[str, dict[str, Any]], learnt: Any, asked: argparse.Namespace, fits: dict[str, Fit]) -> str:
    """The results as a page."""
    lines = [
        "# One generator network, learnt by a bound, by a game and by both: MNIST\n",
        f"Made by `python benchmarks/gan_mnist.py` with {asked.rows:,} training images on one core ({os.cpu_count()} in the machine, "
        f"shared with other work); seed 0. Distances: 10,000 draws of E[x|z] beside the 10,000 test images, features {learnt.name}. "
        f"log p(x): annealed importance sampling of {asked.evidence_rows} test images at noise {NOISE:g} of the unit range, "
        f"{asked.chains} chains, {asked.temperatures} temperatures, nats per image as a density of the 0..255 units. It stands for the "
        "network with that noise, and for no model's own; few temperatures make it a loose bound.\n",
        "| learnt by | Frechet distance | kernel distance | precision | recall | coverage | log p(x) | ± over images | how it ended |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, row in rows.items():
        e, near = row["log_prob"], row["near"]
        names = ("precision", "recall", "coverage")
        shares = " | ".join("not measured" if near is None else f"{getattr(near, name):.3f}" for name in names)
        lines.append(
            f"| {NAMES[kind]} | {row['frechet']:.2f} | {row['kernel'].value:.1f} ± {row['kernel'].error:.1f} | {shares} "
            f"| >= {e.mean:.1f} | {e.row_error:.1f} | {fits[kind].status} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Learn, measure, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the runs; those that are there are used")
    parser.add_argument("--rows", type=int, default=60_000, help="training images")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--max-time", type=float, help="seconds a fit")
    parser.add_argument("--evidence-rows", type=int, default=50)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--temperatures", type=int, default=300)
    parser.add_argument("--neighbours", action="store_true", help="precision, recall and coverage too: a minute each")
    parser.add_argument("--only", choices=tuple(NAMES), help="learn this one, and measure nothing")
    parser.add_argument("--kinds", nargs="+", choices=tuple(NAMES), default=list(NAMES), help="those to compare")
    asked = parser.parse_args()
    train = load("mnist")
    n_held_out = max(100, asked.rows // 20)
    x = train.x[: asked.rows].astype(np.float32)
    held_out, x = x[-n_held_out:], x[:-n_held_out]
    kinds = (asked.only,) if asked.only else tuple(asked.kinds)
    found = {kind: fit(kind, x, held_out, asked.folder, asked.epochs, asked.max_time) for kind in kinds}
    if asked.only:
        return
    learnt = features("classifier", train.x[: asked.rows], label=train.label[: asked.rows], image_shape=(28, 28))
    test = load("mnist", split="test").x[:10_000]
    rows = {kind: measure(model, test, learnt, asked) for kind, (model, _) in found.items()}
    RESULTS.write_text(table(rows, learnt, asked, {kind: kept for kind, (_, kept) in found.items()}), encoding="utf-8")
    grids = [(NAMES[kind], row["drawn"]) for kind, row in rows.items()]
    PICTURE.write_bytes(png(grids_chart(grids, (28, 28), (0.0, 255.0), 8)))
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
