"""Rows beside what a model makes of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted


@dataclass(frozen=True)
class Reconstructions:
    """Rows and what comes back of them, user's units.

    Arguments:
        rows: as they were given, `(rows, columns)`.
        seen: as the model was shown them: grey levels become zeros and ones where the fit says so; `(rows, columns)`.
        rebuilt: E[x|z] at each row's posterior mean, `(rows, columns)`.
    """

    rows: np.ndarray
    seen: np.ndarray
    rebuilt: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Squared error of each row, summed over its columns, `(rows,)`."""
        return np.square(self.rebuilt - self.seen).sum(1)


def reconstructions(estimator: Any, X: Any) -> Reconstructions:
    """Rows X beside what is left of them after inference and decoding.

    Arguments:
        estimator: fitted, with a z for each row.
        X: rows, user's units, `(rows, columns)` or the shape of images.

    Raises: `AbilityError` where rows have no z.

    >>> from latentia.estimators import ProbabilisticPCA
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> reconstructions(ProbabilisticPCA(n_latent=2).fit(x), x[:4]).error.shape
    (4,)
    """
    check_is_fitted(estimator, "fit_")
    rows = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
    rebuilt = np.asarray(estimator.reconstruct(rows), dtype=np.float64)
    return Reconstructions(rows, estimator._seen(rows)[1].double().cpu().numpy(), rebuilt)
