"""Generators and critics, from an estimator's parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from ..errors import ParameterError, choose
from ..learn import Adversarial
from ..learn.games.settings import needs
from ..networks import MLP, ConvCritic, ConvGenerator, Critic
from .parameters import check_kind

NETWORKS = ("mlp", "conv")
GAME_OPTIONS = (
    "objective",
    "game_weight",
    "judged",
    "reconstruct",
    "critic_steps",
    "pack",
    "gradient_penalty",
    "r1",
    "r2",
)
GAME_OPTIONS += ("betas", "critic_learning_rate", "average", "spectral", "channels")


def make_generator(estimator: Any, n_features: int, *, closed: bool) -> nn.Module:
    """z -> x in the model's units; `closed` keeps x between 0 and 1."""
    choose("network", estimator.network, NETWORKS)
    if estimator.network == "mlp":
        network: nn.Module = MLP(estimator.n_latent, n_features, tuple(estimator.hidden), estimator.activation)
    else:
        shape = picture_shape(estimator, n_features)
        network = ConvGenerator(
            estimator.n_latent, shape, channels=int(estimator.channels), activation=estimator.activation
        )
    return nn.Sequential(network, nn.Sigmoid()) if closed else network


def make_critic(estimator: Any, n_features: int) -> nn.Module:
    """Packs of rows in the model's units -> one score each."""
    pack, spectral = max(1, int(estimator.pack)), bool(estimator.spectral)
    if estimator.network == "mlp":
        return Critic(pack * n_features, tuple(estimator.hidden), spectral=spectral)
    return ConvCritic(picture_shape(estimator, n_features), pack, int(estimator.channels), spectral=spectral)


def settings_of(estimator: Any) -> dict[str, Any]:
    """critic_steps, betas, gradient_penalty and r1 as given, or as its game is known to need.

    >>> from latentia import GAN
    >>> settings_of(GAN(objective="wasserstein", r1=0.5))
    {'critic_steps': 5, 'betas': (0.0, 0.9), 'gradient_penalty': 0.1, 'r1': 0.5}
    """
    given = {name: getattr(estimator, name) for name in ("critic_steps", "betas", "gradient_penalty", "r1")}
    return {name: known if given[name] is None else given[name] for name, known in needs(estimator.objective).items()}


def picture_shape(estimator: Any, n_features: int) -> tuple[int, ...]:
    """(height, width[, channels]) of the rows; raises `ParameterError` where it does not fit."""
    shape = tuple(estimator.image_shape or getattr(estimator, "image_shape_", ()))
    if len(shape) in (2, 3) and int(np.prod(shape)) == n_features:
        return shape
    raise ParameterError(
        f"network='conv' needs image_shape=(height, width[, channels]) of {n_features} pixels; {shape or None} came. "
        "Give it, or use network='mlp'."
    )


def game_beside(
    estimator: Any, posterior: nn.Module, own: Mapping[str, Any] | None, shared: Mapping[str, Any]
) -> Adversarial:
    """Bound and game for one model: a critic of the estimator's own networks judges its means, or its codes.

    Arguments:
        estimator: whose `network`, `hidden` and sizes the critic gets.
        posterior: the encoder's q.
        own: options of `learn.Adversarial`, and `spectral` and `channels` of the critic.
        shared: bound, objective (its KL weight), optimizer, learning_rate, schedule, gradient_clip, execution.

    Raises: `ParameterError` for options that the learner has not.
    """
    options = {"judged": "means", **(own or {})}
    strange = sorted(set(options) - set(GAME_OPTIONS))
    if strange:
        known = ", ".join(GAME_OPTIONS)
        raise ParameterError(f"learner='adversarial' has no option {', '.join(strange)}. It has: {known}.")
    for name, value in options.items():
        if value is not None:
            check_kind(name, value)
    if shared["gradient_clip"] is not None:
        raise ParameterError(
            "learner='adversarial' clips no gradient. Leave gradient_clip out; r1=1 keeps the critic tame."
        )
    passed = {key: shared[key] for key in ("bound", "optimizer", "learning_rate", "schedule", "execution")}
    weights = shared["objective"]
    if not (options["judged"] == "codes" and weights.is_bound):
        passed["bound_objective"] = weights
    critic = _critic_beside(estimator, options)
    return Adversarial(critic, posterior=posterior, **options, **passed)


def _critic_beside(estimator: Any, options: dict[str, Any]) -> nn.Module:
    spectral, channels = bool(options.pop("spectral", False)), int(options.pop("channels", 32))
    pack, hidden = max(1, int(options.get("pack", 1))), tuple(estimator.hidden) or (256,)
    if options["judged"] == "codes":
        return Critic(pack * int(estimator.n_latent), hidden, spectral=spectral)
    n_features = int(estimator.n_features_in_)
    if estimator.network == "conv":
        return ConvCritic(picture_shape(estimator, n_features), pack, channels, spectral=spectral)
    return Critic(pack * n_features, hidden, spectral=spectral)
