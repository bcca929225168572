"""Targets with closed forms: principal components, probabilistic PCA."""

from typing import Any, ClassVar

import numpy as np

from ..data import load
from ..estimators import LinearAutoencoder, ProbabilisticPCA
from .base import Budget, Found, Number

PCA = {2: 43.645, 10: 26.714, 20: 18.454, 30: 13.87, 50: 9.004}
PPCA = {2: 12.428, 10: 182.155, 20: 299.758, 30: 385.653, 50: 507.905}
SIGMA2 = 0.024597


def unit_mnist(split: str) -> np.ndarray:
    """MNIST, pixels in [0, 1], `(rows, 784)`."""
    return load("mnist", split=split).x.astype(np.float64) / 255


def pca(budget: Budget) -> Found:
    """Squared error per test image of the principal components of the training images."""
    train, test = unit_mnist("train"), unit_mnist("test")
    test = test[: budget.rows]
    numbers = []
    for k, published in PCA.items():
        model: Any = LinearAutoencoder(k, scale="none", device="cpu", random_state=budget.seed).fit(train)
        errors = ((model.reconstruct(test) - test) ** 2).sum(1)
        mean, error = float(errors.mean()), float(errors.std(ddof=1) / len(errors) ** 0.5)
        met = abs(mean - published) <= 0.01 if len(test) == 10_000 else None
        numbers.append(Number(f"squared error per image, k = {k}", f"{published}", mean, error, met))
    return Found(numbers, _rows(test))


def ppca(budget: Budget) -> Found:
    """The greatest log-likelihood of probabilistic PCA, in closed form; for k = 20 by EM as well."""
    train = unit_mnist("train")
    numbers = []
    for k, published in PPCA.items():
        model = ProbabilisticPCA(k, scale="none", learner="closed-form", random_state=budget.seed).fit(train)
        found = model.evidence(train, "exact")
        met = abs(found.mean - published) <= 1e-3
        numbers.append(Number(f"nats per image, k = {k}", f"{published}", found.mean, found.row_error, met))
        if k == 20:
            sigma2 = float(model.model_.scale[0]) ** 2  # type: ignore[operator, index]
            numbers.append(Number("noise variance, k = 20", f"{SIGMA2}", sigma2, None, abs(sigma2 - SIGMA2) <= 5e-7))
    if budget.minutes >= 3:
        numbers.append(_by_em(train, budget))
    return Found(numbers)


class FromAnywhere(ProbabilisticPCA):
    """EM from random parameters: the estimator's own start is the maximum, which EM could only confirm."""

    _learners: ClassVar[dict[str, str]] = {"exact-em": "random"}


def _by_em(train: np.ndarray, budget: Budget) -> Number:
    model = FromAnywhere(20, scale="none", tol=1e-5, max_epochs=2000, random_state=budget.seed).fit(train)
    found = model.evidence(train, "exact")
    met = abs(found.mean - PPCA[20]) <= 1e-3
    return Number(
        f"nats per image, k = 20, by EM from a random start ({model.fit_.epochs} passes)",
        f"{PPCA[20]}",
        found.mean,
        found.row_error,
        met,
    )


def linear_vae(budget: Budget) -> Found:
    """The ELBO of a VAE with linear networks beside the closed form it cannot exceed."""
    train = unit_mnist("train")
    epochs = max(5, round(8 * budget.minutes))
    model: Any = LinearAutoencoder(20, learner="linear-vae", scale="none", max_epochs=epochs, random_state=budget.seed)
    model.fit(train)
    elbo = float(model.fit_.history[-1]["bound"])
    numbers = [Number("ELBO, nats per image, k = 20", f"{PPCA[20]}", elbo, None, abs(elbo - PPCA[20]) <= 0.1)]
    exact = model.evidence(train, "exact")
    numbers.append(
        Number("its exact log p(x)", f"{PPCA[20]}", exact.mean, exact.row_error, abs(exact.mean - PPCA[20]) <= 0.1)
    )
    return Found(numbers, [f"{epochs} epochs, chosen by the budget"])


def _rows(test: np.ndarray) -> list[str]:
    return [] if len(test) == 10_000 else [f"{len(test):,} of 10,000 test images"]
