"""Walks through the latent space, decoded to the user's units."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.distributions import Categorical, Distribution, Independent

from ..bounds.evaluate import evaluating
from ..distributions import CellSequence, Flat, centre
from ..errors import AbilityError, ParameterError
from ..families.columns import to_columns, unit_size
from ..families.table import row_of_distribution
from ..randomness import Stream

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
DRAWS = 10_000  # of a prior whose units have no quantile function


def has_prior(model: Any) -> bool:
    """Whether there is a distribution of z to draw from; an autoencoder has none."""
    return not isinstance(model.prior(), Flat)


def n_units(estimator: Any) -> int:
    """Number of latent units; a choice among categories, a point on a sphere or a simplex is one.

    Raises `AbilityError` where the latent is the number of a component, which has no axis to walk along.
    """
    check_is_fitted(estimator, "fit_")
    if not estimator.model_.latent_shape:
        raise AbilityError(
            f"{type(estimator).__name__} has a latent that is the number of a component, and no axes to walk along. "
            "Look at its components instead: inverse_transform of the rows of an identity matrix."
        )
    return int(estimator._n_features_out) // columns_of_unit(estimator)


def columns_of_unit(estimator: Any) -> int:
    """How many columns of a latent are one unit: 1, or those of a choice, a point on a sphere or a simplex."""
    return unit_size(estimator.model_.prior())


def prior_quantiles(estimator: Any, percentiles: Sequence[float]) -> np.ndarray:
    """Percentiles of p(z_c) of every column c, `(percentiles, columns)`; of a prior without quantile functions those of draws.

    Raises:
        ParameterError: a percentile outside (0, 100).
    """
    n_columns = n_units(estimator) * columns_of_unit(estimator)
    share = torch.as_tensor(list(percentiles), dtype=torch.float64) / 100
    if not share.numel() or not bool(((share > 0) & (share < 1)).all()):
        raise ParameterError(
            f"percentiles={tuple(percentiles)} cannot be used. Use numbers above 0 and below 100, one at least."
        )
    prior = estimator.model_.prior()
    base = prior.base_dist if isinstance(prior, Independent) else prior
    if columns_of_unit(estimator) > 1:
        return _drawn_quantiles(estimator, share)
    shape = (-1, *[1] * len(estimator.model_.latent_shape))
    with torch.no_grad():
        try:
            values = base.icdf(share.to(_like(estimator).device).reshape(shape))
        except NotImplementedError:
            return _drawn_quantiles(estimator, share)
    return values.double().cpu().reshape(len(share), n_columns).numpy()


def _drawn_quantiles(estimator: Any, share: torch.Tensor) -> np.ndarray:
    return torch.quantile(_drawn_columns(estimator), share, dim=0).numpy()


def _drawn_columns(estimator: Any) -> torch.Tensor:
    prior = estimator.model_.prior()
    with Stream(int(estimator.seed_), _like(estimator).device), torch.no_grad():
        return to_columns(prior.sample(torch.Size((DRAWS,))), prior).double().cpu()


def middle(estimator: Any) -> np.ndarray:
    """Where the units stay that do not move: the median of the prior; of choices and points the mean, `(columns,)`."""
    if columns_of_unit(estimator) > 1:
        return _drawn_columns(estimator).mean(0).numpy()
    return prior_quantiles(estimator, (50,))[0]


def stops(estimator: Any, percentiles: Sequence[float] = PERCENTILES) -> list[str]:
    """Names of the points that `traversal` passes.

    >>> from latentia.estimators import ProbabilisticPCA
    >>> stops(ProbabilisticPCA(n_latent=1).fit(np.eye(4)), (5, 95))
    ['5 %', '95 %']
    """
    size, kind = columns_of_unit(estimator), walked(estimator)
    if kind == "percentile":
        return [f"{p} %" for p in percentiles]
    return [str(k) for k in range(size)] + ([f"-{k}" for k in range(size)] if kind == "axis" else [])


def walked(estimator: Any) -> Literal["percentile", "category", "share", "axis"]:
    """What the points of a `traversal` are: percentiles, categories, shares of a whole, axes of a sphere."""
    row = row_of_distribution(estimator.model_.prior())
    if columns_of_unit(estimator) == 1 or row is None:
        return "percentile"
    return "axis" if row.support == "sphere" else "share" if row.support == "simplex" else "category"


def traversal(estimator: Any, unit: int, percentiles: Sequence[float] = PERCENTILES, base: Any = None) -> np.ndarray:
    """Decoded rows while one latent unit moves over percentiles of its prior, the others staying at `base`.

    A unit that is a choice among categories takes one after the other, shares one whole share after the other, and a point
    on a sphere the ends of its axes.

    Arguments:
        estimator: fitted, with latent units.
        unit: which one moves, from 0.
        percentiles: of the prior, above 0 and below 100.
        base: latents of the other units, `(columns,)`; None is the median of the prior, of choices and points its mean.

    Returns E[x|z], user's units, `(percentiles, columns)`, one row for each of `stops`.

    Raises: `ParameterError` for a unit or a percentile that is not there; `AbilityError` for a latent without axes.

    >>> from latentia.estimators import VAE
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> traversal(VAE(n_latent=2, hidden=(8,), max_epochs=1, random_state=0).fit(x), unit=0).shape
    (7, 5)
    """
    _check_unit(estimator, unit)
    size = columns_of_unit(estimator)
    if size == 1:
        points = prior_quantiles(estimator, percentiles)[:, [unit]]
    else:
        points = np.vstack([np.eye(size), -np.eye(size)]) if walked(estimator) == "axis" else np.eye(size)
    z = np.tile(_base(estimator, base), (len(points), 1))
    z[:, unit * size : (unit + 1) * size] = points
    return estimator.inverse_transform(z)


def manifold(
    estimator: Any, units: tuple[int, int] = (0, 1), n: int = 15, base: Any = None, low: float = 2.5
) -> np.ndarray:
    """Decoded grid over the plane of two latent units, at equally spaced percentiles of their priors.

    Arguments:
        estimator: fitted, with two latent units at least.
        units: the one that grows to the right and the one that grows upwards; see `unit_order` for the most active.
        n: points along each.
        base: latents of the other units, `(units,)`; None is the median of the prior.
        low: first percentile; the last is 100 - low.

    Returns E[x|z], user's units, `(n, n, columns)`, first row on top.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, appendix A.
    """
    if columns_of_unit(estimator) > 1:
        raise AbilityError(
            "A manifold goes along two numbers, and a unit of this latent is a choice or a point of several. Use traversal, or map."
        )
    for unit in units:
        _check_unit(estimator, unit)
    if units[0] == units[1]:
        raise ParameterError(f"units={units} are one and the same. Name two.")
    at = prior_quantiles(estimator, np.linspace(low, 100 - low, n).tolist())
    z = np.tile(_base(estimator, base), (n, n, 1))
    z[:, :, units[0]] = at[:, units[0]][None, :]
    z[:, :, units[1]] = at[::-1, units[1]][:, None]
    return estimator.inverse_transform(z.reshape(n * n, -1)).reshape(n, n, -1)


def unit_order(estimator: Any, X: Any) -> np.ndarray:
    """Latent units from the most to the least active: by Var_x(E_q[z_u|x]) over rows X, `(units,)`."""
    units = n_units(estimator)
    return np.argsort(-np.var(estimator.transform(X), axis=0).reshape(units, -1).sum(1), kind="stable")


def prior_draws(estimator: Any, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Means E[x|z] and draws x ~ p(x|z) for the same n draws of z from the prior, user's units, `(n, columns)` each.

    >>> from latentia.estimators import VAE
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> mean, draw = prior_draws(VAE(n_latent=2, hidden=(8,), max_epochs=1, random_state=0).fit(x), n=3)
    >>> mean.shape, draw.shape
    ((3, 5), (3, 5))
    """
    check_is_fitted(estimator, "fit_")
    model = estimator.model_
    with Stream(seed, _like(estimator).device), evaluating(model):
        likelihood = model.likelihood(model.prior().sample(torch.Size((1, n))))
        mean, draw = _mean(likelihood), likelihood.sample()
    return mean[0].double().cpu().numpy(), draw[0].double().cpu().numpy()


def _mean(p: Distribution) -> torch.Tensor:
    if isinstance(p, Categorical):  # torch gives NaN, for categories in general are no numbers; levels are
        return p.probs @ torch.arange(p.probs.shape[-1], dtype=p.probs.dtype, device=p.probs.device)
    return centre(p) if isinstance(p, CellSequence) else p.mean


def _base(estimator: Any, base: Any) -> np.ndarray:
    if base is None:
        return middle(estimator)
    z, columns = np.asarray(base, dtype=np.float64).ravel(), int(estimator._n_features_out)
    if z.shape != (columns,):
        raise ParameterError(f"base holds {z.size} numbers; the latent has {columns} columns. Give one for each.")
    return z


def _check_unit(estimator: Any, unit: int) -> None:
    units = n_units(estimator)
    if not 0 <= unit < units:
        raise ParameterError(f"unit={unit} is not there. The units are 0 to {units - 1}.")


def _like(estimator: Any) -> torch.Tensor:
    return next(estimator.model_.parameters())
