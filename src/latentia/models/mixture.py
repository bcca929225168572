"""The Gaussian mixture."""

from math import log, pi
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MultivariateNormal, Normal

from ..abilities import Expectation, Statistics
from ..batch import Batch, Batches
from ..errors import AbilityError, DataError, ParameterError, choose
from ..scaling import Scaling
from .base import Model
from .clusters import k_means
from .covariance import DiagonalCovariance, Prior, TriangularCovariance, covariance_of
from .gaussian import Moments, check_sizes, distinct_rows, moments, name_columns, refuse_levels, row_weights

MAX_ROWS = 20_000  # distinct rows that a start looks at
EMPTY = 1e-12  # share of the weight below which a component has no rows to learn from
LEAST_WEIGHT = 1e-30  # share of the weight that an empty component keeps, so that its logit stays finite


@final
class GaussianMixture(Model):
    """p(z = k) = softmax(logits)[k], p(x|z = k) = N(loc_k, S_k), in the model's units.

    Knows its exact posterior, log p(x) and closed-form update. With a `regulariser` r > 0 each covariance has a prior
    of r pseudo-rows with scatter S0 = diag(prior_variance_share x variance of each column), and what never falls is
    the penalised log-likelihood, log p(data) - r/2 sum_k (log |S_k| + tr(S0 S_k^-1)). Nothing is added to a
    covariance besides. Without a prior, a component on too few rows has a likelihood without a maximum, and raises.

    Arguments:
        n_features: D, columns of x.
        n_components: K.
        covariance: "full", "tied" (one full for all), "diag" or "spherical".
        regulariser: r, in units of row weight; 0 is maximum likelihood.
        prior_variance_share: of each column's variance, in S0.
        scaling: from the model's units to the user's.

    Raises: `ParameterError` for sizes below one and a negative regulariser.

    Source: Bishop, "Pattern recognition and machine learning", 2006, section 9.2; for the prior, Fraley and Raftery,
    "Bayesian regularization for normal mixture estimation", 2007.

    >>> model = GaussianMixture(2, 3, covariance="diag")
    >>> model.posterior(torch.zeros(5, 2)).probs.shape, model.sample(4).shape
    (torch.Size([5, 3]), torch.Size([4, 2]))
    """

    latent_shape = ()
    column_variance: Tensor

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        covariance: str = "full",
        regulariser: float = 0.01,
        prior_variance_share: float = 0.01,
        scaling: Scaling | None = None,
    ) -> None:
        refuse_levels(scaling, "GaussianMixture")
        check_sizes(n_features=n_features, n_components=n_components)
        kind = choose("covariance", covariance, ("full", "tied", "diag", "spherical"))
        super().__init__(scaling)
        self.event_shape, self.n_components = (n_features,), n_components
        self.regulariser = _at_least("regulariser", regulariser, allow_zero=True)
        self.prior_variance_share = _at_least("prior_variance_share", prior_variance_share, allow_zero=False)
        self.logits = nn.Parameter(torch.zeros(n_components, dtype=torch.float64))
        self.loc = nn.Parameter(torch.randn(n_components, n_features, dtype=torch.float64))
        self.covariance = covariance_of(kind, n_components, n_features)
        self.register_buffer("column_variance", torch.ones(n_features, dtype=torch.float64))

    # --- the model ---------------------------------------------------------------------------------------------

    def prior(self) -> Categorical:
        return Categorical(logits=self.logits, validate_args=False)

    def likelihood(self, z: Tensor) -> Distribution:
        loc, unit = self.scaling.to_user(self.loc[z]), self._unit()
        if isinstance(self.covariance, DiagonalCovariance):
            scale = (self.covariance.scale() * unit)[z]
            return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)
        tril = unit.unsqueeze(1) * self._scale_tril()
        return MultivariateNormal(loc, scale_tril=tril[z], validate_args=False)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n draws of x from p(x), in the user's units, `(n, D)`."""
        z = self.prior().sample(torch.Size((n,)))
        noise = torch.randn(n, *self.event_shape, dtype=self.loc.dtype, device=self.loc.device)
        x = self.loc[z]
        for k in range(self.n_components):
            here = z == k
            x[here] += self._coloured(noise[here], k)
        return self.scaling.to_user(x)

    def _coloured(self, e: Tensor, k: int) -> Tensor:
        if isinstance(self.covariance, DiagonalCovariance):
            return e * self.covariance.scale()[k]
        return e @ self._scale_tril()[k].T

    def weights(self) -> Tensor:
        """p(z = k), `(K,)`."""
        return torch.softmax(self.logits, 0)

    def means(self) -> Tensor:
        """E[x|z = k], user's units, `(K, D)`."""
        return self.scaling.to_user(self.loc)

    def covariances(self) -> Tensor:
        """S_k, user's units, `(K, D, D)`."""
        unit = self._unit()
        tril = self._scale_tril()
        return (tril @ tril.mT) * unit.outer(unit)

    def log_components(self, x: Tensor) -> Tensor:
        """log p(x, z = k) in the user's units, nats per row, `(batch, K)`."""
        return self._log_components(self._whitened(x)).T

    def posterior(self, x: Tensor, observed: Tensor | None = None) -> Categorical:
        """p(z|x), exact, of batch shape `(batch,)`."""
        _refuse_missing(observed)
        return Categorical(logits=self.log_components(x), validate_args=False)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """log p(x) = log sum_k p(x, k) in the user's units, nats per row, `(batch,)`."""
        _refuse_missing(observed)
        return torch.logsumexp(self.log_components(x), -1)

    def _whitened(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, self.loc.dtype))  # offsets are taken off before anything is rounded
        d = (self.standardise(x) - self.loc.unsqueeze(1)).to(self.loc.dtype)
        return self.covariance.whiten(d)  # (K, batch, D)

    def _log_components(self, e: Tensor) -> Tensor:
        constant = self.covariance.log_det() + torch.log(self._unit()).sum() + 0.5 * e.shape[2] * log(2 * pi)
        return (torch.log_softmax(self.logits, 0) - constant).unsqueeze(1) - 0.5 * e.square().sum(2)  # (K, batch)

    def _unit(self) -> Tensor:
        return self.scaling.scale.to(self.loc.dtype).expand(self.event_shape)

    def _scale_tril(self) -> Tensor:
        if isinstance(self.covariance, DiagonalCovariance):
            return torch.diag_embed(self.covariance.scale())
        assert isinstance(self.covariance, TriangularCovariance)
        return self.covariance.scale_tril().expand(self.n_components, -1, -1)

    # --- expectation and maximisation --------------------------------------------------------------------------

    @torch.no_grad()
    def expect(self, batch: Batch) -> Expectation:
        """Weighted sums over the rows, with r = p(z = k|x) and e = L_k^-1 (x - loc_k).

        "weight"; "responsibility", r `(K,)`; "first", r e `(K, D)`; "scatter", r e e^T, summed or its diagonal as
        the covariance needs it.
        """
        _refuse_missing(batch.observed)
        e = self._whitened(batch.x)
        joint = self._log_components(e)
        log_prob = torch.logsumexp(joint, 0)
        responsibility = torch.exp(joint - log_prob) * row_weights(batch)
        return Expectation(self._statistics(e.double(), responsibility.double()), log_prob.double())

    def _statistics(self, e: Tensor, r: Tensor) -> dict[str, Tensor]:
        first = (r.unsqueeze(1) @ e).squeeze(1)
        weight = r.sum(1)
        return {
            "weight": weight.sum(),
            "responsibility": weight,
            "first": first,
            "scatter": self.covariance.scatter(e, r),
        }

    @torch.no_grad()
    def update(self, statistics: Statistics) -> None:
        """Weights, means and covariances of the rows of each component, the prior's pseudo-rows among them.

        A component without rows keeps its mean, and its covariance unless a prior has one for it.

        Raises `NonFiniteError` where a covariance becomes singular.
        """
        self._update(statistics, self._prior())

    def _update(self, statistics: Statistics, prior: Prior) -> None:
        total, weight = statistics["weight"], statistics["responsibility"]
        empty = weight <= EMPTY * total
        mean = statistics["first"] / torch.where(empty, torch.ones_like(weight), weight).unsqueeze(1)
        mean = mean.masked_fill(empty.unsqueeze(1), 0.0)
        move = self.covariance.colour(mean.unsqueeze(1)).squeeze(1)
        keep = empty if prior.rows == 0 else torch.zeros_like(empty)
        self.covariance.update(weight, mean, statistics["scatter"], prior, keep)
        self.loc += move
        self.logits.copy_(torch.log(torch.maximum(weight / total, weight.new_tensor(LEAST_WEIGHT))))

    def log_penalty(self) -> Tensor:
        """-r/2 sum (log |S| + tr(S0 S^-1)), over the components, or once where they share one; nats."""
        prior = self._prior()
        return self.loc.new_zeros(()) if prior.rows == 0 else self.covariance.log_penalty(prior)

    def _prior(self) -> Prior:
        return Prior(self.regulariser, self.prior_variance_share * self.column_variance, self.column_variance)

    # --- starts ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def initialise(self, batches: Batches, start: str, seed: int) -> None:
        """Set the prior from the columns' variances and choose where to start.

        "auto" and "k-means" cluster the standardised columns, "random" puts the means on rows drawn by the seed.
        Both look at the distinct rows and their weights only (at most 20,000 rows).

        Raises `DataError` for fewer distinct rows than components, or a constant column without a prior.
        """
        choose("start", start, ("auto", "k-means", "random"))
        data = moments(self, batches, covariance=False)
        self._set_column_variance(data)
        rows, weight = distinct_rows(self, batches, limit=MAX_ROWS, seed=seed)
        if len(rows) < self.n_components:
            raise DataError(
                f"{self.n_components} components came for {len(rows)} distinct rows. Use at most as many components "
                "as there are distinct rows."
            )
        if start == "random":
            self._start_random(rows, weight, seed)
        else:
            self._start_k_means(rows, weight, data, seed)

    def _set_column_variance(self, data: Moments) -> None:
        if bool(data.constant.any()) and self.regulariser == 0:
            raise DataError(
                f"No variance in {name_columns(data.constant)}: the likelihood has no maximum here. Leave such columns "
                "out, or use a regulariser above 0 (such as 0.01)."
            )
        varying = data.variance[~data.constant]
        typical = varying.mean() if len(varying) else torch.ones_like(data.variance[0])
        self.column_variance.copy_(torch.where(data.constant, typical, data.variance))

    def _start_random(self, rows: Tensor, weight: Tensor, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.multinomial(weight.cpu(), self.n_components, generator=generator).to(rows.device)
        self.logits.zero_()
        self.loc.copy_(rows[drawn])
        self.covariance.set_variance(self.column_variance)

    def _start_k_means(self, rows: Tensor, weight: Tensor, data: Moments, seed: int) -> None:
        labels = k_means((rows - data.mean) / self.column_variance.sqrt(), weight, self.n_components, seed)
        r = torch.nn.functional.one_hot(labels, self.n_components).T * weight  # (K, rows)
        self.loc.copy_((r @ (rows - data.mean)) / r.sum(1, keepdim=True).clamp_min(LEAST_WEIGHT) + data.mean)
        d = rows - self.loc[labels]
        within = (weight @ d.square()) / weight.sum()
        pooled = torch.maximum(within, 1e-6 * self.column_variance)
        self.covariance.set_variance(pooled)
        start = Prior(self.event_shape[0] + 1.0, pooled, self.column_variance)
        self._update(self._statistics(self.covariance.whiten(rows - self.loc.unsqueeze(1)), r), start)


def _refuse_missing(observed: Tensor | None) -> None:
    if observed is not None:
        raise AbilityError(
            "GaussianMixture is one density of a whole row and cannot leave out missing cells. "
            "Use FactorAnalysis or ProbabilisticPCA, which integrate them out, or rows without missing cells."
        )


def _at_least(name: str, value: float, *, allow_zero: bool) -> float:
    if not 0 <= value < float("inf") or (value == 0 and not allow_zero):
        bound = "of at least 0" if allow_zero else "above 0"
        raise ParameterError(f"{name}={value} cannot be used. Use a number {bound}.")
    return float(value)
