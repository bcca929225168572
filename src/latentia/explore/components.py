"""What a linear model adds up, and what a mixture chooses from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AbilityError
from .latent import has_prior


@dataclass(frozen=True)
class Components:
    """Rows that a model is made of, in the user's units.

    Arguments:
        centre: the row at the mean of z of a linear model, the mean of a mixture's components, `(columns,)`.
        directions: change of the row by one standard deviation along each principal axis of a linear model, most first,
            signed so that the largest entry is positive; the components' means themselves of a mixture; `(k, columns)`.
        kind: "axes" or "means".
    """

    centre: np.ndarray
    directions: np.ndarray
    kind: str


def components(estimator: Any, X: Any = None) -> Components:
    """Principal axes of a linear model, or the means of a mixture.

    A linear decoder x = c + W z of z with covariance C is turned to its own axes, W C^(1/2) = U S V': they are what no turning
    or stretching of z can change. C is the prior's, the identity, or that of the codes where there is no prior. For
    `ProbabilisticPCA` and `LinearAutoencoder` they are the principal components of the data, as pictures the eigenfaces.

    Arguments:
        estimator: fitted.
        X: rows whose codes say how z spreads, `(rows, columns)`, for an autoencoder, which has no prior.

    Raises: `AbilityError` where the decoder is not linear, or an autoencoder came without rows.

    Source: Tipping and Bishop, "Probabilistic principal component analysis", 1999; Turk and Pentland, "Eigenfaces for
    recognition", 1991.

    >>> from latentia.estimators import ProbabilisticPCA
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> components(ProbabilisticPCA(n_latent=2).fit(x)).directions.shape
    (2, 5)
    """
    units = int(estimator._n_features_out)
    if not estimator.model_.latent_shape:
        means = estimator.inverse_transform(np.eye(units))
        return Components(means.mean(0), means, "means")
    mean, root = _spread(estimator, X, units)
    centre = estimator.inverse_transform(mean[None])[0]
    once, twice = (estimator.inverse_transform(mean + size * root) - centre for size in (1.0, 2.0))
    if not np.allclose(twice, 2 * once, rtol=1e-6, atol=1e-6 * np.abs(once).max()):
        raise AbilityError(
            f"{type(estimator).__name__} has a decoder that is not linear, and no components. Use explore.traversal."
        )
    _, size, axes = np.linalg.svd(once, full_matrices=False)
    axes = axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(1)] < 0, -1.0, 1.0)[:, None]
    return Components(centre, size[:, None] * axes, "axes")


def _spread(estimator: Any, X: Any, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean of z, and the rows of a root R of its covariance, R' R = C."""
    if has_prior(estimator.model_):
        return np.zeros(units), np.eye(units)
    if X is None:
        raise AbilityError(
            f"{type(estimator).__name__} has no prior that says how far its codes spread. Give rows: components(estimator, X)."
        )
    codes = np.asarray(estimator.transform(X), dtype=np.float64)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(codes.T, ddof=0)))
    return codes.mean(0), np.sqrt(values.clip(0))[:, None] * vectors.T
