"""The generative adversarial network, as an estimator."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from .. import evidence as _evidence
from ..errors import AbilityError, NotOffered, ParameterError
from ..estimate import Estimate
from ..learn import Adversarial, Learner, Schedule
from ..models import Generator, Model, StandardNormal, means_of, with_noise
from ..storage import read_tensors, write_tensors
from .base import LatentEstimator
from .facts import Facts, as_facts
from .gan_networks import make_critic, make_generator, settings_of
from .plan import SCALES, Plan, choose, make_scaling

NO_SCORE = (
    "A GAN has samples and no density, so there is no log p(x), nor a bound on it. With noise of a stated scale it has one: "
    "use evidence(X, 'annealed', noise=0.1), the noise in the model's units (latentia score RUN DATA --evidence annealed "
    "--noise 0.1), or judge its samples with evidence.quality (latentia quality RUN DATA, compare RUN RUN --features pca)."
)
NO_CODES = (
    "A GAN was learnt without a q(z|x), so that there is no z for a row. Use a VAE; with learner='adversarial' it is learnt "
    "by a game too."
)
SAMPLES = "samples.safetensors"


def with_stated_noise(
    estimator: LatentEstimator,
    rows: Tensor,
    noise: float,
    n_samples: int | None = None,
    weight: np.ndarray | None = None,
    seed: int = 0,
    **options: Any,
) -> Estimate:
    """log p(x) by annealed importance sampling under N(x; E[x|z], noise^2), whatever noise the model itself has.

    Arguments:
        estimator: a fitted GAN or VAE.
        rows: as the model sees them, `(rows, columns)`.
        noise: standard deviation, in the model's units.
        n_samples: chains per row, 16 unless told.
        weight, seed: as for `evidence`.
        options: of `evidence.annealed`.

    Source: Wu et al., "On the quantitative analysis of decoder-based generative models", 2017.
    """
    model = with_noise(means_of(estimator.model_), noise).to(rows.device).requires_grad_(False)
    like = next(model.parameters())
    found = _evidence.estimate(
        "annealed",
        model,
        None,
        rows.to(like.dtype),
        n_samples=16 if n_samples is None else n_samples,
        seed=seed,
        weight=None if weight is None else torch.as_tensor(weight),
        **options,
    )
    return replace(found, method=f"{found.method}, noise {noise:g}")


class GAN(LatentEstimator, auto_wrap_output_keys=None):
    """Generative adversarial network: z ~ N(0, I), x = G(z), learnt by a game with a critic.

    There is no density and no bound: `score_samples` and `transform` are not offered; `evidence(X, "annealed", noise=0.1)`
    estimates log p(x) under G(z) plus noise of that scale (model's units), and depends on it. The defaults, in 20 epochs, find
    all modes of the ring of 8 and the grid of 25 (benchmarks/gan_modes.py).

    Arguments:
        n_latent: size of z.
        scale: "auto" ("unit" for whole numbers and for zeros and ones, else "standard"), "none", "standard" or "unit".
        network: "mlp" or "conv" (a DCGAN's; needs `image_shape`).
        image_shape: (height, width) or (height, width, channels) of flat rows; None takes it from 3-D input.
        hidden: sizes of the hidden layers of generator and critic ("mlp").
        channels: of the finest layer of generator and critic ("conv").
        activation: of the generator; the critic's is a leaky ReLU.
        learner: "adversarial".
        objective: the game, see `learn.Adversarial`.
        critic_steps, pack, gradient_penalty, r1, r2: see `learn.Adversarial`. None, of these and of `betas`, is what the
            game is known to need: critic_steps=5, gradient_penalty=0.1, r1=0 and betas=(0, 0.9) for "wasserstein", and else
            1, 0, 0.03 and (0.5, 0.99).
        spectral: spectral normalisation of the critic.
        average: decay of the moving average of the generator, which is what remains.
        max_epochs, max_time, batch_size: how long, seconds at most, rows per step.
        optimizer, learning_rate, critic_learning_rate, betas, schedule: of both players.
        validation_fraction: share of rows held out, to see which of them the samples miss; nothing is stopped by it.
        device, precision, execution, warm_start, random_state, verbose: as for `VAE`.

    Sources: Goodfellow et al., "Generative adversarial nets", 2014; Mescheder et al., "Which training methods for GANs do
    actually converge?", 2018 (the penalty r1); Lin et al., "PacGAN", 2018 (packs).

    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> GAN(n_latent=2, hidden=(8,), max_epochs=2, random_state=0).fit(x).sample(3).shape
    (3, 5)
    """

    _default_evidence = "annealed"
    has_codes = False

    def __init__(
        self,
        n_latent: int = 8,
        *,
        scale: str = "auto",
        network: str = "mlp",
        image_shape: Sequence[int] | None = None,
        hidden: Sequence[int] = (128, 128, 128),
        channels: int = 32,
        activation: str = "relu",
        learner: str = "adversarial",
        objective: str = "non-saturating",
        critic_steps: int | None = None,
        pack: int = 1,
        gradient_penalty: float | None = None,
        r1: float | None = None,
        r2: float = 0.0,
        spectral: bool = False,
        average: float = 0.999,
        max_epochs: int = 100,
        max_time: float | None = None,
        batch_size: int = 128,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        critic_learning_rate: float | None = None,
        betas: Sequence[float] | None = None,
        schedule: str = "cosine",
        validation_fraction: float = 0.1,
        device: str = "auto",
        precision: str = "float32",
        execution: str = "auto",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent, self.scale, self.network, self.image_shape = n_latent, scale, network, image_shape
        self.hidden, self.channels, self.activation = hidden, channels, activation
        self.learner, self.objective = learner, objective
        self.critic_steps, self.pack, self.gradient_penalty, self.r1, self.r2 = (
            critic_steps,
            pack,
            gradient_penalty,
            r1,
            r2,
        )
        self.spectral, self.average = spectral, average
        self.max_epochs, self.max_time, self.batch_size = max_epochs, max_time, batch_size
        self.optimizer, self.learning_rate, self.critic_learning_rate = optimizer, learning_rate, critic_learning_rate
        self.betas, self.schedule = betas, schedule
        self.validation_fraction = validation_fraction
        self.device, self.precision, self.execution = device, precision, execution
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    # --- learning ----------------------------------------------------------------------------------------------

    def _make_plan(self, x: np.ndarray | Facts, weight: np.ndarray | None) -> Plan:
        facts = as_facts(x, weight)
        scale = choose("scale", self.scale, SCALES)
        if scale == "auto":
            scale = "standard" if facts.kind == "real" else "unit"
        scaling = make_scaling(facts, scale)
        mean, sd = facts.moments(scaling)
        ends = " The generator ends in a sigmoid, so that samples keep to their range." if scale == "unit" else ""
        text = f"No likelihood: x is a function of z; scaling: {scaling.text}.{ends}"
        self.closed_ = scale == "unit"
        return Plan(facts.kind, "none", scaling, mean, sd, 0.0, (text,))

    _learnt = ("closed_",)

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        choose("learner", self.learner, ("adversarial",))
        if self.n_latent < 1:
            raise ParameterError(f"n_latent={self.n_latent} is too small. At least one latent unit is needed.")
        network = make_generator(self, n_features, closed=self.closed_)
        model = Generator(StandardNormal(self.n_latent), network, (n_features,), plan.scaling)
        return model, self._game(n_features, n_rows)

    def _game(self, n_features: int, n_rows: int) -> Adversarial:
        held_out = getattr(self, "held_out_rows_", None)
        full, rest = divmod(n_rows - (0 if held_out is None else len(held_out)), self.batch_size)
        batches = self.max_epochs * (full + (rest >= self.pack))  # fewer rows than a pack are left out
        settings = settings_of(self)
        return Adversarial(
            make_critic(self, n_features),
            self.objective,
            pack=self.pack,
            r2=self.r2,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            critic_learning_rate=self.critic_learning_rate,
            schedule=Schedule(self.schedule, n_steps=-(-batches // max(1, settings["critic_steps"]))),
            average=self.average,
            execution=self.execution,
            **settings,
        )

    def _loop_options(self) -> dict[str, Any]:
        names = ("max_epochs", "max_time", "batch_size", "device", "precision")
        return {name: getattr(self, name) for name in names}

    def _finish(self) -> None:
        super()._finish()
        kept = getattr(self.learner_, "shown", {})
        self.shown_ = {epoch: x.double().cpu().numpy() for epoch, x in sorted(kept.items())}

    # --- numbers out -------------------------------------------------------------------------------------------

    @property
    def transform(self) -> NoReturn:  # type: ignore[override]
        """Not offered: there is no q(z|x)."""
        raise NotOffered(NO_CODES)

    @property
    def fit_transform(self) -> NoReturn:  # type: ignore[override]
        """Not offered: there is no q(z|x)."""
        raise NotOffered(NO_CODES)

    def reconstruct(self, X: Any) -> np.ndarray:
        raise AbilityError(NO_CODES)

    @property
    def score_samples(self) -> NoReturn:  # type: ignore[override]
        """Not offered: there is no density. `evidence` takes a noise under which there is one."""
        raise NotOffered(NO_SCORE)

    @property
    def score(self) -> NoReturn:  # type: ignore[override]
        """Not offered: there is no density. `evidence` takes a noise under which there is one."""
        raise NotOffered(NO_SCORE)

    def _estimate(
        self,
        rows: Tensor,
        evidence: str = "auto",
        n_samples: int | None = None,
        weight: np.ndarray | None = None,
        seed: int = 0,
        noise: float | None = None,
        **options: Any,
    ) -> Estimate:
        if evidence != "annealed" or noise is None:
            raise AbilityError(NO_SCORE)
        return with_stated_noise(self, rows, noise, n_samples, weight, seed, **options)

    # --- to the disk -------------------------------------------------------------------------------------------

    def save(self, path: str | Path, **more: Any) -> None:
        super().save(path, **more)
        if self.shown_:
            tensors = {str(epoch): torch.from_numpy(x.astype(np.float32)) for epoch, x in self.shown_.items()}
            write_tensors(Path(path) / SAMPLES, tensors)

    def _read_more(self, folder: Path) -> None:
        path = folder / SAMPLES
        tensors = read_tensors(path) if path.is_file() else {}
        self.shown_ = {
            int(epoch): x.double().numpy() for epoch, x in sorted(tensors.items(), key=lambda kv: int(kv[0]))
        }
