"""Targets of autoencoders: a deep code, the principal axes, the score of a smoothed density."""

from typing import Any

import numpy as np

from ..data import load
from ..estimators import Autoencoder, DenoisingAutoencoder, LinearAutoencoder
from .base import Budget, Found, Number
from .deep import FITTING, learnt
from .linear import unit_mnist

LINE_DEEP = 8.01  # of logistic PCA
AXES = {"uniform-l2": "0.735", "deterministic-nested-dropout": "about 0", "rotation": "about 0"}
CENTRES, SPREAD = np.array([[-1.5, 0.0], [1.5, 0.0], [0.0, 2.0]]), 0.5
SIGMA, N_ROWS = 0.3, 20_000


def deep_autoencoder(budget: Budget) -> Found:
    """784-1000-500-250-30 on MNIST: squared error per test image."""
    train, test = (load("mnist", split=split).x for split in ("train", "test"))
    test = test[: budget.rows]
    options: dict[str, Any] = {"hidden": (1000, 500, 250), "activation": "gelu", "batch_size": 64}
    options |= {"learning_rate": 1e-3, "schedule": "cosine", "validation_fraction": 0}
    fixed: dict[str, Any] = {"device": budget.device, "random_state": budget.seed}
    build = lambda n: Autoencoder(30, max_epochs=n, **options, **fixed)  # noqa: E731
    model, epochs = learnt(build, train, 0.9 * budget.seconds)
    errors = model.reconstruction_error(test) / 255**2
    mean, error = float(errors.mean()), float(errors.std(ddof=1) / len(errors) ** 0.5)
    met = mean < LINE_DEEP if len(test) == 10_000 else None
    differences = [
        f"{epochs} epochs of Adam with a cosine schedule, GELU, no pre-training (published: layer by layer first)"
    ]
    what = f"squared error per image, line: below {LINE_DEEP}"
    return Found([Number(what, "3.00", mean, error, met)], differences)


def principal_axes(budget: Budget) -> Found:
    """Linear autoencoders of 20 units: how far their axes are from the principal ones, centred MNIST."""
    train = unit_mnist("train")
    k = min(20, train.shape[1] // 3)
    true = LinearAutoencoder(k).fit(train).components_.T
    epochs = max(1, min(100, int(100 * budget.minutes / 4)))
    numbers = []
    for learner, published in AXES.items():
        options: dict[str, Any] = {"l2": (0.5, 0.5)} if learner == "uniform-l2" else {}
        model = LinearAutoencoder(k, learner=learner, max_epochs=epochs, random_state=budget.seed, **options).fit(train)
        axis, subspace = axis_distances(true, model.components_.T)
        numbers.append(Number(f"axis distance, {learner}", published, axis, None, _axis_met(learner, axis, subspace)))
        numbers.append(Number(f"subspace distance, {learner}", "0", subspace))
    return Found(
        numbers, [f"{100 * epochs:,} full-batch steps from the covariance, first weights of standard deviation 0.01"]
    )


def _axis_met(learner: str, axis: float, subspace: float) -> bool | None:
    if learner == "uniform-l2":
        return 0.70 <= axis <= 0.77
    return axis <= 0.02 and subspace <= 1e-6 if learner == "rotation" else None


def axis_distances(axes: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Axis distance, mean of 1 - max_j cos^2(u_i, w_j), and subspace distance, 1 - tr(UU'WW') / k; columns, `(D, k)`.

    Source: Bao, Lucas, Sachdeva, Grosse, "Regularized linear autoencoders recover the principal components, eventually", 2020.

    >>> [round(d, 9) for d in axis_distances(np.eye(3)[:, :2], np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 0.0]]))]
    [0.5, 0.0]
    """
    w = found / np.maximum(np.linalg.norm(found, axis=0), 1e-300)
    cosines = np.square(axes.T @ w)
    q = np.linalg.qr(found)[0]
    return float(1 - cosines.max(1).mean()), float(1 - np.square(axes.T @ q).sum() / axes.shape[1])


# --- the score -------------------------------------------------------------------------------------------------------


def denoising_score(budget: Budget) -> Found:
    """The field (r(x) - x) / sigma^2 of a denoising autoencoder beside the score of the smoothed density, known here."""
    rng = np.random.default_rng(budget.seed)
    rows, fresh = mixture(N_ROWS, rng), mixture(5000, rng)
    build = lambda n: denoiser(SIGMA, budget.seed, max_epochs=n, device=budget.device)  # noqa: E731
    model, epochs = learnt(build, rows, FITTING * budget.seconds, most=2000)
    x = fresh + SIGMA * rng.normal(size=fresh.shape)
    field, truth = np.asarray(model.score_field(x)), smoothed_score(x, CENTRES, SPREAD**2 + SIGMA**2)
    relative = float(np.linalg.norm(field - truth) / np.linalg.norm(truth))
    cosine = float(cosines(field, truth).mean())
    numbers = [
        Number(
            "relative L2 error over noised points", "0 in the limit; line: below 0.05", relative, None, relative < 0.05
        ),
        Number("mean cosine over noised points", "1 in the limit; line: above 0.99", cosine, None, cosine > 0.99),
    ]
    return Found(
        numbers,
        [
            f"{epochs} epochs, networks 2-16-16-16-16 and back",
            f"centres {CENTRES.tolist()}, equal shares; new rows, noised",
        ],
    )


def mixture(n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of three normals of standard deviation 0.5, `(n, 2)`."""
    return CENTRES[rng.integers(0, 3, n)] + SPREAD * rng.normal(size=(n, 2))


def denoiser(noise_scale: float, seed: int, **options: Any) -> DenoisingAutoencoder:
    """Small and smooth, for two columns; the learning rate falls to zero so that the corruption's noise is averaged.

    Chosen by the error of the score on four mixtures of their own rows (seeds 100 to 103): softplus before GELU and tanh, seven
    layers of 16 before three, wider ones with a decay of weights worse, batches of 2,000 before 500, a rate of 0.005 before 0.01.
    """
    given: dict[str, Any] = {"hidden": (16, 16, 16), "activation": "softplus", "learning_rate": 0.005}
    given |= {"schedule": "cosine", "max_epochs": 2000, "batch_size": 2000, "validation_fraction": 0}
    given |= {"device": "cpu", "random_state": seed}
    return DenoisingAutoencoder(16, noise_scale=noise_scale, **{**given, **options})


def smoothed_score(x: np.ndarray, centres: np.ndarray, variance: float) -> np.ndarray:
    """grad log of an equal mixture of normals of one variance, `(rows, D)`; worked out 250 rows at a time."""
    out = np.zeros_like(x)
    for start in range(0, len(x), 250):
        offset = centres - x[start : start + 250, None, :]
        log_share = -(offset**2).sum(-1) / (2 * variance)
        share = np.exp(log_share - log_share.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        out[start : start + 250] = (share[:, :, None] * offset).sum(1) / variance
    return out


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of the angle between rows, `(rows,)`."""
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-300)
