"""Networks and learner of a VAE, from an estimator's parameters."""

from typing import Any

import numpy as np
from torch import nn

from ..bounds import Elbo, ImportanceWeighted
from ..errors import ParameterError, choose
from ..learn import AmortizedVI, Learner, Objective, Schedule
from ..networks import MLP, ConvDecoder, ConvEncoder
from ..posteriors import Posterior

NETWORKS = ("mlp", "conv")
LEARNERS = ("amortized",)
BOUNDS = {"elbo": Elbo, "importance-weighted": ImportanceWeighted}


def make_networks(estimator: Any, n_features: int, n_raw: int, per_unit: int = 2) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder: x -> `per_unit` raw numbers for each latent unit, z -> `n_raw` per cell."""
    choose("network", estimator.network, NETWORKS)
    n_latent, hidden = int(estimator.n_latent), tuple(estimator.hidden)
    if estimator.network == "mlp":
        encoder = MLP(n_features, per_unit * n_latent, hidden, estimator.activation)
        return encoder, MLP(n_latent, n_raw * n_features, hidden[::-1], estimator.activation)
    shape = tuple(estimator.image_shape or getattr(estimator, "image_shape_", ()))
    if len(shape) not in (2, 3) or int(np.prod(shape)) != n_features:
        raise ParameterError(
            f"network='conv' needs image_shape=(height, width[, channels]) of {n_features} pixels; "
            f"{shape or None} came. Give it, or use network='mlp'."
        )
    options: dict[str, Any] = {"n_hidden": hidden[-1] if hidden else 256, "activation": estimator.activation}
    encoder = ConvEncoder(shape, per_unit * n_latent, **options)
    return encoder, ConvDecoder(n_latent, shape, n_raw, **options)


def make_learner(estimator: Any, posterior: Posterior, n_rows: int) -> Learner:
    """The learner with its bound, objective, optimiser and schedule."""
    choose("learner", estimator.learner, LEARNERS)
    bound = BOUNDS[choose("bound", estimator.bound, tuple(BOUNDS))](estimator.n_samples)
    steps = estimator.max_epochs * -(-n_rows // estimator.batch_size)
    return AmortizedVI(
        posterior,
        bound=bound,
        objective=Objective(estimator.kl_weight, estimator.kl_warm_up),
        optimizer=estimator.optimizer,
        learning_rate=estimator.learning_rate,
        schedule=Schedule(estimator.schedule, n_steps=steps),
        gradient_clip=estimator.gradient_clip,
        execution=estimator.execution,
    )
