"""Autoencoders and denoising autoencoders, as estimators."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..binarise import Binarise
from ..bounds import Reconstruction
from ..conditional import Conditional
from ..errors import ParameterError
from ..families import DiscretisedLogisticMixture
from ..learn import AmortizedVI, Learner, Schedule
from ..models import Decoder, Model
from ..networks.centred import Centred
from ..networks.transposed import Transposed, linears
from ..posteriors import Point
from .building import networks_of_sizes
from .facts import Facts, as_facts
from .fine_tuning import FineTuned, fine_tune
from .given import Given
from .plan import Plan, make_binarise
from .points import PointEstimator, levels_of, plan_of_error
from .pretraining import pretrain


class Autoencoder(PointEstimator):
    """z = encoder(x), learnt by log p(x|z) under a decoder: a point for each row, and no log p(x).

    Arguments:
        n_latent: size of z.
        likelihood: "auto" ("bernoulli" for zeros and ones, else "normal", a squared error), or any likelihood of cells or of
            rows, see `latentia families`; "cross-entropy" for grey levels.
        likelihood_options: of the family of that name, such as {"df": 5.0} of a "student-t", {"rank": 3} of a "low-rank-normal".
        scale: "auto", "none", "standard" or "unit": the map to the units in which errors are measured.
        noise: scale of a normal likelihood, model units; 1 makes it the squared error. Others as for `VAE`.
        binarize: None, "stochastic" or "threshold", for grey levels.
        network: "mlp" or "conv" (needs `image_shape`; sizes that cannot be halved twice are padded and cut).
        image_shape: (height, width) or (height, width, channels) of flat rows; None takes it from 3-D input.
        hidden: sizes of the encoder's hidden layers; the decoder has them backwards.
        activation: of the networks.
        tied: the decoder has the encoder's weights, transposed, and biases of its own ("mlp" only).
        pretrain_epochs: each layer is first learnt as an autoencoder of the layer below for so many epochs, then all are
            unrolled and learnt together; 0 for none ("mlp" only).
        sparsity: penalty sparsity x sum |z|, nats per row.
        contraction: penalty contraction x |dz/dx|^2, nats per row, x in the model's units.
        max_epochs, max_time, batch_size, optimizer, learning_rate, schedule, gradient_clip, validation_fraction, patience,
            device, precision, execution, warm_start, random_state, verbose: as for `VAE`.

    Source: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006.

    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> Autoencoder(n_latent=2, hidden=(8,), max_epochs=2, random_state=0).fit_transform(x).shape
    (64, 2)
    """

    _learnt: tuple[str, ...] = ("n_categories_",)
    _warns_of_identity = True

    def __init__(
        self,
        n_latent: int = 8,
        *,
        likelihood: str = "auto",
        likelihood_options: dict[str, Any] | None = None,
        scale: str = "auto",
        noise: float | str = 1.0,
        binarize: str | None = None,
        network: str = "mlp",
        image_shape: Sequence[int] | None = None,
        hidden: Sequence[int] = (256, 256),
        activation: str = "relu",
        tied: bool = False,
        pretrain_epochs: int = 0,
        sparsity: float = 0.0,
        contraction: float = 0.0,
        max_epochs: int = 100,
        max_time: float | None = None,
        batch_size: int = 128,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        gradient_clip: float | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = 20,
        device: str = "auto",
        precision: str = "float32",
        execution: str = "auto",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent, self.likelihood, self.scale, self.noise = n_latent, likelihood, scale, noise
        self.likelihood_options = likelihood_options
        self.binarize, self.network, self.image_shape = binarize, network, image_shape
        self.hidden, self.activation = hidden, activation
        self.tied, self.pretrain_epochs = tied, pretrain_epochs
        self.sparsity, self.contraction = sparsity, contraction
        self.max_epochs, self.max_time, self.batch_size = max_epochs, max_time, batch_size
        self.optimizer, self.learning_rate, self.schedule = optimizer, learning_rate, schedule
        self.gradient_clip = gradient_clip
        self.validation_fraction, self.patience = validation_fraction, patience
        self.device, self.precision, self.execution = device, precision, execution
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def _make_plan(self, x: np.ndarray | Facts, weight: np.ndarray | None) -> Plan:
        facts = as_facts(x, weight)
        free = not self.sparsity and not self.contraction and self._warns_of_identity
        more = self._warn_identity(int(self.n_latent), len(facts.low)) if free else ()
        given = self.likelihood, self.scale, self.noise
        plan = plan_of_error(facts, weight, *given, self.columns_, more, self.likelihood_options)
        self.n_categories_ = levels_of(facts, plan)
        return plan

    def _binarise(self, x: np.ndarray | Facts) -> Binarise | None:
        return make_binarise(self.binarize, x)

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        if self.n_latent < 1 or self.pretrain_epochs < 0:
            raise ParameterError(
                f"n_latent={self.n_latent}, pretrain_epochs={self.pretrain_epochs} cannot be used. At least one latent unit, "
                "and no fewer than 0 epochs, are needed."
            )
        if (self.tied or self.pretrain_epochs) and self.network != "mlp":
            raise ParameterError("tied=True and pretrain_epochs need layers of one sort. Use network='mlp'.")
        family = plan.family(n_features, self.noise, max(1, self.n_categories_), self.likelihood_options)
        n_latent = int(self.n_latent)
        encoder, decoder = networks_of_sizes(self, n_features, n_latent, n_latent, family.n_outputs)
        if isinstance(family, DiscretisedLogisticMixture):
            half = max(1, self.n_categories_ - 1) / 2
            encoder = Centred(half, half, encoder)
        if self.tied and family.n_outputs != n_features:
            raise ParameterError(
                f"A decoder with the encoder's weights has one number per column, {n_features} in all; "
                f"likelihood={plan.likelihood!r} with noise={self.noise!r} needs {family.n_outputs}. Use tied=False."
            )
        decoder = Transposed(linears(encoder), self.activation) if self.tied else decoder
        likelihood = Conditional(decoder, family, (n_latent,))
        likelihood.start_at(torch.as_tensor(plan.mean), torch.as_tensor(plan.sd))
        model = Decoder(likelihood, plan.scaling, encoder if self.tied else None)
        return model, self._learner(Point(None if self.tied else encoder), n_rows)

    def _learner(self, posterior: Point, n_rows: int) -> Learner:
        return AmortizedVI(
            posterior,
            bound=self._bound(),
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            schedule=Schedule(self.schedule, n_steps=self.max_epochs * -(-n_rows // self.batch_size)),
            gradient_clip=self.gradient_clip,
            execution=self.execution,
        )

    def _bound(self) -> Reconstruction:
        return Reconstruction(sparsity=self.sparsity, contraction=self.contraction)

    def _prepare(self, given: Given, warm: bool) -> None:
        super()._prepare(given, warm)
        if self.pretrain_epochs and not warm:
            pretrain(self, given)

    def _loop_options(self) -> dict[str, Any]:
        names = ("max_epochs", "max_time", "batch_size", "patience", "device", "precision")
        return {name: getattr(self, name) for name in names}

    def encoder_network(self) -> nn.Module:
        """The network that makes codes, from x in the model's units."""
        network = self.model_.encoder if self.tied else self.posterior_.encoder
        assert isinstance(network, nn.Module)
        return network

    def fine_tune(self, X: Any, labels: Any, **options: Any) -> FineTuned:
        """A classifier that begins with this encoder and learns it further, with a linear head, from a few labels.

        Arguments:
            X: rows with labels, user's units.
            labels: of each row, `(rows,)`, numbers or text.
            options: `max_epochs`, `learning_rate`, `batch_size`, `random_state`, see `fine_tuning.fine_tune`.

        This estimator stays as it is.
        """
        return fine_tune(self, X, labels, **options)
