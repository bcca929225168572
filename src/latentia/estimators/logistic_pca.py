"""Logistic principal components, as an estimator."""

from typing import Any

import numpy as np
import torch

from .. import models
from ..bounds import Reconstruction
from ..errors import DataError, choose
from ..learn import Alternating, AmortizedVI, Learner, Schedule
from ..models import Model
from ..posteriors import BestPoint
from .facts import Facts, as_facts
from .plan import Plan
from .points import PointEstimator, plan_of_error

LEARNERS = ("alternating", "gradient")
LIKELIHOODS = ("auto", "bernoulli", "cross-entropy")


class LogisticPCA(PointEstimator):
    """Principal components of logits: p(x_j = 1 | z) = sigmoid(loc_j + w_j z), each row's code the best there is for it.

    Arguments:
        n_latent: size of z.
        likelihood: "auto": "bernoulli" for zeros and ones, else "cross-entropy" for grey levels, which is no density.
        scale: "auto" (whole numbers and real columns to [0, 1]), "none" or "unit".
        learner: "alternating" (codes, then axes, in closed form for a quadratic bound; nothing falls) or "gradient" (Adam on the
            axes, codes at their best).
        ridge: penalty ridge/2 (|z|^2 + |w|^2) per row, nats; keeps codes of rows that a plane separates finite.
        tol: "alternating" ends when a pass gains less, nats per row.
        max_epochs, max_time: passes and seconds at most.
        batch_size: rows at once; of "gradient", rows per step.
        learning_rate: of "gradient"; it falls to zero by half a cosine.
        device, precision, warm_start, random_state, verbose: as for `VAE`.

    Learnt: `components_` `(n_latent, columns)` and `mean_` `(columns,)`, both of logits.

    Sources: Schein, Saul and Ungar, "A generalized linear model for principal component analysis of binary data", 2003;
    Collins, Dasgupta and Schapire, "A generalization of principal component analysis to the exponential family", 2001.

    >>> x = (np.random.default_rng(0).random((64, 5)) < 0.4).astype(float)
    >>> LogisticPCA(n_latent=2, max_epochs=3, random_state=0).fit_transform(x).shape
    (64, 2)
    """

    components_: np.ndarray
    mean_: np.ndarray

    def __init__(
        self,
        n_latent: int = 2,
        *,
        likelihood: str = "auto",
        scale: str = "auto",
        learner: str = "alternating",
        ridge: float = 1e-5,
        tol: float = 1e-3,
        max_epochs: int = 100,
        max_time: float | None = None,
        batch_size: int = 1024,
        learning_rate: float = 0.01,
        device: str = "cpu",
        precision: str = "float64",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent, self.likelihood, self.scale, self.learner = n_latent, likelihood, scale, learner
        self.ridge, self.tol, self.max_epochs, self.max_time = ridge, tol, max_epochs, max_time
        self.batch_size, self.learning_rate, self.device, self.precision = batch_size, learning_rate, device, precision
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    def _make_plan(self, x: np.ndarray | Facts, weight: np.ndarray | None) -> Plan:
        facts = as_facts(x, weight)
        choose("likelihood", self.likelihood, LIKELIHOODS)
        choose("scale", self.scale, ("auto", "none", "unit"))
        binary = facts.kind == "binary"
        likelihood = ("bernoulli" if binary else "cross-entropy") if self.likelihood == "auto" else self.likelihood
        outside = facts.low.min() < 0 or facts.high.max() > 1
        scale = ("unit" if outside else "none") if self.scale == "auto" else self.scale
        if likelihood == "bernoulli" and not binary:
            raise DataError(
                "likelihood='bernoulli' needs zeros and ones, and these columns hold other values. Use likelihood='cross-entropy'."
            )
        more = self._warn_identity(int(self.n_latent), len(facts.low))
        return plan_of_error(facts, weight, likelihood, scale, 1.0, self.columns_, more)

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        choose("learner", self.learner, LEARNERS)
        model = models.LogisticPCA(
            n_features, int(self.n_latent), likelihood=plan.likelihood, scaling=plan.scaling, ridge=self.ridge
        )
        model.conditional.start_at(torch.as_tensor(plan.mean), torch.as_tensor(plan.sd))
        if self.learner == "alternating":
            return model, Alternating(tol=self.tol)
        schedule = Schedule("cosine", n_steps=self.max_epochs * -(-n_rows // self.batch_size))
        return model, AmortizedVI(
            BestPoint(), bound=Reconstruction(), learning_rate=self.learning_rate, schedule=schedule, execution="eager"
        )

    def _loop_options(self) -> dict[str, Any]:
        names = ("max_epochs", "max_time", "batch_size", "device", "precision")
        return {name: getattr(self, name) for name in names}

    def _finish(self) -> None:
        super()._finish()
        assert isinstance(self.model_, models.LogisticPCA)
        self.components_ = self.model_.axes.T.cpu().numpy()
        self.mean_ = self.model_.loc.cpu().numpy()
