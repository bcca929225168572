"""What probabilistic PCA and factor analysis share: a linear Gaussian model and its EM."""

from abc import ABC, abstractmethod
from math import log, pi
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, MultivariateNormal, Normal

from ..abilities import Expectation, Statistics
from ..batch import Batch, Batches
from ..errors import AbilityError, choose
from ..scaling import Scaling
from .base import Model
from .gaussian import Moments, check_sizes, moments, refuse_levels, row_weights, sign_fixed
from .priors import StandardNormal

MAX_COVARIANCE = 2000  # columns; beyond, a start from the leading eigenvectors costs more than it saves


class _Inferred(NamedTuple):
    """p(z|x) of each row, and what x - E[x|z] leaves.

    Arguments:
        mean: E[z|x], `(batch, k)`.
        precision, chol: M = I + A^T A with A = loading / scale over the observed columns, and its Cholesky factor,
            `(k, k)`, or `(batch, k, k)` where cells are missing.
        residual: (x - loc - loading E[z|x]) / scale, zero where x is missing, `(batch, D)`.
    """

    mean: Tensor
    precision: Tensor
    chol: Tensor
    residual: Tensor


class LinearGaussian(Model, ABC):
    """x = loc + loading z + noise, z ~ N(0, I), noise ~ N(0, diag(scale^2)): what both models share.

    Its closed-form M-step is that of parameter-expanded EM: besides loc, loading and scale it moves the mean and the
    covariance of z, which are then folded back into loc and loading. It needs far fewer passes than plain EM, and
    the likelihood never falls.

    Sources: Rubin and Thayer, "EM algorithms for ML factor analysis", 1982; Liu, Rubin and Wu, "Parameter expansion
    to accelerate EM: the PX-EM algorithm", 1998.
    """

    variance_floor: Tensor
    starts: tuple[str, ...]

    def __init__(self, n_features: int, n_latent: int, n_scales: int | None, scaling: Scaling | None) -> None:
        refuse_levels(scaling, type(self).__name__)
        check_sizes(n_features=n_features, n_latent=n_latent)
        super().__init__(scaling)
        shape = () if n_scales is None else (n_scales,)
        self.event_shape, self.latent_shape = (n_features,), (n_latent,)
        self.prior_module = StandardNormal(n_latent).double()
        self.loc = nn.Parameter(torch.zeros(n_features, dtype=torch.float64))
        self.loading = nn.Parameter(0.1 * torch.randn(n_features, n_latent, dtype=torch.float64))
        self.log_scale = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance_floor", torch.zeros(shape, dtype=torch.float64))

    # --- the model ---------------------------------------------------------------------------------------------

    @property
    def scale(self) -> Tensor:
        """Standard deviation of the noise of each column, model units, `(D,)`."""
        free = torch.exp(self.log_scale)
        return torch.maximum(free, self.variance_floor.sqrt()).expand(self.event_shape)

    def prior(self) -> Distribution:
        return self.prior_module()

    def likelihood(self, z: Tensor) -> Distribution:
        loc = self.loc + z.to(self.loc.dtype) @ self.loading.T
        return self.scaling.wrap(Normal(loc, self.scale.expand_as(loc), validate_args=False))

    def mean(self) -> Tensor:
        """E[x], user's units, `(D,)`."""
        return self.scaling.to_user(self.loc)

    def covariance(self) -> Tensor:
        """Cov[x] = loading loading^T + diag(scale^2), user's units, `(D, D)`."""
        unit = self._unit()
        return (self.loading @ self.loading.T + torch.diag(self.scale.square())) * unit.outer(unit)

    def posterior(self, x: Tensor, observed: Tensor | None = None) -> MultivariateNormal:
        """p(z|x), exact, of batch shape `(batch,)`; missing cells are integrated out."""
        inferred = self._infer(x, observed)
        zero = torch.zeros_like(inferred.mean[:1])
        tril = MultivariateNormal(zero, precision_matrix=inferred.precision, validate_args=False).scale_tril
        tril = tril.expand(len(x), *tril.shape[-2:])
        return MultivariateNormal(inferred.mean, scale_tril=tril, validate_args=False)

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """log p(x) in the user's units, nats per row, `(batch,)`; missing cells are integrated out.

        By the determinant lemma, log|C| = sum log scale^2 + log|M|, and (x - loc)^T C^-1 (x - loc) =
        |residual|^2 + |E[z|x]|^2, a minimum over z, in which rounding of z counts in second order only.
        """
        return self._log_prob(self._infer(x, observed), observed)

    def _log_prob(self, inferred: _Inferred, observed: Tensor | None) -> Tensor:
        cell = torch.log(self.scale) + torch.log(self._unit()) + 0.5 * log(2 * pi)
        constant = cell.sum() if observed is None else (observed * cell).sum(-1)
        constant = constant + inferred.chol.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -constant - 0.5 * (inferred.residual.square().sum(-1) + inferred.mean.square().sum(-1))

    def _unit(self) -> Tensor:
        return self.scaling.scale.to(self.loc.dtype).expand(self.event_shape)

    def _infer(self, x: Tensor, observed: Tensor | None) -> _Inferred:
        d = self._centred(x, observed) / self.scale
        a = self.loading / self.scale.unsqueeze(1)
        eye = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
        if observed is None:
            precision = eye + a.T @ a
            chol = torch.linalg.cholesky(precision)
            mean = torch.cholesky_solve(a.T @ d.T, chol).T
            return _Inferred(mean, precision, chol, d - mean @ a.T)
        here = observed.to(a.dtype)
        squares = (a.unsqueeze(2) * a.unsqueeze(1)).flatten(1)  # (D, k k)
        precision = eye + (here @ squares).unflatten(1, eye.shape)
        chol = torch.linalg.cholesky(precision)
        mean = torch.cholesky_solve((d @ a).unsqueeze(2), chol).squeeze(2)
        return _Inferred(mean, precision, chol, here * (d - mean @ a.T))

    def _centred(self, x: Tensor, observed: Tensor | None) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, self.loc.dtype))  # offsets are taken off before anything is rounded
        if observed is None:
            return (self.standardise(x) - self.loc).to(self.loc.dtype)
        x = torch.where(observed, x, torch.zeros_like(x))
        return torch.where(observed, self.standardise(x) - self.loc, x.new_zeros(())).to(self.loc.dtype)

    # --- expectation and maximisation --------------------------------------------------------------------------

    @torch.no_grad()
    def expect(self, batch: Batch) -> Expectation:
        """Weighted sums over the rows of the moments of z and of e = (x - loc - loading z) / scale given x.

        "weight"; "latent", E[z]; "latent_square", E[z z^T]; "residual", E[e]; "cross", E[e z^T]; "residual_square",
        E[e^2]. A missing cell is a latent whose e has mean 0 and variance 1.
        """
        inferred = self._infer(batch.x, batch.observed)
        z, e, w = inferred.mean.double(), inferred.residual.double(), row_weights(batch)
        spread, shared, absent = self._spread(inferred.chol.double(), w, batch.observed)
        a = (self.loading / self.scale.unsqueeze(1)).double()
        wz = w.unsqueeze(1) * z
        statistics = {
            "weight": w.sum(),
            "latent": wz.sum(0),
            "latent_square": z.T @ wz + spread,
            "residual": w @ e,
            "cross": e.T @ wz - shared,
            "residual_square": w @ e.square() + (shared * a).sum(1) + absent,
        }
        return Expectation(statistics, self._log_prob(inferred, batch.observed).double())

    def _spread(self, chol: Tensor, w: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of V = Cov[z|x], of V a over the rows where the column was observed, and of the absent rows."""
        a = (self.loading / self.scale.unsqueeze(1)).double()
        if observed is None:
            total = w.sum() * torch.cholesky_inverse(chol)
            return total, a @ total, torch.zeros_like(a[:, 0])
        v = torch.cholesky_inverse(chol)  # (batch, k, k)
        per_column = ((w.unsqueeze(1) * observed).T @ v.flatten(1)).unflatten(1, v.shape[1:])  # (D, k, k)
        shared = (per_column @ a.unsqueeze(2)).squeeze(2)
        return (w.reshape(-1, 1, 1) * v).sum(0), shared, w @ (~observed).double()

    @torch.no_grad()
    def update(self, statistics: Statistics) -> None:
        """The regression of e on (1, z), the variance that it leaves, and the moments of z folded into the loading."""
        n = statistics["weight"]
        z, e = statistics["latent"] / n, statistics["residual"] / n
        zz = statistics["latent_square"] / n - z.outer(z)
        ez = statistics["cross"] / n - e.outer(z)
        root = torch.linalg.cholesky(zz)
        slope = torch.cholesky_solve(ez.T, root).T  # (D, k)
        left = statistics["residual_square"] / n - e.square() - (ez * slope).sum(1)
        scale = self.scale.double()
        a = self.loading.double() / scale.unsqueeze(1)
        self.loc += scale * (e + a @ z)
        self._set_variance(scale.square() * left)
        self._set_loading(scale.unsqueeze(1) * ((a + slope) @ root))

    def log_penalty(self) -> Tensor:
        """Zero: there is no prior over the parameters, the floor is a bound on them."""
        return torch.zeros((), dtype=torch.float64, device=self.loc.device)

    # --- starts ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def initialise(self, batches: Batches, start: str, seed: int) -> None:
        """Set the floor and choose where to start.

        "auto" starts at the leading eigenvectors of the data's covariance (of more than 2,000 columns: at random),
        "random" at a loading drawn from the seed.

        Raises `DataError` where the density would have no finite optimum, `AbilityError` where a closed form is asked
        for and cells are missing.
        """
        choose("start", start, self.starts)
        spectral = start == "closed-form" or (start == "auto" and self.event_shape[0] <= MAX_COVARIANCE)
        data = moments(self, batches, covariance=spectral)
        if start == "closed-form" and not data.complete:
            raise AbilityError("The closed form needs rows without missing cells. Use learn.ExactEM(start='auto').")
        self._set_floor(data)
        self.loc.copy_(data.mean)
        if spectral:
            self._start_spectral(data)
        else:
            self._start_random(data, seed)

    def _start_random(self, data: Moments, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        draw = torch.randn(self.loading.shape, generator=generator, dtype=torch.float64).to(self.loc.device)
        variance = self._noise(data.variance).expand(self.event_shape)
        self._set_variance(variance / 2)
        self._set_loading(draw * (variance / (2 * self.latent_shape[0])).sqrt().unsqueeze(1))

    def _set_variance(self, variance: Tensor) -> None:
        variance = torch.maximum(self._noise(variance), self.variance_floor.double())
        self.log_scale.copy_(0.5 * torch.log(variance))

    def _set_loading(self, loading: Tensor) -> None:
        """Turn z so that the columns of loading / scale are orthogonal, the longest first.

        A turned z has the same prior, so the density stays. M is then diagonal but for rounding, and its Cholesky
        factor exact, however far apart its eigenvalues are.
        """
        scale = self.scale.double().unsqueeze(1)
        u, s, _ = torch.linalg.svd(loading / scale, full_matrices=False)
        axes = scale * sign_fixed(u) * s
        self.loading.copy_(torch.nn.functional.pad(axes, (0, self.latent_shape[0] - axes.shape[1])))

    @abstractmethod
    def _noise(self, variance: Tensor) -> Tensor:
        """The best noise variances `(n_scales,)` or `()` from those of the columns `(D,)`."""

    @abstractmethod
    def _set_floor(self, data: Moments) -> None:
        """Set the least noise variance."""

    @abstractmethod
    def _start_spectral(self, data: Moments) -> None:
        """Start from the leading eigenvectors."""
