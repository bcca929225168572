"""Rows that the model holds to be alike."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of each query.

    Arguments:
        index: which rows, nearest first, `(queries, n)`.
        distance: Euclidean, between posterior means, `(queries, n)`.
    """

    index: np.ndarray
    distance: np.ndarray


def neighbours(estimator: Any, X: Any, queries: Any, n: int = 8) -> Neighbours:
    """The n rows of X whose posterior means lie nearest to those of each query; a query that is a row of X finds itself.

    d(a, b) = |E_q[z|a] - E_q[z|b]|.

    Arguments:
        estimator: fitted.
        X: rows to search, user's units.
        queries: rows to find others for, user's units.
        n: how many of X.

    Raises: `ParameterError` where X has fewer rows than n.

    >>> from latentia.estimators import ProbabilisticPCA
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> neighbours(ProbabilisticPCA(n_latent=2).fit(x), x, x[:3], n=1).index.ravel().tolist()
    [0, 1, 2]
    """
    from sklearn.neighbors import NearestNeighbors

    codes = np.asarray(estimator.transform(X), dtype=np.float64)
    if not 1 <= n <= len(codes):
        raise ParameterError(f"n={n} cannot be used. There are {len(codes)} rows; ask for 1 to {len(codes)}.")
    search = NearestNeighbors(n_neighbors=n).fit(codes)
    distance, index = search.kneighbors(np.asarray(estimator.transform(queries), dtype=np.float64))
    return Neighbours(index, distance)
