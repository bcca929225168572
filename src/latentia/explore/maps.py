"""Rows as points in a plane."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted
from torch.distributions import Independent, Normal

from .latent import has_prior


@dataclass(frozen=True)
class LatentMap:
    """Where each row lies.

    Arguments:
        points: coordinates, `(rows, 2)`; `(rows, 1)` where there is but one axis.
        axes: what each coordinate is, in words.
        kind: "units" (the latent units themselves), "latent-pca" (of the posterior means) or "data-pca".
        share: share of the variance that the coordinates carry, 0 to 1; 1 for "units".
        prior: mean and standard deviation of a normal prior along each axis, `(2, axes)`; None where the axes are
            no units, or the prior is not normal.
    """

    points: np.ndarray
    axes: tuple[str, ...]
    kind: str
    share: float
    prior: np.ndarray | None = None


def latent_map(estimator: Any, X: Any) -> LatentMap:
    """Coordinates of rows X in at most two dimensions.

    With one or two latent units these are the posterior means themselves. With more, the two principal axes of the
    posterior means, which carry more of them than any two units. For a mixture, whose latent has no axes, the
    principal axes of the data in the model's units.

    >>> from latentia.estimators import VAE
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> latent_map(VAE(n_latent=3, hidden=(8,), max_epochs=1, random_state=0).fit(x), x).kind
    'latent-pca'
    """
    check_is_fitted(estimator, "fit_")
    if not estimator.model_.latent_shape:
        _, rows = estimator._seen(X)
        points, share = principal_axes(estimator.model_.standardise(rows).double().cpu().numpy())
        return LatentMap(points, _axis_names("of the data, model units", share), "data-pca", float(share.sum()))
    means = np.asarray(estimator.transform(X), dtype=np.float64)
    if means.shape[1] <= 2:
        names = tuple(f"latent unit {u}" for u in range(means.shape[1]))
        return LatentMap(means, names, "units", 1.0, _normal_prior(estimator))
    points, share = principal_axes(means)
    return LatentMap(
        points,
        _axis_names("of the posterior means" if has_prior(estimator.model_) else "of the codes", share),
        "latent-pca",
        float(share.sum()),
    )


def principal_axes(x: np.ndarray, n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates `(rows, n)` on the first n principal axes, each axis signed so that its largest weight is positive,
    and their shares of the variance `(n,)`; fewer than n where x has fewer columns.

    >>> points, share = principal_axes(np.array([[0.0, 0, 0], [2, 0, 0], [0, 1, 0], [2, 1, 0]]))
    >>> share.round(2).tolist()
    [0.8, 0.2]
    """
    centred = x - x.mean(0)
    covariance = centred.T @ centred / len(x)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(-values)[:n]
    axes = vectors[:, order]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    total = values.clip(0).sum()
    share = values[order].clip(0) / total if total > 0 else np.zeros(len(order))
    return centred @ axes, share


def _normal_prior(estimator: Any) -> np.ndarray | None:
    prior = estimator.model_.prior()
    base = prior.base_dist if isinstance(prior, Independent) else prior
    if not isinstance(base, Normal):
        return None
    return np.stack([t.detach().double().cpu().flatten().numpy() for t in (base.mean, base.stddev)])


def _axis_names(of: str, share: np.ndarray) -> tuple[str, ...]:
    order = ("first", "second")
    return tuple(f"{order[i]} principal axis {of} ({part:.0%} of the variance)" for i, part in enumerate(share))
