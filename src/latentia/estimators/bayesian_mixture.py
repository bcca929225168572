"""The Bayesian Gaussian mixture, as an estimator."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .. import models
from ..bounds.evaluate import evaluating
from ..errors import ParameterError, choose
from ..learn import Learner, VariationalEM
from ..models import Model
from ..posteriors import MeanField
from ..randomness import Stream
from .closed_form import ClosedFormEstimator
from .learners import choose_offered
from .mixture import responsibility_moments
from .plan import SCALES, Plan

COVARIANCES = ("unit", "full")


class BayesianGaussianMixture(ClosedFormEstimator):
    """A Gaussian mixture whose means (and weights and covariances) are latents, learnt by coordinate ascent.

    With covariance "unit": mean_k ~ N(0, prior_scale^2 I), components equally likely, x ~ N(mean_k, I). With "full": weights
    from a Dirichlet, means and precisions from a Normal-Wishart about the data's mean and covariance. The evidence
    belongs to the data set: `evidence(X, "elbo")` is the bound and `evidence(X, "exact")` the sum over all assignments of
    few rows, one number each; `score_samples` gives log predictive densities of rows.

    Arguments:
        n_components: K.
        covariance: "unit" or "full".
        prior_scale: standard deviation of the means ("unit").
        learn_prior: move prior_scale to where the bound is highest ("unit").
        weight_concentration: of the Dirichlet ("full"); None is 1 / n_components. Below 1 it prefers few components.
        mean_precision: how many rows the prior's knowledge of a mean is worth ("full").
        degrees_of_freedom: of the Wishart ("full"); None is the number of columns.
        scale: "auto" (none for "unit", whose variance is one of the data's own units; else standard), "none", "standard",
            "unit".
        start: "k-means" or "random".
        n_init: number of starts, of which the best is kept.
        learner: "variational-em".
        tol, max_epochs, batch_size, device, warm_start, random_state, verbose: as for `ProbabilisticPCA`.

    Learnt, besides what others learn: `weights_`, `means_` and, with "full", `covariances_`: their means under q.

    Sources: Blei, Kucukelbir and McAuliffe, "Variational inference: a review for statisticians", 2017; Bishop, "Pattern
    recognition and machine learning", 2006, section 10.2.

    >>> x = np.concatenate([np.random.default_rng(0).normal(m, 1, size=(32, 1)) for m in (-4, 4)])
    >>> mixture = BayesianGaussianMixture(2, prior_scale=5.0, random_state=0).fit(x)
    >>> print(mixture.evidence(x, "elbo"))
    log p(x) >= -130.910 nats per data set (elbo)
    """

    _default_evidence = "predictive"

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance: str = "unit",
        prior_scale: float = 1.0,
        learn_prior: bool = False,
        weight_concentration: float | None = None,
        mean_precision: float = 1.0,
        degrees_of_freedom: float | None = None,
        scale: str = "auto",
        start: str = "k-means",
        n_init: int = 1,
        learner: str = "variational-em",
        tol: float = 1e-6,
        max_epochs: int = 1000,
        batch_size: int = 4096,
        device: str = "cpu",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components, self.covariance = n_components, covariance
        self.prior_scale, self.learn_prior = prior_scale, learn_prior
        self.weight_concentration, self.mean_precision = weight_concentration, mean_precision
        self.degrees_of_freedom, self.scale = degrees_of_freedom, scale
        self.start, self.n_init, self.learner = start, n_init, learner
        self.tol, self.max_epochs, self.batch_size, self.device = tol, max_epochs, batch_size, device
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    @property
    def _auto_scale(self) -> str:  # type: ignore[override]
        return "none" if self.covariance == "unit" else "standard"

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        choose_offered(self, ("variational-em",), alone=True)
        choose("scale", self.scale, SCALES)
        model = self._model(n_features, plan)
        warm = self.warm_start and hasattr(self, "fit_")
        learner = VariationalEM(
            MeanField(model.prior_globals()),
            tol=self.tol,
            max_iter=self.max_epochs,
            start="current" if warm else choose("start", self.start, ("k-means", "random")),
            n_starts=1 if warm else self.n_init,
            seed=getattr(self, "seed_", 0),
        )
        return model, learner

    def _model(self, n_features: int, plan: Plan) -> models.BayesianGaussianMixture | models.NormalWishartMixture:
        if choose("covariance", self.covariance, COVARIANCES) == "unit":
            return models.BayesianGaussianMixture(
                n_features,
                self.n_components,
                prior_scale=self.prior_scale,
                learn_prior=self.learn_prior,
                scaling=plan.scaling,
            )
        return models.NormalWishartMixture(
            n_features,
            self.n_components,
            concentration=self.weight_concentration,
            mean_precision=self.mean_precision,
            dof=self.degrees_of_freedom,
            scaling=plan.scaling,
        )

    def _moments(self, q: Any) -> tuple[Tensor, Tensor]:
        return responsibility_moments(q)

    def _finish(self) -> None:
        super()._finish()
        model, q = self.model_, self.posterior_
        assert isinstance(model, models.BayesianGaussianMixture | models.NormalWishartMixture)
        assert isinstance(q, MeanField)
        theta = q.theta
        self._n_features_out = int(self.n_components)
        self.weights_ = model.predictive_weights(theta).cpu().numpy()
        self.means_ = model.means(theta).cpu().numpy()
        if isinstance(model, models.NormalWishartMixture):
            self.covariances_ = model.covariances(theta).cpu().numpy()

    def _decode(self, z: Tensor) -> Tensor:
        return z @ torch.as_tensor(self.means_, dtype=z.dtype, device=z.device)

    def predict_proba(self, X: Any) -> np.ndarray:
        """q(c = k) of each row, `(rows, n_components)`."""
        return self.transform(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable component of each row, `(rows,)`."""
        return self.predict_proba(X).argmax(1)

    def score_samples(self, X: Any, evidence: str = "auto", n_samples: int = 128) -> np.ndarray:
        """log predictive density of each row given the rows of the fit, nats, higher is better."""
        if evidence not in ("auto", "predictive"):
            raise ParameterError(
                f"evidence={evidence!r} is one number for the data set, not one per row. Use evidence(X, {evidence!r})."
            )
        return super().score_samples(X, evidence, n_samples)

    def sample(self, n: int = 1, random_state: int | None = None) -> np.ndarray:
        """n draws from the predictive density of a row, user's units, `(n, columns)`."""
        check_is_fitted(self, "fit_")
        if n < 1:
            raise ParameterError(f"n={n} is too small. Ask for at least one row.")
        model, seed = self.model_, self.seed_ if random_state is None else int(random_state)
        with Stream(seed, next(model.parameters()).device), evaluating(model):
            return model.sample_predictive(int(n), self.posterior_.theta).cpu().numpy()  # type: ignore[operator,union-attr]
