"""Walks through the latent space, decoded to the user's units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.distributions import Categorical, Distribution, Independent

from ..bounds.evaluate import evaluating
from ..distributions import CellSequence, centre
from ..errors import AbilityError, ParameterError
from ..families.columns import to_columns
from ..randomness import Stream

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
DRAWS = 10_000  # of a prior whose units have no quantile function


def n_units(estimator: Any) -> int:
    """Number of latent units.

    Raises `AbilityError` where the latent is the number of a component, which has no axis to walk along.
    """
    check_is_fitted(estimator, "fit_")
    if not estimator.model_.latent_shape:
        raise AbilityError(
            f"{type(estimator).__name__} has a latent that is the number of a component, and no axes to walk along. "
            "Look at its components instead: inverse_transform of the rows of an identity matrix."
        )
    return int(estimator._n_features_out)


def prior_quantiles(estimator: Any, percentiles: Sequence[float]) -> np.ndarray:
    """Percentiles of p(z_u) of every unit u, `(percentiles, units)`; of a prior without quantile functions those of draws.

    Raises:
        ParameterError: a percentile outside (0, 100).
    """
    units = n_units(estimator)
    share = torch.as_tensor(list(percentiles), dtype=torch.float64) / 100
    if not share.numel() or not bool(((share > 0) & (share < 1)).all()):
        raise ParameterError(
            f"percentiles={tuple(percentiles)} cannot be used. Use numbers above 0 and below 100, one at least."
        )
    prior = estimator.model_.prior()
    base = prior.base_dist if isinstance(prior, Independent) else prior
    shape = (-1, *[1] * len(estimator.model_.latent_shape))
    with torch.no_grad():
        try:
            values = base.icdf(share.to(_like(estimator).device).reshape(shape))
        except NotImplementedError:
            return _drawn_quantiles(estimator, share)
    return values.double().cpu().reshape(len(share), units).numpy()


def _drawn_quantiles(estimator: Any, share: torch.Tensor) -> np.ndarray:
    prior = estimator.model_.prior()
    with Stream(int(estimator.seed_), _like(estimator).device), torch.no_grad():
        columns = to_columns(prior.sample(torch.Size((DRAWS,))), prior).double().cpu()
    return torch.quantile(columns, share, dim=0).numpy()


def traversal(estimator: Any, unit: int, percentiles: Sequence[float] = PERCENTILES, base: Any = None) -> np.ndarray:
    """Decoded rows while one latent unit moves over percentiles of its prior, the others staying at `base`.

    Arguments:
        estimator: fitted, with latent units.
        unit: which one moves, from 0.
        percentiles: of the prior, above 0 and below 100.
        base: latents of the other units, `(units,)`; None is the median of the prior.

    Returns E[x|z], user's units, `(percentiles, columns)`.

    Raises: `ParameterError` for a unit or a percentile that is not there; `AbilityError` for a latent without axes.

    >>> from latentia.estimators import VAE
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> traversal(VAE(n_latent=2, hidden=(8,), max_epochs=1, random_state=0).fit(x), unit=0).shape
    (7, 5)
    """
    _check_unit(estimator, unit)
    z = np.tile(_base(estimator, base), (len(tuple(percentiles)), 1))
    z[:, unit] = prior_quantiles(estimator, percentiles)[:, unit]
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
    n_units(estimator)
    return np.argsort(-np.var(estimator.transform(X), axis=0), kind="stable")


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
        return prior_quantiles(estimator, (50,))[0]
    z, units = np.asarray(base, dtype=np.float64).ravel(), n_units(estimator)
    if z.shape != (units,):
        raise ParameterError(f"base holds {z.size} numbers; the latent has {units} units. Give one for each.")
    return z


def _check_unit(estimator: Any, unit: int) -> None:
    units = n_units(estimator)
    if not 0 <= unit < units:
        raise ParameterError(f"unit={unit} is not there. The units are 0 to {units - 1}.")


def _like(estimator: Any) -> torch.Tensor:
    return next(estimator.model_.parameters())
