"""Probabilistic PCA and factor analysis, as estimators."""

from typing import Any, ClassVar

from .. import models
from ..errors import ParameterError
from ..learn import Learner
from ..models import Model
from .closed_form import ClosedFormEstimator
from .learners import choose_offered
from .plan import Plan


class _Linear(ClosedFormEstimator):
    _model: ClassVar[type[models.ProbabilisticPCA] | type[models.FactorAnalysis]]
    _learners: ClassVar[dict[str, str]]  # name of the learner -> where exact EM starts

    def __init__(
        self,
        n_latent: int = 2,
        *,
        scale: str = "auto",
        learner: str = "exact-em",
        tol: float = 1e-6,
        max_epochs: int = 1000,
        batch_size: int = 4096,
        device: str = "cpu",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent, self.scale, self.learner, self.tol = n_latent, scale, learner, tol
        self.max_epochs, self.batch_size, self.device = max_epochs, batch_size, device
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        if self.n_latent > n_features:
            raise ParameterError(
                f"n_latent={self.n_latent} is more than the data's n_features={n_features} (1 feature(s) or more per latent "
                f"unit are needed). Use at most n_latent={n_features}."
            )
        model = self._model(n_features, self.n_latent, scaling=plan.scaling)
        self._describe_floor(model)
        return model, self._em(self._learners[choose_offered(self, tuple(self._learners))])


class ProbabilisticPCA(_Linear):
    """x = mean + W z + noise, z ~ N(0, I), noise ~ N(0, sigma^2 I); the noise has one scale for all columns.

    Arguments:
        n_latent: size of z.
        scale: "auto" (none: the model is not indifferent to units), "none", "standard" or "unit".
        learner: "exact-em", or "closed-form" for the maximum at once.
        tol: EM ends when the log-likelihood rises by less, nats per row.
        max_epochs: passes of EM at most.
        batch_size: rows at once; the result does not depend on it.
        device: "cpu", "cuda" or "auto".
        warm_start: go on from the parameters that are there.
        random_state: seed of the start.
        verbose: 1 prints what was chosen and a line per pass.

    Source: Tipping and Bishop, "Probabilistic principal component analysis", 1999.

    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> ProbabilisticPCA(n_latent=2).fit_transform(x).shape
    (64, 2)
    """

    _model = models.ProbabilisticPCA
    _learners: ClassVar[dict[str, str]] = {"exact-em": "auto", "closed-form": "closed-form"}


class FactorAnalysis(_Linear):
    """x = mean + W z + noise, z ~ N(0, I), noise ~ N(0, diag(psi)); every column has a noise of its own.

    Arguments: as for `ProbabilisticPCA`; the model is indifferent to units, and scale "auto" means "standard".

    Source: Rubin and Thayer, "EM algorithms for ML factor analysis", 1982.

    >>> x = np.random.default_rng(0).normal(size=(64, 5))
    >>> FactorAnalysis(n_latent=2).fit_transform(x).shape
    (64, 2)
    """

    _model = models.FactorAnalysis
    _auto_scale = "standard"
    _learners: ClassVar[dict[str, str]] = {"exact-em": "auto"}
