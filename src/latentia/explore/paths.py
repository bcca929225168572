"""Ways from one latent point to another: straight, at constant length, or short for the decoder."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..bounds.evaluate import evaluating
from ..distributions import centre
from ..errors import AbilityError, ParameterError, choose
from ..families.columns import from_columns
from .latent import columns_of_unit, n_units

KINDS = ("linear", "spherical", "geodesic")
BETWEEN = 6  # pieces of a geodesic between two points that are asked for


def path(estimator: Any, z_a: Any, z_b: Any, n: int = 9, kind: str = "linear") -> np.ndarray:
    """Latents on the way from z_a to z_b, `(n, units)`, the ends included.

    Arguments:
        estimator: fitted, with latent units.
        z_a, z_b: `(units,)` each.
        n: points, two at least.
        kind: "linear", z(t) = (1 - t) z_a + t z_b; "spherical", whose direction turns evenly and whose length changes
            evenly, so that the middle is as far from the origin as the ends; "geodesic", the shortest way when
            length is measured where the decoder leads: it minimises sum_i |g(z_i+1) - g(z_i)|^2, with g(z) = E[x|z] in the
            model's units, and its points are equally far apart there.

    Raises: `ParameterError` for fewer than two points or ends of the wrong size; `AbilityError` for a latent without axes.

    Sources: Shoemake, "Animating rotation with quaternion curves", 1985; Arvanitidis, Hansen, Hauberg, "Latent space
    oddity", 2018.

    >>> from latentia.estimators import ProbabilisticPCA
    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> path(ProbabilisticPCA(n_latent=2).fit(x), [1, 0], [0, 1], n=3, kind="spherical").round(2).tolist()
    [[1.0, 0.0], [0.71, 0.71], [0.0, 1.0]]
    """
    choose("kind", kind, KINDS)
    columns = n_units(estimator) * columns_of_unit(estimator)
    if n < 2:
        raise ParameterError(f"n={n} is too small. A line has two ends.")
    a, b = (np.asarray(z, dtype=np.float64).ravel() for z in (z_a, z_b))
    if len(a) != columns or len(b) != columns:
        raise ParameterError(f"Ends of {len(a)} and {len(b)} numbers came; the latent has {columns} columns.")
    if kind == "spherical":
        return spherical(a, b, n)
    straight = a + np.linspace(0, 1, n)[:, None] * (b - a)
    return geodesic(_decoder(estimator), straight) if kind == "geodesic" else straight


def interpolation(estimator: Any, x_a: Any, x_b: Any, n: int = 9, kind: str = "linear") -> np.ndarray:
    """Decoded points on the way between the posterior means of two rows, whose ends are the rows' reconstructions.

    E[x|z(t)] for n values of t from 0 to 1, z(0) = E_q[z|x_a], z(1) = E_q[z|x_b]. Under a standard normal prior the middle of
    a straight line lies nearer to the origin than its ends.

    Arguments:
        estimator: fitted, with latent units.
        x_a, x_b: one row each, user's units, `(columns,)` or the shape of an image.
        n: points, two at least.
        kind: of the way, see `path`.

    Returns E[x|z(t)], user's units, `(n, columns)`.

    Raises: `ParameterError` for fewer than two points; `AbilityError` for a latent without axes.
    """
    n_units(estimator)
    ends = estimator.transform(np.stack([np.asarray(x_a).ravel(), np.asarray(x_b).ravel()]))
    return estimator.inverse_transform(path(estimator, ends[0], ends[1], n, kind))


def spherical(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Points between a and b whose direction turns at constant speed, and whose length changes evenly, `(n, units)`.

    Straight where a direction is missing or the two are (nearly) parallel.
    """
    t = np.linspace(0, 1, n)[:, None]
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if min(length_a, length_b) == 0:
        return a + t * (b - a)
    u, v = a / length_a, b / length_b
    angle = np.arccos(np.clip(u @ v, -1, 1))
    if np.sin(angle) < 1e-9:
        return a + t * (b - a)
    direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return ((1 - t) * length_a + t * length_b) * direction


def geodesic(decode: Callable[[Tensor], Tensor], start: np.ndarray) -> np.ndarray:
    """The curve between the ends of `start` that is short after `decode`, `(n, units)`.

    Arguments:
        decode: latents `(m, units)` to points `(m, columns)`, with a gradient.
        start: the curve to begin with, `(n, units)`; its ends stay.
    """
    fine = _spread(start, np.arange(len(start)), BETWEEN * (len(start) - 1) + 1)
    ends = torch.as_tensor(fine[[0, -1]])
    inner = torch.tensor(fine[1:-1], requires_grad=True)
    optimizer = torch.optim.LBFGS([inner], max_iter=200, history_size=20, line_search_fn="strong_wolfe")

    def energy() -> Tensor:
        points = decode(torch.cat([ends[:1], inner, ends[1:]])).flatten(1)
        if not points.requires_grad:
            raise AbilityError(
                "A geodesic follows the decoder's slopes, and there are none along a choice among categories. Use kind='linear'."
            )
        return (len(fine) - 1) * (points[1:] - points[:-1]).square().sum()

    def closure() -> Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = energy()
            loss.backward()
        return loss.detach()

    optimizer.step(closure)  # type: ignore[arg-type]
    curve = torch.cat([ends[:1], inner.detach(), ends[1:]])
    with torch.no_grad():
        points = decode(curve).flatten(1)
    length = np.concatenate([[0.0], np.cumsum((points[1:] - points[:-1]).norm(dim=1).numpy())])
    return _spread(curve.numpy(), length, len(start))


def _spread(curve: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
    """n points of a polygon, equally far apart by `at`, which never falls."""
    if not at[-1] > 0:
        at = np.arange(len(curve), dtype=np.float64)
    to = np.linspace(at[0], at[-1], n)
    return np.stack([np.interp(to, at, column) for column in curve.T], axis=1)


def _decoder(estimator: Any) -> Callable[[Tensor], Tensor]:
    model = estimator.model_
    like, prior = next(model.parameters()), model.prior()

    def decode(z: Tensor) -> Tensor:
        latents = from_columns(z.to(like), prior).unsqueeze(0)
        with evaluating(model), torch.set_grad_enabled(z.requires_grad):
            return model.standardise(centre(model.likelihood(latents))[0]).cpu().double()

    return decode
