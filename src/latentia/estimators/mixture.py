"""The Gaussian mixture, as an estimator."""

from math import log
from typing import Any

import numpy as np
from torch import Tensor

from .. import models
from ..errors import choose
from ..learn import Learner
from ..models import Model
from .closed_form import ClosedFormEstimator
from .learners import choose_offered
from .plan import Plan


def responsibility_moments(q: Any) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the one-hot z, `(rows, K)` each."""
    return q.probs, (q.probs * (1 - q.probs)).sqrt()


class GaussianMixture(ClosedFormEstimator):
    """p(x) = sum_k w_k N(x; mean_k, covariance_k), learnt by exact EM.

    Arguments:
        n_components: K.
        covariance: "full", "tied" (one for all), "diag" or "spherical".
        regulariser: strength of the covariances' prior, in pseudo-rows; 0 is maximum likelihood.
        scale: "auto" (standard), "none", "standard" or "unit".
        start: "k-means" or "random".
        n_init: number of starts, of which the best is kept.
        learner: "exact-em".
        tol, max_epochs, batch_size, device, warm_start, random_state, verbose: as for `ProbabilisticPCA`.

    `transform` gives the posterior mean of the one-hot z, which are the responsibilities of `predict_proba`.

    Source: Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977.

    >>> x = np.random.default_rng(0).normal(size=(64, 2))
    >>> GaussianMixture(n_components=2, random_state=0).fit(x).predict_proba(x).shape
    (64, 2)
    """

    _auto_scale = "standard"

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance: str = "full",
        regulariser: float = 0.01,
        scale: str = "auto",
        start: str = "k-means",
        n_init: int = 1,
        learner: str = "exact-em",
        tol: float = 1e-6,
        max_epochs: int = 1000,
        batch_size: int = 4096,
        device: str = "cpu",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components, self.covariance, self.regulariser = n_components, covariance, regulariser
        self.scale, self.start, self.n_init, self.learner = scale, start, n_init, learner
        self.tol, self.max_epochs, self.batch_size, self.device = tol, max_epochs, batch_size, device
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        choose_offered(self, ("exact-em",))
        model = models.GaussianMixture(
            n_features,
            self.n_components,
            covariance=self.covariance,
            regulariser=self.regulariser,
            scaling=plan.scaling,
        )
        return model, self._em(choose("start", self.start, ("k-means", "random")), self.n_init)

    def _moments(self, q: Any) -> tuple[Tensor, Tensor]:
        return responsibility_moments(q)

    def _finish(self) -> None:
        super()._finish()
        self._n_features_out = int(self.n_components)

    def _decode(self, z: Tensor) -> Tensor:
        return z @ self.model_.means()  # type: ignore[operator]

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(z = k | x), `(rows, n_components)`."""
        x, rows = self._seen(X)
        return self._posterior(rows)[0].cpu().numpy().astype(np.float32 if x.dtype == np.float32 else np.float64)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable component of each row, `(rows,)`."""
        return self.predict_proba(X).argmax(1)

    @property
    def n_parameters(self) -> int:
        """Free parameters: weights, means, covariances."""
        k, d = self.n_components, self.n_features_in_
        shapes = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d, "spherical": k}
        return k - 1 + k * d + shapes[self.covariance]

    def bic(self, X: Any) -> float:
        """-2 log p(X) + n_parameters log(rows): lower is better (Schwarz 1978)."""
        return -2 * self.evidence(X).total + self.n_parameters * log(len(X))

    def aic(self, X: Any) -> float:
        """-2 log p(X) + 2 n_parameters: lower is better (Akaike 1974)."""
        return -2 * self.evidence(X).total + 2 * self.n_parameters
