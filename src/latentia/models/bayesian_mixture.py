"""The Bayesian mixture of unit-variance Gaussians: the means are latents."""

from math import log
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from ..abilities import Globals, Statistics
from ..errors import ParameterError
from ..scaling import Scaling
from .conjugate_mixture import LOG_2PI, ConjugateMixture


@final
class BayesianGaussianMixture(ConjugateMixture):
    """mu_k ~ N(0, sigma^2 I), c_i ~ uniform over K, x_i ~ N(mu_{c_i}, I), in the model's units.

    p(x) = sum_c K^-n integral p(mu) prod_i p(x_i | mu_{c_i}) dmu has K^n terms, each of them closed:
    `log_assignments`. q(mu_k) = N(loc_k, scale_k^2 I).

    Arguments:
        n_features: D, columns of x.
        n_components: K.
        prior_scale: sigma, in the model's units; a standard deviation.
        learn_prior: whether learning moves sigma, to sigma^2 = mean of E_q[mu^2].
        scaling: from the model's units to the user's.

    Raises: `ParameterError` for sizes below one and a scale that is not positive.

    Source: Blei, Kucukelbir and McAuliffe, "Variational inference: a review for statisticians", 2017, section 2.1 and
    equations 24 to 34.

    >>> model = BayesianGaussianMixture(1, 2, prior_scale=3.0)
    >>> every = torch.cartesian_prod(*[torch.arange(2)] * 3)  # the 8 assignments of 3 rows
    >>> round(torch.logsumexp(model.log_assignments(torch.tensor([[0.0], [1.0], [8.0]]), every), 0).item(), 4)
    -10.2297
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        prior_scale: float = 1.0,
        learn_prior: bool = False,
        scaling: Scaling | None = None,
    ) -> None:
        super().__init__(n_features, n_components, scaling)
        if not 0 < prior_scale < float("inf"):
            raise ParameterError(f"prior_scale={prior_scale} is no standard deviation. Use a number above 0.")
        self.log_prior_scale = nn.Parameter(torch.tensor(log(prior_scale), dtype=torch.float64), False)
        self.learn_prior = learn_prior

    @property
    def prior_scale(self) -> Tensor:
        """sigma, model units."""
        return self.log_prior_scale.exp()

    def likelihood(self, z: Tensor) -> Distribution:
        """p(x | c) of a single row: N(0, 1 + sigma^2) in each cell, whatever c."""
        scale = torch.sqrt(1 + self.prior_scale.square()).expand(*z.shape, *self.event_shape)
        return self.scaling.wrap(Normal(torch.zeros_like(scale), scale, validate_args=False))

    def prior_globals(self) -> dict[str, Tensor]:
        sigma = self.prior_scale
        return {"loc": sigma.new_zeros(self.n_components, *self.event_shape), "scale": sigma.repeat(self.n_components)}

    def update_globals(self, statistics: Statistics) -> dict[str, Tensor]:
        variance = 1 / (self.prior_scale**-2 + statistics["responsibility"])
        return {"loc": variance.unsqueeze(-1) * statistics["first"], "scale": variance.sqrt()}

    def _statistics(self, x: Tensor, r: Tensor) -> dict[str, Tensor]:
        return {"responsibility": r.sum(-2), "first": r.mT @ x}

    def expected_log_weights(self, theta: Globals) -> Tensor:
        return torch.full_like(theta["scale"], -log(self.n_components))

    def predictive_weights(self, theta: Globals) -> Tensor:
        return torch.full_like(theta["scale"], 1 / self.n_components)

    def _expected_log_density(self, x: Tensor, theta: Globals) -> Tensor:
        squares = _squares(x, theta["loc"]) + x.shape[1] * theta["scale"].square()
        return -0.5 * (x.shape[1] * LOG_2PI + squares)

    def _log_predictive(self, x: Tensor, theta: Globals) -> Tensor:
        variance = 1 + theta["scale"].square()
        return -0.5 * (x.shape[1] * (LOG_2PI + torch.log(variance)) + _squares(x, theta["loc"]) / variance)

    def globals_kl(self, theta: Globals) -> Tensor:
        ratio = (theta["scale"] / self.prior_scale).square()
        shift = (theta["loc"] / self.prior_scale).square().sum(-1)
        return 0.5 * (self.event_shape[0] * (ratio - 1 - torch.log(ratio)) + shift).sum()

    def log_normaliser(self, theta: Globals) -> Tensor:
        shift = (theta["loc"] / theta["scale"].unsqueeze(-1)).square().sum(-1)
        return (self.event_shape[0] * torch.log(theta["scale"]) + 0.5 * shift).sum(-1)

    def _log_base(self, x: Tensor) -> Tensor:
        return -0.5 * (x.numel() * LOG_2PI + x.square().sum()) - len(x) * log(self.n_components)

    def improve(self, theta: Globals) -> None:
        """sigma^2 = mean of E_q[mu^2], where it is learnt: the maximum of the bound for this q(mu)."""
        if self.learn_prior:
            second = theta["loc"].square() + theta["scale"].square().unsqueeze(-1)
            self.log_prior_scale.copy_(0.5 * torch.log(second.mean()))

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n rows of one data set: means from the prior first, then rows around them; user's units, `(n, D)`."""
        theta = self.prior_globals()
        loc = theta["scale"].unsqueeze(1) * torch.randn_like(theta["loc"])
        c = torch.randint(self.n_components, (n,), device=loc.device)
        return self.scaling.to_user(loc[c] + torch.randn_like(loc[c]))

    @torch.no_grad()
    def sample_predictive(self, n: int, theta: Globals) -> Tensor:
        """n independent rows, each with means of its own from q(mu); user's units, `(n, D)`."""
        c = torch.randint(self.n_components, (n,), device=theta["loc"].device)
        scale = torch.sqrt(1 + theta["scale"].square())[c].unsqueeze(1)
        return self.scaling.to_user(theta["loc"][c] + scale * torch.randn_like(theta["loc"][c]))

    def means(self, theta: Globals) -> Tensor:
        """E_q[mu_k], user's units, `(K, D)`."""
        return self.scaling.to_user(theta["loc"])


def _squares(x: Tensor, loc: Tensor) -> Tensor:
    """Squared distances, `(batch, K)`, without the cancellation of the expanded square."""
    return torch.cdist(x, loc, compute_mode="donot_use_mm_for_euclid_dist").square()
