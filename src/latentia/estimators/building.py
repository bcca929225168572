"""Networks and learner of a VAE, from an estimator's parameters."""

from numbers import Integral
from typing import Any

import numpy as np
from torch import nn

from ..bounds import Bound, Elbo, ImportanceWeighted, Renyi
from ..bounds.gradients import as_gradient, made_gradient, names_for
from ..errors import ParameterError, choose
from ..families import Bernoulli, Categorical, Family, Pixels, check_gradient
from ..learn import Learner, Schedule
from ..networks import MLP, ConvDecoder, ConvEncoder, GatedPixelCNN, SkipMLP
from ..posteriors import Amortized, Posterior
from .cures import make_objective
from .gan_networks import game_beside
from .latents import default_gradient
from .learners import learner_of

NETWORKS = ("mlp", "conv")
VAE_NETWORKS = (*NETWORKS, "pixelcnn")
BOUNDS = ("elbo", "importance-weighted", "renyi")


def networks_of_sizes(
    estimator: Any,
    n_features: int,
    n_encoded: int,
    n_latent: int,
    n_decoded: int,
    networks: tuple[str, ...] = NETWORKS,
) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder: x -> `n_encoded` numbers, `n_latent` numbers -> `n_decoded`."""
    choose("network", estimator.network, networks)
    _check_image_shape(estimator.image_shape)
    hidden = tuple(estimator.hidden)
    if estimator.network == "mlp":
        encoder = MLP(n_features, n_encoded, hidden, estimator.activation)
        decoder = SkipMLP if getattr(estimator, "skip", False) else MLP
        return encoder, decoder(n_latent, n_decoded, hidden[::-1], estimator.activation)
    shape = shape_of_images(estimator, n_features)
    options: dict[str, Any] = {"n_hidden": hidden[-1] if hidden else 256, "activation": estimator.activation}
    encoder = ConvEncoder(shape, n_encoded, **options)
    if estimator.network == "pixelcnn":
        return encoder, MLP(n_latent, n_decoded, ())  # the context; the rest is the likelihood's own network
    if n_decoded % n_features:
        raise ParameterError(
            f"network='conv' gives each pixel numbers of its own and likelihood={estimator.likelihood!r} is one density of a "
            "whole row. Use network='mlp'."
        )
    options["skip"] = getattr(estimator, "skip", False)
    return encoder, ConvDecoder(n_latent, shape, n_decoded // n_features, **options)


def shape_of_images(estimator: Any, n_features: int) -> tuple[int, ...]:
    """(height, width[, channels]), as it was given or came with the rows."""
    shape = tuple(estimator.image_shape or getattr(estimator, "image_shape_", ()))
    if len(shape) not in (2, 3) or int(np.prod(shape)) != n_features:
        raise ParameterError(
            f"network={estimator.network!r} needs image_shape=(height, width[, channels]) of {n_features} pixels; "
            f"{shape or None} came. Give it, or use network='mlp'."
        )
    return shape


def _check_image_shape(shape: Any) -> None:
    """Raise `ParameterError` unless it is None, or two or three whole numbers of at least 1."""
    if shape is None:
        return
    sizes = tuple(shape) if isinstance(shape, (tuple, list, np.ndarray)) else ()
    whole = all(isinstance(size, Integral) and not isinstance(size, bool) and int(size) > 0 for size in sizes)
    if len(sizes) not in (2, 3) or not whole:
        raise ParameterError(
            f"image_shape={shape!r} cannot be used. Use (height, width) or (height, width, channels), whole numbers such as "
            "(28, 28)."
        )


def pixel_by_pixel(estimator: Any, family: Family, n_features: int) -> Family:
    """The family as it is, or with network="pixelcnn" of pixels that depend on those before them.

    Raises: `ParameterError` where the family is neither of coins nor of categories.
    """
    choose("network", estimator.network, VAE_NETWORKS)
    if estimator.network != "pixelcnn":
        return family
    if not isinstance(family, Bernoulli | Categorical):
        raise ParameterError(
            f"network='pixelcnn' draws pixels that are zeros and ones or grey levels, and the likelihood is {family.name}. Use "
            "likelihood='bernoulli' (with binarize='stochastic' for grey levels), likelihood='categorical', or network='conv'."
        )
    high = family.n_raw - 1 if isinstance(family, Categorical) else 1
    sizes = {"n_channels": int(estimator.channels), "n_layers": int(estimator.n_layers), "high": high}
    return Pixels(GatedPixelCNN(shape_of_images(estimator, n_features), family.n_raw, **sizes), family)


def make_bound(estimator: Any, posterior: Posterior, family: Family | None = None) -> Bound:
    """The bound with its gradient; "auto" is the best that the posterior's family has for these samples."""
    kind, gradient = choose("bound", estimator.bound, BOUNDS), getattr(estimator, "gradient", "auto")
    if family is None and isinstance(posterior, Amortized):
        family = posterior.encoder.family
    if gradient == "auto" and family is not None:
        gradient = default_gradient(family, kind, estimator.n_samples)
    if family is not None and isinstance(gradient, str):
        one = "elbo" if kind == "elbo" else "importance"
        names = names_for(one, family)
        check_gradient(family, gradient, names)
        as_gradient(gradient, one, estimator.n_samples, names)
    gradient = made_gradient(gradient, getattr(estimator, "gradient_options", None))
    alpha = getattr(estimator, "alpha", None)
    if kind == "renyi":
        return Renyi(estimator.n_samples, 0.5 if alpha is None else alpha, gradient)
    if alpha is not None:
        raise ParameterError(
            f"alpha={alpha!r} is the order of Renyi's bound, and bound={kind!r} has none. Use bound='renyi'."
        )
    return (Elbo if kind == "elbo" else ImportanceWeighted)(estimator.n_samples, gradient=gradient)


def make_learner(estimator: Any, posterior: Posterior, n_rows: int, family: Family | None = None) -> Learner:
    """The learner with its bound, objective, optimiser and schedule."""
    bound = make_bound(estimator, posterior, family)
    steps = estimator.max_epochs * -(-n_rows // estimator.batch_size)
    shared = {
        "bound": bound,
        "objective": make_objective(estimator),
        "optimizer": estimator.optimizer,
        "learning_rate": estimator.learning_rate,
        "schedule": Schedule(estimator.schedule, n_steps=steps),
        "gradient_clip": estimator.gradient_clip,
        "execution": estimator.execution,
    }
    own = getattr(estimator, "learner_options", None)
    if estimator.learner == "adversarial":
        return game_beside(estimator, posterior, own, shared)
    return learner_of(estimator.learner, posterior, family, own, shared)
