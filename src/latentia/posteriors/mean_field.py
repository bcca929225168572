"""A q that factorises: each factor the best one given the others."""

from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution

from ..abilities import Globals, HasPosterior, has_globals, require
from ..batch import Batch
from .base import Posterior


class MeanField(Posterior):
    """q(theta) prod_i q(z_i): theta the latents that all rows share, if there are any.

    The factor of a row is the best one given q(theta), log q(c_i) = E_q(theta)[log p(x_i, c_i | theta)] + constant, so that
    nothing is kept for rows. Without theta the rows are independent of each other, and the best factor of a row is its
    exact posterior.

    Arguments:
        theta: where q(theta) begins, usually at the model's `prior_globals()`; None where there are no globals.

    Source: Bishop, "Pattern recognition and machine learning", 2006, section 10.1.

    >>> from latentia.models import BayesianGaussianMixture
    >>> model = BayesianGaussianMixture(1, 2)
    >>> rows = Batch(torch.zeros(3, 1), torch.arange(3))
    >>> MeanField(model.prior_globals())(rows, model).probs[0]
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    def __init__(self, theta: Globals | None = None) -> None:
        super().__init__()
        self.names = tuple(theta or ())
        for name, value in (theta or {}).items():
            self.register_parameter(f"q_{name}", nn.Parameter(value.detach().clone(), requires_grad=False))

    @property
    def theta(self) -> dict[str, Tensor]:
        """The parameters of q(theta)."""
        return {name: getattr(self, f"q_{name}") for name in self.names}

    def move(self, theta: Globals) -> None:
        """Set q(theta)."""
        for name in self.names:
            getattr(self, f"q_{name}").copy_(theta[name])

    def forward(self, batch: Batch, model: Any) -> Distribution:
        if has_globals(model):
            return model.responsibilities(batch.x, self.theta, batch.observed)
        require(model, HasPosterior, "coordinate ascent", "posteriors.Amortized")
        return model.posterior(batch.x, batch.observed)
