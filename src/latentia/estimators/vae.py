"""The variational autoencoder, as an estimator."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..binarise import Binarise
from ..conditional import Conditional
from ..families import DiscretisedLogisticMixture
from ..learn import Learner
from ..models import LatentVariableModel, Model, VampPrior
from ..networks.centred import Centred
from ..posteriors import Amortized, Borrowed, Posterior
from .base import LatentEstimator
from .building import VAE_NETWORKS, make_learner, networks_of_sizes, pixel_by_pixel
from .cures import collapse_watch, with_committed_rate, with_normalised_mean
from .facts import Facts, as_facts
from .latents import make_latent, make_prior, pseudo_inputs, refuse_sharing
from .plan import Plan, check_support, make_binarise, make_plan


class VAE(LatentEstimator):
    """Variational autoencoder: p(x, z) = p(z) p(x|z), learnt with an encoder q(z|x); by default p(z) = N(z; 0, I).

    Arguments:
        n_latent: size of z; of categories the number of groups.
        posterior: family of q(z|x): "normal", "full-normal", "gamma", "bernoulli", "categorical", "von-mises-fisher",
            "autoregressive-flow", ...: `latentia families` lists them.
        posterior_options, prior_options, likelihood_options: of the family of that name, such as {"df": 5.0} of a "student-t",
            {"rank": 3} of a "low-rank-normal", {"n_transforms": 5} of a flow; `latentia families` lists them.
        prior: "auto" (the standard normal, or the posterior's own family where a normal does not fit), "vamp" (the mixture of
            the posteriors of learnt pseudo-inputs), "normal-mixture", or a family: at its raw zeros, or learnt.
        learn_prior: whether a family's parameters are learnt as a prior.
        n_pseudo_inputs, n_components: of a "vamp" and of a "normal-mixture" prior.
        latent_categories: values of each categorical latent.
        temperature: of relaxed and straight-through latents.
        likelihood: "auto" (from what the columns hold), "normal", "bernoulli", "poisson", "full-normal", ..., or
            "cross-entropy" (a reconstruction error, without evidence).
        scale: "auto", "none", "standard" or "unit": the map to the model's units, a part of the density.
        noise: scale of a normal likelihood: "per-feature", "one", "network", a number (model units), or "auto": one for
            grey levels (a pixel that is nearly always blank would else decide about all), else per feature.
        binarize: None, "stochastic" (coin flips, drawn anew every epoch) or "threshold", for grey levels.
        network: "mlp", "conv" or "pixelcnn" (both need `image_shape`). A "pixelcnn" explains each pixel by z and the pixels before
            it; pixels are zeros and ones, or levels (likelihood="categorical"); a draw takes a pass of the network for each pixel.
        image_shape: (height, width) or (height, width, channels) of flat rows; None takes it from 3-D input.
        hidden: sizes of the hidden layers of encoder and decoder.
        activation: of the networks.
        channels, n_layers: of a "pixelcnn".
        learner: "amortized", "svi", "semi-amortized", "aggressive", "wake-sleep", "reweighted-wake-sleep", "monte-carlo-em";
            "exact-em" and "variational-em" are for other models, and say so.
        learner_options: the learner's own, by name: for "aggressive" {"max_inner": 50}; see `latentia.learn`.
        bound: "elbo", "importance-weighted" or "renyi", what is ascended.
        alpha: order of the Renyi bound, 0.5 unless told; of no other bound.
        gradient: of the bound by q's parameters: "auto" (through the draws where they have a path, else "disarm",
            "leave-one-out", "vimco" or "nvil", whichever the latent and `n_samples` allow), or a name of `families.GRADIENTS`.
        gradient_options: of that estimator, such as {"decay": 0.9} of a "moving-average" or {"hidden": (50,)} of "nvil".
        n_samples: draws of z per row while learning.
        kl_weight, kl_warm_up: weight of the KL, and steps in which it rises from 0 (the ELBO only).
        kl_annealing, kl_cycles: how it rises: "linear", "sigmoid", or "cyclical" in so many cycles.
        free_bits, free_bits_group: nats of KL that cost nothing, for each group of so many units; a group of 0 is all.
        target_rate: nats per row to which the KL is drawn, see `learn.Objective`.
        committed_rate: nats per row below which the KL cannot fall (delta-VAE): the posterior's scales are kept small.
        batch_norm_mean: spread of the posterior means over a batch, fixed by a batch norm (BN-VAE), such as 0.6; 0 for none.
        skip: z enters every layer of the decoder.
        max_epochs, max_time, batch_size: how long, seconds at most, rows per step.
        optimizer, learning_rate, schedule, gradient_clip: see `learn.AmortizedVI`; schedule "constant", "cosine", "linear".
        validation_fraction: share of rows held out for early stopping; 0 for none.
        patience: epochs without a better held-out bound before it stops; None never.
        device, precision: "auto", "cpu", "cuda", "mps"; "float32", "float64", "bfloat16".
        execution: "auto" (steps are recorded and replayed, the same bits in less time), "eager", "recorded", or "compiled"
            (by `torch.compile`: half a minute before the first step, 1.0 to 1.3 times the speed on a CPU).
        diagnose_every: epochs between two looks at what z carries, written into the history; 0 for none.
        warm_start: go on from the weights that are there.
        random_state: seed; None draws one, without touching any global state.
        verbose: 1 prints what was chosen and a line per epoch.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014.

    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> VAE(n_latent=2, hidden=(8,), max_epochs=2, random_state=0).fit_transform(x).shape
    (64, 2)
    """

    _default_evidence = "importance"
    _learnt = ("n_categories_",)

    def __init__(
        self,
        n_latent: int = 8,
        *,
        posterior: str = "normal",
        posterior_options: dict[str, Any] | None = None,
        prior: str = "auto",
        prior_options: dict[str, Any] | None = None,
        learn_prior: bool = False,
        n_pseudo_inputs: int = 50,
        n_components: int = 10,
        latent_categories: int = 10,
        temperature: float = 0.67,
        likelihood: str = "auto",
        likelihood_options: dict[str, Any] | None = None,
        scale: str = "auto",
        noise: float | str = "auto",
        binarize: str | None = None,
        network: str = "mlp",
        image_shape: Sequence[int] | None = None,
        hidden: Sequence[int] = (256, 256),
        activation: str = "relu",
        channels: int = 32,
        n_layers: int = 5,
        learner: str = "amortized",
        learner_options: dict[str, Any] | None = None,
        bound: str = "elbo",
        alpha: float | None = None,
        gradient: str = "auto",
        gradient_options: dict[str, Any] | None = None,
        n_samples: int = 1,
        kl_weight: float = 1.0,
        kl_warm_up: int = 0,
        kl_annealing: str = "linear",
        kl_cycles: int = 4,
        free_bits: float = 0.0,
        free_bits_group: int = 1,
        target_rate: float | None = None,
        committed_rate: float = 0.0,
        batch_norm_mean: float = 0.0,
        skip: bool = False,
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
        diagnose_every: int = 0,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent, self.posterior, self.prior, self.learn_prior = n_latent, posterior, prior, learn_prior
        self.n_pseudo_inputs, self.n_components = n_pseudo_inputs, n_components
        self.latent_categories, self.temperature = latent_categories, temperature
        self.posterior_options, self.prior_options = posterior_options, prior_options
        self.likelihood, self.scale, self.noise = likelihood, scale, noise
        self.likelihood_options = likelihood_options
        self.binarize, self.network, self.image_shape = binarize, network, image_shape
        self.hidden, self.activation = hidden, activation
        self.channels, self.n_layers = channels, n_layers
        self.learner, self.learner_options = learner, learner_options
        self.bound, self.n_samples = bound, n_samples
        self.alpha, self.gradient, self.gradient_options = alpha, gradient, gradient_options
        self.kl_weight, self.kl_warm_up = kl_weight, kl_warm_up
        self.kl_annealing, self.kl_cycles = kl_annealing, kl_cycles
        self.free_bits, self.free_bits_group, self.target_rate = free_bits, free_bits_group, target_rate
        self.committed_rate, self.batch_norm_mean, self.skip = committed_rate, batch_norm_mean, skip
        self.max_epochs, self.max_time, self.batch_size = max_epochs, max_time, batch_size
        self.optimizer, self.learning_rate, self.schedule = optimizer, learning_rate, schedule
        self.gradient_clip = gradient_clip
        self.validation_fraction, self.patience = validation_fraction, patience
        self.device, self.precision, self.execution = device, precision, execution
        self.diagnose_every = diagnose_every
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def _make_plan(self, x: np.ndarray | Facts, weight: np.ndarray | None) -> Plan:
        facts = as_facts(x, weight)
        plan = make_plan(facts, self.likelihood, self.scale)
        self.n_categories_ = int(facts.high.max()) + 1 if plan.counts_levels else 0
        family = plan.family(len(facts.low), self.noise, max(1, self.n_categories_), self.likelihood_options)
        check_support(facts, plan, family, self.columns_)
        self._facts = facts if self.prior == "vamp" else None
        return plan

    def _binarise(self, x: np.ndarray | Facts) -> Binarise | None:
        return make_binarise(self.binarize, x)

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        refuse_sharing(self)
        latent = with_committed_rate(self, make_latent(self))
        cells = plan.family(n_features, self.noise, max(1, self.n_categories_), self.likelihood_options)
        family = pixel_by_pixel(self, cells, n_features)
        sizes = latent.family.n_outputs, latent.n_in, family.n_outputs
        encoder, decoder = networks_of_sizes(self, n_features, *sizes, VAE_NETWORKS)
        encoder = with_normalised_mean(self, encoder)
        if isinstance(cells, DiscretisedLogisticMixture) or (plan.counts_levels and self.network == "pixelcnn"):
            half = max(1, self.n_categories_ - 1) / 2
            encoder = Centred(half, half, encoder)
        likelihood = Conditional(latent.wrap(decoder), family, latent.shape)
        likelihood.start_at(torch.as_tensor(plan.mean), torch.as_tensor(plan.sd))
        q = Conditional(encoder, latent.family, (n_features,), joint=True)
        prior = make_prior(self, latent, q, self._starts(plan, n_features))
        model = LatentVariableModel(prior, likelihood, plan.scaling)
        posterior: Posterior = Borrowed() if isinstance(prior, VampPrior) else Amortized(q)
        return model, make_learner(self, posterior, n_rows, latent.family)

    def _starts(self, plan: Plan, n_features: int) -> torch.Tensor:
        """Where pseudo-inputs begin; nothing is drawn where there are none."""
        if self.prior != "vamp":
            return torch.zeros(0, n_features)
        facts, self._facts = getattr(self, "_facts", None), None
        return pseudo_inputs(self.n_pseudo_inputs, n_features, facts, plan.scaling)

    def _work(self, rows: Any) -> int:
        layers = int(self.channels) * int(self.n_layers) if self.network == "pixelcnn" else 1
        return super()._work(rows) * layers

    def _callbacks(self, training: Any) -> list[Callable[..., Any]]:
        return collapse_watch(self, training)

    def _loop_options(self) -> dict[str, Any]:
        names = ("max_epochs", "max_time", "batch_size", "patience", "device", "precision")
        return {name: getattr(self, name) for name in names}
