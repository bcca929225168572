"""The denoising autoencoder, as an estimator."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..bounds import Reconstruction
from ..corruption import KINDS, Corruption, GaussianNoise, Given, Masking, SaltAndPepper
from ..errors import AbilityError, ParameterError, choose
from ..learn import Learner
from ..models import Model
from . import given
from .autoencoder import Autoencoder
from .facts import Facts, as_facts
from .plan import Plan

DESTROYS = 1000.0  # times the columns' standard deviation: nothing of a row is left


class DenoisingAutoencoder(Autoencoder):
    """r(x) = decoder(encoder(x)), learnt to give back x from a corrupted x.

    With additive Gaussian noise of standard deviation s and squared error the best r is E[x | x + noise], and

        (r(x) - x) / s^2 = d/dx log p_s(x),

    the score of the rows' density smoothed with that noise: `score_field`.

    Arguments:
        n_latent: size of z; it may exceed the number of columns.
        corruption: "gaussian", "masking", "salt-and-pepper", or a function of a tensor of rows `(rows, columns)`, user's units,
            that gives one of the same shape. A function is not saved with a run.
        noise_scale: s of "gaussian", user's units, the same for every column; None is half the root of the columns' mean variance.
        corruption_share: share of the cells that "masking" (replaces by the column's mean; whole numbers by 0) and
            "salt-and-pepper" (by the column's least or largest value) destroy.
        others: as for `Autoencoder`.

    Sources: Vincent et al., "Extracting and composing robust features with denoising autoencoders", 2008; Alain and Bengio,
    "What regularized auto-encoders learn from the data-generating distribution", 2014, theorem 1; Miyasawa, 1961.

    >>> x = np.random.default_rng(0).normal(size=(64, 2))
    >>> model = DenoisingAutoencoder(4, noise_scale=0.3, hidden=(8,), max_epochs=2, random_state=0).fit(x)
    >>> model.score_field(x).shape, model.denoise(x).shape
    ((64, 2), (64, 2))
    """

    _learnt = ("n_categories_", "noise_scale_", "fill_", "low_", "high_")
    _warns_of_identity = False

    def __init__(
        self,
        n_latent: int = 8,
        *,
        corruption: str | Callable[[torch.Tensor], torch.Tensor] | None = "gaussian",
        noise_scale: float | None = None,
        corruption_share: float = 0.3,
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
        self.corruption, self.noise_scale, self.corruption_share = corruption, noise_scale, corruption_share
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

    # --- learning ----------------------------------------------------------------------------------------------

    def _make_plan(self, x: np.ndarray | Facts, weight: np.ndarray | None) -> Plan:
        facts = as_facts(x, weight)
        mean, sd = facts.moments()
        self.low_, self.high_ = facts.low.tolist(), facts.high.tolist()
        self.fill_ = mean.tolist() if facts.kind == "real" else [0.0] * len(mean)
        spread = float(np.sqrt(np.mean(np.square(sd)))) or 1.0
        self.noise_scale_ = spread / 2 if self.noise_scale is None else float(self.noise_scale)
        if self.corruption == "gaussian" and self.noise_scale_ > DESTROYS * spread:
            raise ParameterError(
                f"noise_scale={self.noise_scale_:g} is more than {DESTROYS:g} times the columns' standard deviation ({spread:.3g}), "
                "which destroys everything. Use a smaller one."
            )
        if self.corruption is None:
            raise ParameterError(
                f"corruption=None leaves nothing to undo. Use one of {', '.join(KINDS)}, or a function."
            )
        return super()._make_plan(facts, weight)

    def _corruption(self) -> Corruption | None:
        """What is undone; None in a run that was loaded, whose function was not saved."""
        if self.corruption is None or callable(self.corruption):
            return None if self.corruption is None else Given(self.corruption)
        kind = choose("corruption", self.corruption, KINDS)
        if kind == "gaussian":
            return GaussianNoise(self.noise_scale_)
        if kind == "masking":
            return Masking(self.corruption_share, self.fill_)
        return SaltAndPepper(self.corruption_share, self.low_, self.high_)

    def _bound(self) -> Reconstruction:
        return Reconstruction(self._corruption(), self.sparsity, self.contraction)

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        model, learner = super()._make(plan, n_features, n_rows)
        if callable(self.corruption) and self.execution == "auto":
            learner.execution = "eager"  # type: ignore[attr-defined]  # what a function of the user's decides is not recorded
        return model, learner

    def _prepare(self, given: "given.Given", warm: bool) -> None:
        if callable(self.corruption) and hasattr(given, "x"):
            rows = torch.as_tensor(given.x[:256]).float()  # type: ignore[attr-defined]
            Given(self.corruption).check(rows)
        super()._prepare(given, warm)

    # --- using -------------------------------------------------------------------------------------------------

    def denoise(self, X: Any) -> np.ndarray:
        """r(X): for squared error the expected clean row, user's units, `(rows, columns)`."""
        return self.reconstruct(X)

    def score_field(self, X: Any) -> np.ndarray:
        """(r(x) - x) / noise_scale^2, an estimate of the gradient of log p_s at each row, `(rows, columns)`.

        Raises: `AbilityError` unless the noise was additive and Gaussian and the error squared.
        """
        squared = getattr(self, "plan_", None) is None or (
            self.plan_.likelihood == "normal" and not isinstance(self.noise, str)
        )
        if self.corruption != "gaussian" or not squared or self.binarize is not None:
            raise AbilityError(
                "(r(x) - x) / noise_scale^2 is the score of a density only for additive Gaussian noise and squared error. "
                "Fit with corruption='gaussian', likelihood='normal', a number as noise and binarize=None."
            )
        x, _ = self._seen(X)
        return (self.reconstruct(x).astype(np.float64) - x) / self.noise_scale_**2
