"""Mixtures whose parameters are latents too: what is shared by those with a conjugate prior."""

from abc import ABC, abstractmethod
from math import pi

import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.nn.functional import one_hot

from ..abilities import Globals, Statistics
from ..batch import Batches
from ..errors import AbilityError, choose
from ..scaling import Scaling
from .base import Model
from .clusters import k_means, nearest_drawn
from .gaussian import check_shape, check_sizes, distinct_rows, moments, refuse_levels

MAX_ROWS = 20_000  # distinct rows that a start looks at
LOG_2PI = torch.log(torch.tensor(2 * pi, dtype=torch.float64)).item()


class ConjugateMixture(Model, ABC):
    """p(theta) prod_i p(c_i | theta) p(x_i | c_i, theta): components theta that all rows share, K of them.

    The rows are independent given theta only, so that the evidence belongs to the data set. q(theta) keeps the form of
    p(theta), and both are held as mappings of tensors whose first axis from the left of the event is the component;
    `prior()` and `likelihood(c)` are those of a single row, theta integrated out.
    """

    latent_shape = ()
    has_globals = True

    def __init__(self, n_features: int, n_components: int, scaling: Scaling | None) -> None:
        refuse_levels(scaling, type(self).__name__)
        check_sizes(n_features=n_features, n_components=n_components)
        super().__init__(scaling)
        self.event_shape, self.n_components = (n_features,), n_components

    # --- what each one knows -----------------------------------------------------------------------------------

    @abstractmethod
    def prior_globals(self) -> Globals:
        """p(theta), in the form of q(theta)."""

    @abstractmethod
    def update_globals(self, statistics: Statistics) -> Globals:
        """The best q(theta) for the statistics of all rows; further axes in front are carried along."""

    @abstractmethod
    def expected_log_weights(self, theta: Globals) -> Tensor:
        """E_q[log p(c = k | theta)], nats, `(K,)`."""

    @abstractmethod
    def _expected_log_density(self, x: Tensor, theta: Globals) -> Tensor:
        """E_q[log p(x | c = k, theta)] in the model's units, `(batch, K)`."""

    @abstractmethod
    def globals_kl(self, theta: Globals) -> Tensor:
        """KL(q(theta) || p(theta)), nats, 0-dimensional."""

    @abstractmethod
    def log_normaliser(self, theta: Globals) -> Tensor:
        """log of what the conjugate form integrates to, nats, `(...)` for globals with further axes in front."""

    @abstractmethod
    def _statistics(self, x: Tensor, r: Tensor) -> dict[str, Tensor]:
        """Sums over the rows of x `(rows, D)`, model units, with weights r `(..., rows, K)`."""

    @abstractmethod
    def predictive_weights(self, theta: Globals) -> Tensor:
        """E_q[p(c = k | theta)], `(K,)`."""

    @abstractmethod
    def _log_predictive(self, x: Tensor, theta: Globals) -> Tensor:
        """log E_q[p(x | c = k, theta)] in the model's units, `(batch, K)`."""

    @abstractmethod
    def _log_base(self, x: Tensor) -> Tensor:
        """The part of log p(x | c, theta) over all rows that theta does not enter, nats, 0-dimensional."""

    def improve(self, theta: Globals) -> None:
        """Move the hyperparameters to where q(theta) likes them best; none are learnt here."""

    def set_prior(self, batches: Batches) -> None:
        """Set what the prior takes from the data; nothing here."""

    # --- what follows ------------------------------------------------------------------------------------------

    def prior(self) -> Categorical:
        weights = self.predictive_weights(self.prior_globals())
        return Categorical(probs=weights, validate_args=False)

    def expected_log_likelihood(self, x: Tensor, theta: Globals, observed: Tensor | None = None) -> Tensor:
        """E_q[log p(x | c = k, theta)] in the user's units, nats per row, `(batch, K)`."""
        x = self._inner(x, observed)
        return self._expected_log_density(x, theta) + self.scaling.log_jacobian(x.shape[1]).to(x)

    def responsibilities(self, x: Tensor, theta: Globals, observed: Tensor | None = None) -> Categorical:
        """q(c) of each row, the best one for q(theta), of batch shape `(batch,)`."""
        logits = self.expected_log_likelihood(x, theta, observed) + self.expected_log_weights(theta)
        return Categorical(logits=logits, validate_args=False)

    def statistics(self, x: Tensor, r: Tensor) -> dict[str, Tensor]:
        """Expected sufficient statistics of rows x `(rows, D)`, user's units, with q(c = k) x weight r `(rows, K)`."""
        return self._statistics(self._inner(x), r)

    def log_predictive(self, x: Tensor, theta: Globals, observed: Tensor | None = None) -> Tensor:
        """log E_q(theta)[p(x | theta)] in the user's units, nats per row, `(batch,)`."""
        x = self._inner(x, observed)
        log_joint = self._log_predictive(x, theta) + torch.log(self.predictive_weights(theta))
        return torch.logsumexp(log_joint, -1) + self.scaling.log_jacobian(x.shape[1]).to(x)

    def log_assignments(self, x: Tensor, c: Tensor) -> Tensor:
        """log p(x, c) of the whole data set, theta integrated out, for assignments c `(m, rows)`; nats, `(m,)`."""
        inner = self._inner(x)
        r = one_hot(c, self.n_components).to(inner)  # (m, rows, K)
        after = self.log_normaliser(self.update_globals(self._statistics(inner, r)))
        base = self._log_base(inner) + len(x) * self.scaling.log_jacobian(x.shape[1]).to(inner)
        return after - self.log_normaliser(self.prior_globals()) + base

    @torch.no_grad()
    def start_globals(self, batches: Batches, start: str, seed: int) -> dict[str, Tensor]:
        """Set the prior from the data where it takes something from them, and the statistics of a first clustering.

        "auto" and "k-means" cluster the standardised columns, "random" takes the nearest of rows drawn by the seed;
        both look at the distinct rows and their weights only (at most 20,000 rows).
        """
        choose("start", start, ("auto", "k-means", "random"))
        self.set_prior(batches)
        rows, weight = distinct_rows(self, batches, limit=MAX_ROWS, seed=seed)
        data = moments(self, batches, covariance=False)
        unit = torch.where(data.constant, torch.ones_like(data.variance), data.variance).sqrt()
        n = min(self.n_components, len(rows))
        cluster = nearest_drawn if start == "random" else k_means
        labels = cluster((rows - data.mean) / unit, weight, n, seed)
        r = one_hot(labels, self.n_components).to(rows) * weight.unsqueeze(1)
        return self._statistics(rows, r)

    def _inner(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        if observed is not None:
            raise AbilityError(
                f"{type(self).__name__} explains whole rows and cannot leave out missing cells. Use FactorAnalysis or "
                "ProbabilisticPCA, which integrate them out, or rows without missing cells."
            )
        return self.standardise(check_shape(self, x).to(torch.float64))
