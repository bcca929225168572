"""Cures of posterior collapse, from an estimator's parameters: of the objective, the posterior and the networks."""

from dataclasses import replace
from math import exp, sqrt
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data import Sentences
from ..errors import AbilityError, ParameterError
from ..evidence import CollapseWatch
from ..families import Normal
from ..learn import Objective
from ..networks import NormalisedMean
from .latents import Latent

PROBES = 500  # rows that are looked at again and again


def make_objective(estimator: Any) -> Objective:
    """The objective; estimators need not know all of its cures."""
    own = {
        "annealing": "kl_annealing",
        "cycles": "kl_cycles",
        "free_bits": "free_bits",
        "group": "free_bits_group",
        "target_rate": "target_rate",
    }
    more = {name: getattr(estimator, key) for name, key in own.items() if hasattr(estimator, key)}
    return Objective(estimator.kl_weight, estimator.kl_warm_up, **more)


def with_committed_rate(estimator: Any, latent: Latent) -> Latent:
    """The latent with a posterior whose scales stay so small that no row's KL falls below the committed rate.

    Raises: `AbilityError` unless q is normal and p standard normal.
    """
    rate, most = estimator.committed_rate, 100.0 * int(estimator.n_latent)
    if not 0 <= rate <= most:
        raise ParameterError(f"committed_rate={rate} cannot be used. Use nats per row, from 0 to {most:g}.")
    if not rate:
        return latent
    _check_normal(estimator, "committed_rate")
    n = int(estimator.n_latent)
    return replace(latent, family=Normal((n,), scale="network", ceiling=largest_scale(rate / n)))


def largest_scale(rate: float) -> float:
    """The scale s < 1 at which KL(N(0, s^2) || N(0, 1)) = (s^2 - 1 - log s^2) / 2 is `rate` nats; below it, it is more.

    s^2 = -W(-exp(-1 - 2 rate)), W the principal branch of Lambert's function.

    Source: Razavi et al., "Preventing posterior collapse with delta-VAEs", 2019, section 2.

    >>> s = largest_scale(0.5)
    >>> float(round((s**2 - 1) / 2 - np.log(s), 12))
    0.5
    """
    from scipy.special import lambertw

    return sqrt(-float(lambertw(-exp(-1 - 2 * rate)).real))


def with_normalised_mean(estimator: Any, encoder: nn.Module) -> nn.Module:
    """The encoder's network with batch-normalised means, where the estimator wants them."""
    scale = estimator.batch_norm_mean
    if not 0 <= scale < float("inf"):
        raise ParameterError(f"batch_norm_mean={scale} cannot be used. Use a standard deviation such as 0.6, or 0.")
    if not scale:
        return encoder
    _check_normal(estimator, "batch_norm_mean")
    return NormalisedMean(encoder, int(estimator.n_latent), scale)


def _check_normal(estimator: Any, name: str) -> None:
    fits = estimator.posterior == "normal" and estimator.prior in ("auto", "normal") and not estimator.learn_prior
    if not fits:
        raise AbilityError(
            f"{name} keeps the KL of a normal posterior to the standard normal prior up; posterior={estimator.posterior!r}, "
            f"prior={estimator.prior!r} came. Use those two, or free_bits."
        )


def collapse_watch(estimator: Any, training: Any) -> list[Any]:
    """The callback that looks at some evenly spaced rows of those learnt from, where the estimator wants one."""
    every = estimator.diagnose_every
    if not every:
        return []
    n_rows = len(training) if torch.is_tensor(training) or isinstance(training, Sentences) else training.n_rows
    numbers = np.unique(np.linspace(0, n_rows - 1, PROBES).round().astype(np.int64))
    rows = _taken(training, numbers)
    if estimator.binarise_ is not None:
        rows = estimator.binarise_(rows.double(), estimator.seed_)
    return [CollapseWatch(rows, every=int(every), seed=int(estimator.seed_))]


def _taken(training: Any, numbers: np.ndarray) -> torch.Tensor:
    if torch.is_tensor(training):
        return training[numbers]
    if isinstance(training, Sentences):
        return torch.from_numpy(training.padded(numbers))
    return torch.from_numpy(training.take(numbers).x)
