"""Targets that are learnt by gradient: VAEs, importance weights, binary latents."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..data import load
from ..estimators import VAE
from ..evidence import active_units, importance
from ..evidence.precision import in_precision
from ..posteriors import Refined
from .base import Budget, Found, Number

FITTING = 0.7  # share of the budget that learning may take
TIMED_ROWS = 2000  # at least: several batches
LINE_STEPS = 100_000  # of binary latents: what the line is about


def static_mnist(budget: Budget) -> Found:
    """VAE 784-400-40 on static MNIST, NLL with 200 importance samples."""
    train, test = (load("mnist_static", split=split).x for split in ("train", "test"))
    options = {"hidden": (400,), "batch_size": 100, "likelihood": "bernoulli", "gradient": "sticking-the-landing"}
    model, epochs = learnt(lambda n: make(40, n, budget, **options), train, FITTING * budget.seconds)
    test = some(test, budget.rows or (10_000 if budget.minutes >= 8 else 2000))
    nll, elbo = _evidence(model, test, 200), model.evidence(test, "elbo", 16, precision="float32")
    p, first = in_precision("float32", model.model_, model.posterior_)
    better = importance(p, Refined(first, n_steps=30, n_samples=4), test, n_samples=200)
    what, published = "-log p(x), 200 importance samples", "89.9; 89.78 (Pythae)"
    numbers = [
        _negative(f"{what}, nats", published, nll, nll.mean >= -89.9 if len(test) == 10_000 else None),
        _negative(
            f"{what} of a q refined for each row, nats",
            published,
            better,
            better.mean >= -89.9 if len(test) == 10_000 else None,
        ),
        _negative("-ELBO, nats", "", elbo, None),
    ]
    differences = [
        f"{epochs} epochs (published: 500) with a cosine schedule from 1e-3 (Pythae: Adam at 1e-4)",
        "the bound's gradient without the score of q",
        "the 50,000 training images; output bias started at the logits of the pixel means",
    ]
    return Found(numbers, [*differences, *_rows(test, 10_000)])


def iwae(budget: Budget) -> Found:
    """784-200-200-50 on stochastic MNIST: k = 5 against k = 1 at equal epochs, and active units."""
    train, test = (load("mnist", split=split).x for split in ("train", "test"))
    test = torch.as_tensor(flipped(some(test, budget.rows or 500)))
    options = {
        "hidden": (200, 200),
        "activation": "tanh",
        "batch_size": 100,
        "binarize": "stochastic",
        "likelihood": "bernoulli",
    }
    five = lambda n: make(50, n, budget, **options, bound="importance-weighted", n_samples=5)  # noqa: E731
    best, epochs = learnt(five, train, 0.75 * FITTING * budget.seconds)
    plain = make(50, epochs, budget, **options).fit(train)
    published = {1: ("86.76", 19), 5: ("85.54", 22)}
    numbers, values, units = [], {}, {}
    for k, model in ((1, plain), (5, best)):
        # the estimator would flip grey pixels itself; these are flipped already
        found = importance(model.model_, model.posterior_, test, n_samples=5000)
        values[k] = found.values
        units[k] = active_units(model.model_, model.posterior_, test).n_active
        met = -found.mean <= 90.0 if k == 1 and len(test) >= 2000 else None
        numbers.append(_negative(f"-L_5000 at k = {k}, nats", published[k][0], found, met))
        numbers.append(Number(f"active units at k = {k}", str(published[k][1]), float(units[k])))
    fair = epochs >= 60  # the line is about that many
    gain = values[5] - values[1]
    error = float(gain.std() / len(gain) ** 0.5)
    numbers.append(
        Number(
            "gain of k = 5, nats, paired", "1.22", float(gain.mean()), error, bool(gain.mean() >= 0.3) if fair else None
        )
    )
    numbers.append(
        Number(
            "more active units at k = 5", "3", float(units[5] - units[1]), None, units[5] >= units[1] if fair else None
        )
    )
    differences = [
        f"{epochs} epochs of both (published: 3,280), batch 100 (published: 20), a cosine schedule from 1e-3",
        f"{len(test):,} of 10,000 test images, binarised once",
    ]
    return Found(numbers, differences)


def binary_latents(budget: Budget) -> Found:
    """200 Bernoulli latents, linear networks, static MNIST: leave-one-out against the plain score function."""
    train, test = (load("mnist_static", split=split).x for split in ("train", "test"))
    options = {
        "hidden": (), "posterior": "bernoulli", "prior": "bernoulli", "learn_prior": True, "batch_size": 20,
        "likelihood": "bernoulli", "n_samples": 2,
    }  # fmt: skip
    share = FITTING * budget.seconds / 2
    first, epochs = learnt(lambda n: make(200, n, budget, **options, gradient="leave-one-out"), train, share)
    second = make(200, epochs, budget, **options, gradient="score").fit(train)
    test = some(test, budget.rows or 1000)
    loo, score = (_evidence(model, test, 200) for model in (first, second))
    gain, steps = loo.values - score.values, first.fit_.steps
    error = float(gain.std() / len(gain) ** 0.5)
    met = bool(gain.mean() >= 10) if steps >= LINE_STEPS else None
    numbers = [
        _negative("-log p(x), leave-one-out, nats", "NVIL 113.1, ARM 107.2", loo, None),
        _negative("-log p(x), score function, nats", "164.0", score, None),
        Number("gain, nats, paired", "line: at least 10", float(gain.mean()), error, met),
    ]
    differences = [
        f"{steps:,} steps of each (published: 1,000,000; line: 100,000), two draws a row, batch 20, 200 importance samples"
    ]
    return Found(numbers, [*differences, *_rows(test, 10_000)])


def speed(budget: Budget) -> Found:
    """Seconds for one million training samples of the MNIST network of Kingma and Welling (500 hidden units, 20 latents)."""
    train = load("mnist").x[:50_000]
    options = {
        "hidden": (500,),
        "activation": "tanh",
        "batch_size": 100,
        "likelihood": "bernoulli",
        "binarize": "stochastic",
    }
    ends: list[float] = []
    model = make(20, 3, budget, **options)
    model.fit(train, callbacks=[lambda loop: ends.append(time.perf_counter())])
    each = min(b - a for a, b in zip(ends, ends[1:]))
    seconds = each * 1_000_000 / len(train)
    numbers = [Number("seconds per million samples", "1,200 to 2,400 (2013); line: 30", seconds, None, seconds <= 30)]
    return Found(
        numbers, ["the quicker of two timed epochs, times 20", "stochastic binarisation instead of grey levels"]
    )


# --- what they share -------------------------------------------------------------------------------------------------


def make(n_latent: int, epochs: int, budget: Budget, **options: Any) -> VAE:
    """A VAE as these targets have it: Adam on a cosine, no rows held out."""
    fixed: dict[str, Any] = {"schedule": "cosine", "validation_fraction": 0, "learning_rate": 1e-3}
    return VAE(n_latent, max_epochs=epochs, device=budget.device, random_state=budget.seed, **{**fixed, **options})


def learnt(build: Callable[[int], Any], x: np.ndarray, seconds: float, most: int = 10_000) -> tuple[Any, int]:
    """A fit of as many epochs as the seconds allow, timed on three of a tenth of the rows first, and their number."""
    begun, ends = time.perf_counter(), []
    part = some(x, max(TIMED_ROWS, len(x) // 10))
    build(3).fit(part, callbacks=[lambda loop: ends.append(time.perf_counter())])
    each = min(b - a for a, b in zip(ends, ends[1:])) * len(x) / len(part)
    epochs = min(most, max(1, int(0.95 * (seconds - (ends[-1] - begun)) / each)))
    return build(epochs).fit(x), epochs


def some(x: np.ndarray, n: int) -> np.ndarray:
    """n rows, evenly spaced: the static set is sorted by class, and its first rows are the easy ones."""
    n = min(n, len(x))
    return x[np.arange(n) * len(x) // n]


def flipped(x: np.ndarray) -> np.ndarray:
    """Pixels made 0 or 1, each with its grey level as the probability of 1; the same coins every time."""
    return (np.random.default_rng(0).random(x.shape) < x / 255.0).astype(np.float64)


def _evidence(model: Any, test: np.ndarray, n_samples: int) -> Any:
    return model.evidence(test, "importance", n_samples, precision="float32")


def _negative(what: str, published: str, estimate: Any, met: bool | None) -> Number:
    return Number(what, published, -estimate.mean, estimate.row_error, met)


def _rows(test: np.ndarray, whole: int) -> list[str]:
    return [] if len(test) == whole else [f"{len(test):,} of {whole:,} test images"]
