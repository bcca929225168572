"""The linear autoencoder, as an estimator."""

from typing import Any

import numpy as np
import torch
from torch import nn

from ..conditional import Conditional
from ..data import Shards
from ..errors import choose
from ..families import Normal
from ..learn import Learner, LinearGradient, LinearVAE, PrincipalAxes
from ..learn.linear.gradient import METHODS
from ..models import LinearDecoder, Model, ProbabilisticPCA
from ..posteriors import Amortized, Point
from ..scaling import Scaling
from .allowance import Allowance
from .base import LatentEstimator
from .facts import Facts, as_facts
from .given import Given, OnDisk
from .plan import SCALES, Plan, make_scaling
from .points import SHOWN, PointEstimator

LEARNERS = ("closed-form", *METHODS, "linear-vae")


class LinearAutoencoder(PointEstimator):
    """z = V (x - mean), x = mean + W z, learnt by squared error: principal components, and what does not quite find them.

    With U the k leading principal axes every optimum of the squared error is W = U M, V = M^-1 U^T, for any invertible M. The
    closed form, rotation, nested dropout and the non-uniform penalty choose M = 1 (or a diagonal); "plain" and "uniform-l2" do
    not choose. "linear-vae" is probabilistic PCA learnt as a VAE, which has a log p(x).

    Arguments:
        n_latent: k.
        learner: "closed-form", "plain", "uniform-l2", "non-uniform-l2", "nested-dropout", "deterministic-nested-dropout",
            "rotation" or "linear-vae"; see `learn.PrincipalAxes`, `learn.LinearGradient`, `learn.LinearVAE`.
        solver: of the closed form: "auto", "svd", "covariance", or "randomised" (passes over rows that may stay on a disk).
        max_memory: MiB, 8 at least, that rows read at once and the matrices of the closed form may take together, pages of a
            mapped file aside; None does not count. Of Parquet and Arrow files whole row groups are read, which should be small.
        scale: "auto" (none: the error is in the units of the columns), "none", "standard" or "unit".
        l2: smallest and largest weight of the penalties; None is 0.1 and 0.9 of the k-th variance.
        learning_rate: of the gradient learners; None is a rate that suits the learner.
        max_epochs: of the gradient learners; each is 100 gradient steps on all rows at once.
        batch_size: rows read at once; the result does not depend on it.
        device, warm_start, random_state, verbose: as for `ProbabilisticPCA`.

    Learnt: `components_` `(k, columns)`, the columns of W in the user's units; `mean_`; and, in the units in which errors are
    squared, `explained_variance_` `(k,)`, the variance of z times the squared length of w, and `total_variance_`. For the
    closed form, total variance = the sum of the explained ones + the mean squared error.

    Sources: Baldi and Hornik, "Neural networks and principal component analysis", 1989; Bao et al., "Regularized linear
    autoencoders recover the principal components, eventually", 2020.

    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> LinearAutoencoder(n_latent=2).fit_transform(x).shape
    (64, 2)
    """

    components_: np.ndarray
    explained_variance_: np.ndarray
    total_variance_: float
    mean_: np.ndarray

    def __init__(
        self,
        n_latent: int = 2,
        *,
        learner: str = "closed-form",
        solver: str = "auto",
        max_memory: float | None = None,
        scale: str = "auto",
        l2: tuple[float, float] | None = None,
        learning_rate: float | None = None,
        max_epochs: int = 20,
        batch_size: int = 4096,
        device: str = "cpu",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent, self.learner, self.solver, self.max_memory = n_latent, learner, solver, max_memory
        self.scale, self.l2, self.learning_rate = scale, l2, learning_rate
        self.max_epochs, self.batch_size, self.device = max_epochs, batch_size, device
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    @property
    def _default_evidence(self) -> str:  # type: ignore[override]
        return "elbo" if self.learner == "linear-vae" else "reconstruction"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **options: Any) -> Any:
        """Learn from rows X; arguments as for the other estimators."""
        allowed = self._allowed
        return super().fit(allowed.cut(X) if isinstance(X, Shards) else X, y, sample_weight, **options)

    @property
    def _allowed(self) -> Allowance:
        return Allowance(self.max_memory)

    def _make_plan(self, x: np.ndarray | Facts, weight: np.ndarray | None) -> Plan:
        facts = as_facts(x, weight)
        scale = choose("scale", self.scale, SCALES)
        scaling = make_scaling(facts, "none" if scale == "auto" else scale)
        mean, sd = facts.moments()
        text = self._told(scaling)
        more = self._warn_identity(int(self.n_latent), len(facts.low))
        return Plan(facts.kind, "normal", scaling, mean, sd, 0.0, (text, *more))

    def _told(self, scaling: Scaling) -> str:
        if self.learner == "linear-vae":
            return f"Likelihood: normal, one learnt scale for all columns; scaling: {scaling.text}; densities are in the user's units."
        units = (
            "the user's units"
            if scaling.identity
            else "the units that the scaling gives, reconstructions in the user's"
        )
        return (
            f"Error: squared, likelihood normal of scale one; scaling: {scaling.text}; codes and errors are in {units}."
        )

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        choose("learner", self.learner, LEARNERS)
        k = int(self.n_latent)
        if self.learner == "linear-vae":
            return self._make_vae(plan, n_features, k)
        model, q = LinearDecoder(n_features, k, plan.scaling), Point(nn.Linear(n_features, k))
        if self.learner != "closed-form":
            options: dict[str, Any] = {"method": self.learner, "l2": self.l2, "learning_rate": self.learning_rate}
            return model.double(), LinearGradient(q.double(), start=self._start, **options)
        return model, PrincipalAxes(
            q, solver=self.solver, max_bytes=self._allowed.total, seed=getattr(self, "seed_", 0)
        )

    def _make_vae(self, plan: Plan, n_features: int, k: int) -> tuple[Model, Learner]:
        encoder = Conditional(nn.Linear(n_features, 2 * k), Normal((k,)), (n_features,), joint=True)
        options: dict[str, Any] = {"learning_rate": self.learning_rate, "n_steps": 100 * self.max_epochs}
        learner = LinearVAE(Amortized(encoder).double(), start=self._start, **options)
        return ProbabilisticPCA(n_features, k, scaling=plan.scaling).double(), learner

    @property
    def _start(self) -> str:
        return "current" if self.warm_start and hasattr(self, "fit_") else "random"

    def _loop_options(self) -> dict[str, Any]:
        epochs = 1 if self.learner == "closed-form" else self.max_epochs
        rows = self._allowed.rows(self.n_features_in_, int(self.batch_size))
        return {"max_epochs": epochs, "batch_size": rows, "device": self.device}

    def _prepare(self, given: Given, warm: bool) -> None:
        if not isinstance(given, OnDisk) or self.max_memory is None:
            return super()._prepare(given, warm)
        n_rows = self._allowed.shown(given.shards.row_bytes, SHOWN)
        self._some_rows = given.shards.take(given.shards.draw(n_rows, self.seed_)).x

    def _codes_of(self, rows: np.ndarray) -> torch.Tensor:
        at_once = self._allowed.rows(rows.shape[1], len(rows))
        parts = (rows[start : start + at_once] for start in range(0, len(rows), at_once))
        return torch.cat([super(LinearAutoencoder, self)._codes_of(part) for part in parts])

    def _finish(self) -> None:
        super()._finish()
        model = self.model_
        if isinstance(model, ProbabilisticPCA):
            axes, loc, variance, total = model.loading, model.loc, torch.ones(()), model.loading.square().sum()
            total = total + model.scale.square().sum()
        else:
            assert isinstance(model, LinearDecoder)
            axes, loc, variance, total = model.axes, model.loc, model.code_variance, model.total
        unit = model.scaling.scale.to(axes).reshape(-1, 1)
        self.components_ = (axes * unit).T.cpu().numpy()
        self.mean_ = model.scaling.to_user(loc).cpu().numpy()
        self.explained_variance_ = (axes.square().sum(0) * variance.to(axes)).cpu().numpy()
        self.total_variance_ = float(total)

    # --- the linear VAE alone has a density --------------------------------------------------------------------

    def _estimate(self, *arguments: Any, **options: Any) -> Any:
        if self.learner == "linear-vae":
            return LatentEstimator._estimate(self, *arguments, **options)
        return super()._estimate(*arguments, **options)

    def score_samples(self, X: Any) -> np.ndarray:  # type: ignore[override]
        """log p(x|z) of each row at its code; for "linear-vae" the ELBO; nats per row, higher is better."""
        return self.evidence(X).values.numpy() if self.learner == "linear-vae" else super().score_samples(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # type: ignore[override]
        """Mean of `score_samples`, of rows in memory or of `data.Shards`."""
        if self.learner == "linear-vae":
            return LatentEstimator.score(self, X, y, sample_weight)
        return super().score(X, y, sample_weight)
