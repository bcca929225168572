"""The Bayesian mixture of Gaussians with weights, means and precisions as latents."""

from math import log, pi
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..abilities import Globals, Statistics
from ..batch import Batches
from ..distributions import MultivariateStudentT
from ..errors import ParameterError
from ..scaling import Scaling
from .conjugate_mixture import LOG_2PI, ConjugateMixture
from .gaussian import moments

JITTER = 1e-6  # of a column's variance, in the prior's covariance


@final
class NormalWishartMixture(ConjugateMixture):
    """pi ~ Dirichlet(a0), S_k^-1 ~ Wishart(W0, nu0), mu_k ~ N(m0, S_k / b0), c_i ~ pi, x_i ~ N(mu_{c_i}, S_{c_i}).

    q(theta) keeps the form, with "concentration" a_k, "precision" b_k, "loc" m_k, "dof" nu_k and "tril", the Cholesky
    factor of W_k^-1; E_q[S_k^-1] = nu_k W_k. The prior takes its centre m0 and W0^-1 from the data, their mean and
    covariance, by `set_prior`.

    Arguments:
        n_features: D, columns of x.
        n_components: K.
        concentration: a0, of each component's weight; None is 1 / K. Below 1 it prefers few components.
        mean_precision: b0, how many rows the prior's knowledge of a mean is worth.
        dof: nu0, degrees of freedom of the precisions, above D - 1; None is D.
        scaling: from the model's units to the user's.

    Raises: `ParameterError` for sizes below one and hyperparameters outside their range.

    Source: Bishop, "Pattern recognition and machine learning", 2006, section 10.2.

    >>> model = NormalWishartMixture(2, 3)
    >>> model.responsibilities(torch.zeros(5, 2), model.prior_globals()).probs[0]
    tensor([0.3333, 0.3333, 0.3333], dtype=torch.float64)
    """

    loc: Tensor
    tril: Tensor

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        concentration: float | None = None,
        mean_precision: float = 1.0,
        dof: float | None = None,
        scaling: Scaling | None = None,
    ) -> None:
        super().__init__(n_features, n_components, scaling)
        given = {
            "concentration": (1 / n_components if concentration is None else concentration, 0.0),
            "mean_precision": (mean_precision, 0.0),
            "dof": (n_features if dof is None else dof, n_features - 1.0),
        }
        for name, (value, least) in given.items():
            if not least < value < float("inf"):
                raise ParameterError(f"{name}={value} cannot be used. Use a number above {least:g}.")
        numbers = [torch.tensor(float(value), dtype=torch.float64) for value, _ in given.values()]
        self.concentration, self.precision, self.dof = (nn.Parameter(number, False) for number in numbers)
        self.register_buffer("loc", torch.zeros(n_features, dtype=torch.float64))
        self.register_buffer("tril", torch.eye(n_features, dtype=torch.float64))

    @torch.no_grad()
    def set_prior(self, batches: Batches) -> None:
        """m0 and W0^-1 from the data: their mean, and their covariance with a millionth more of each variance.

        Raises `DataError` where the weights sum to zero.
        """
        data = moments(self, batches, covariance=True)
        varying = data.variance[~data.constant]
        typical = varying.mean() if len(varying) else torch.ones_like(data.variance[0])
        assert data.covariance is not None
        ridge = torch.where(data.constant, typical, JITTER * data.variance)
        self.loc.copy_(data.mean)
        self.tril.copy_(torch.linalg.cholesky(data.covariance + torch.diag(ridge)))

    # --- the model ---------------------------------------------------------------------------------------------

    def likelihood(self, z: Tensor) -> Distribution:
        """p(x | c) of a single row: Student's t about the prior's centre, whatever c."""
        df, stretch = self._student(self.prior_globals())
        loc = self.scaling.to_user(self.loc).expand(*z.shape, -1)
        tril = self._unit().unsqueeze(1) * self.tril * stretch[0]
        return MultivariateStudentT(df[0].expand(z.shape), loc, tril, validate_args=False)

    def prior_globals(self) -> dict[str, Tensor]:
        each = torch.ones(self.n_components, dtype=self.loc.dtype, device=self.loc.device)
        return {
            "concentration": self.concentration * each,
            "precision": self.precision * each,
            "dof": self.dof * each,
            "loc": self.loc.repeat(self.n_components, 1),
            "tril": self.tril.repeat(self.n_components, 1, 1),
        }

    def update_globals(self, statistics: Statistics) -> dict[str, Tensor]:
        weight, first = statistics["responsibility"], statistics["first"]
        precision = self.precision + weight
        between = first.unsqueeze(-1) * first.unsqueeze(-2) / precision[..., None, None]
        inverse = self.tril @ self.tril.mT + statistics["scatter"] - between
        return {
            "concentration": self.concentration + weight,
            "precision": precision,
            "dof": self.dof + weight,
            "loc": self.loc + first / precision.unsqueeze(-1),
            "tril": torch.linalg.cholesky(inverse),
        }

    def _statistics(self, x: Tensor, r: Tensor) -> dict[str, Tensor]:
        """About m0, so that an offset of the data cancels nothing."""
        d = x - self.loc
        weighted = r.mT.unsqueeze(-1) * d  # (..., K, rows, D)
        return {"responsibility": r.sum(-2), "first": r.mT @ d, "scatter": weighted.mT @ d}

    # --- expectations ------------------------------------------------------------------------------------------

    def expected_log_weights(self, theta: Globals) -> Tensor:
        a = theta["concentration"]
        return torch.digamma(a) - torch.digamma(a.sum())

    def predictive_weights(self, theta: Globals) -> Tensor:
        return theta["concentration"] / theta["concentration"].sum()

    def _expected_log_density(self, x: Tensor, theta: Globals) -> Tensor:
        n_features = x.shape[1]
        quadratic = n_features / theta["precision"] + theta["dof"] * self._squares(x, theta)
        return 0.5 * (self._expected_log_det(theta) - n_features * LOG_2PI - quadratic)

    def _log_predictive(self, x: Tensor, theta: Globals) -> Tensor:
        df, stretch = self._student(theta)
        n_features = x.shape[1]
        log_det = n_features * torch.log(stretch) + _log_det(theta["tril"])
        constant = torch.lgamma((df + n_features) / 2) - torch.lgamma(df / 2) - n_features / 2 * torch.log(df * pi)
        squares = self._squares(x, theta) / stretch.square()
        return constant - log_det - (df + n_features) / 2 * torch.log1p(squares / df)

    def _student(self, theta: Globals) -> tuple[Tensor, Tensor]:
        """Degrees of freedom of the predictive t, and by how much its scale exceeds "tril"; `(K,)` each."""
        df = theta["dof"] + 1 - self.event_shape[0]
        return df, torch.sqrt((theta["precision"] + 1) / (theta["precision"] * df))

    def _squares(self, x: Tensor, theta: Globals) -> Tensor:
        """(x - m_k)^T W_k (x - m_k), `(batch, K)`."""
        d = (x - theta["loc"].unsqueeze(1)).mT  # (K, D, batch)
        return torch.linalg.solve_triangular(theta["tril"], d, upper=False).square().sum(1).T

    def _expected_log_det(self, theta: Globals) -> Tensor:
        """E_q[log |S_k^-1|], `(K,)`."""
        below = torch.arange(self.event_shape[0], dtype=theta["dof"].dtype, device=theta["dof"].device)
        halves = (theta["dof"].unsqueeze(-1) - below) / 2
        return torch.digamma(halves).sum(-1) + self.event_shape[0] * log(2) - 2 * _log_det(theta["tril"])

    # --- the bound and the evidence ----------------------------------------------------------------------------

    def globals_kl(self, theta: Globals) -> Tensor:
        prior, n_features = self.prior_globals(), self.event_shape[0]
        ratio = prior["precision"] / theta["precision"]
        whiten = lambda d: torch.linalg.solve_triangular(theta["tril"], d, upper=False)  # noqa: E731
        shift = whiten((theta["loc"] - prior["loc"]).unsqueeze(-1)).square().sum((-2, -1))
        of_means = n_features * (ratio - 1) + prior["precision"] * theta["dof"] * shift
        trace = whiten(prior["tril"]).square().sum((-2, -1))
        more = theta["dof"] - prior["dof"]
        of_precisions = more * self._expected_log_det(theta) + theta["dof"] * (trace - n_features)
        of_weights = (theta["concentration"] - prior["concentration"]) * self.expected_log_weights(theta)
        linear = 0.5 * (of_means + of_precisions).sum() + of_weights.sum()
        return linear + self.log_normaliser(prior) - self.log_normaliser(theta)

    def log_normaliser(self, theta: Globals) -> Tensor:
        a, n_features = theta["concentration"], self.event_shape[0]
        of_weights = torch.lgamma(a).sum(-1) - torch.lgamma(a.sum(-1))
        each = torch.special.multigammaln(theta["dof"] / 2, n_features) + 0.5 * n_features * log(2) * theta["dof"]
        each = each - theta["dof"] * _log_det(theta["tril"]) - 0.5 * n_features * torch.log(theta["precision"])
        return of_weights + each.sum(-1)

    def _log_base(self, x: Tensor) -> Tensor:
        return x.new_tensor(-0.5 * x.numel() * LOG_2PI)

    # --- numbers out -------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n rows of one data set: weights, means and precisions from the prior first; user's units, `(n, D)`."""
        theta = self.prior_globals()
        weights = torch.distributions.Dirichlet(theta["concentration"], validate_args=False).sample()
        c = torch.multinomial(weights, n, replacement=True)
        half = self._precision_roots()
        loc = self.loc + _solve_t(half, torch.randn_like(theta["loc"])) / torch.sqrt(theta["precision"]).unsqueeze(1)
        noise = torch.randn(n, *self.event_shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.scaling.to_user(loc[c] + _solve_t(half[c], noise))

    def _precision_roots(self) -> Tensor:
        """B_k with S_k^-1 = B_k B_k^T from the Wishart prior, by Bartlett's decomposition, `(K, D, D)`."""
        n, size = self.n_components, self.event_shape[0]
        below = torch.arange(size, dtype=self.loc.dtype, device=self.loc.device)
        chi = torch.sqrt(2 * torch._standard_gamma(((self.dof - below) / 2).expand(n, -1)))  # type: ignore[attr-defined]
        bartlett = torch.randn(n, size, size, dtype=chi.dtype, device=chi.device).tril(-1) + torch.diag_embed(chi)
        return torch.linalg.solve_triangular(self.tril.mT.expand(n, -1, -1), bartlett, upper=True)

    @torch.no_grad()
    def sample_predictive(self, n: int, theta: Globals) -> Tensor:
        """n independent rows, each with parameters of its own from q(theta); user's units, `(n, D)`."""
        c = torch.multinomial(self.predictive_weights(theta), n, replacement=True)
        df, stretch = self._student(theta)
        tril = theta["tril"] * stretch[:, None, None]
        drawn = MultivariateStudentT(df[c], theta["loc"][c], tril[c], validate_args=False).sample()
        return self.scaling.to_user(drawn)

    def means(self, theta: Globals) -> Tensor:
        """E_q[mu_k], user's units, `(K, D)`."""
        return self.scaling.to_user(theta["loc"])

    def covariances(self, theta: Globals) -> Tensor:
        """E_q[S_k^-1]^-1 = W_k^-1 / nu_k, user's units, `(K, D, D)`."""
        unit = self._unit()
        return theta["tril"] @ theta["tril"].mT / theta["dof"][:, None, None] * unit.outer(unit)

    def _unit(self) -> Tensor:
        return self.scaling.scale.to(self.loc.dtype).expand(self.event_shape)


def _log_det(tril: Tensor) -> Tensor:
    """log |L|."""
    return torch.log(tril.diagonal(dim1=-2, dim2=-1)).sum(-1)


def _solve_t(root: Tensor, e: Tensor) -> Tensor:
    """B^-T e, so that its covariance is (B B^T)^-1; B is any square root, `(n, D, D)`, e `(n, D)`."""
    return torch.linalg.solve(root.mT, e.unsqueeze(-1)).squeeze(-1)
