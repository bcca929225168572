"""Generators and critics, from an estimator's parameters."""

from typing import Any

import numpy as np
from torch import nn

from ..errors import ParameterError, choose
from ..networks import MLP, ConvCritic, ConvGenerator, Critic
from .building import NETWORKS


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


def picture_shape(estimator: Any, n_features: int) -> tuple[int, ...]:
    """(height, width[, channels]) of the rows; raises `ParameterError` where it does not fit."""
    shape = tuple(estimator.image_shape or getattr(estimator, "image_shape_", ()))
    if len(shape) in (2, 3) and int(np.prod(shape)) == n_features:
        return shape
    raise ParameterError(
        f"network='conv' needs image_shape=(height, width[, channels]) of {n_features} pixels; {shape or None} came. "
        "Give it, or use network='mlp'."
    )
