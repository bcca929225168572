"""Probabilistic PCA and factor analysis."""

from typing import final

from torch import Tensor

from ..batch import Batches
from ..errors import DataError
from ..scaling import Scaling
from .gaussian import Moments, check_floor, name_columns, principal
from .linear_gaussian import LinearGaussian


@final
class ProbabilisticPCA(LinearGaussian):
    """x = loc + loading z + noise, z ~ N(0, I_k), noise ~ N(0, sigma^2 I), in the model's units.

    Knows its exact posterior, log p(x), closed-form update, and the maximum of its likelihood in closed form: with
    the eigenvalues l_1 >= ... >= l_D of the data's covariance and their vectors U, sigma^2 is the mean of the last
    D - k, and loading = U_k (diag(l_1 .. l_k) - sigma^2 I)^(1/2).

    Arguments:
        n_features: D, columns of x.
        n_latent: k, units of z; with k >= D the model is a full Gaussian, and units beyond D - 1 stay idle.
        scaling: from the model's units to the user's.
        floor: least sigma^2, as a share of the mean variance of the columns in the model's units: data of no more than
            k dimensions have no noise, and a likelihood without a maximum.

    Raises: `ParameterError` for sizes below one, `DataError` where every column is constant.

    Source: Tipping and Bishop, "Probabilistic principal component analysis", 1999, equations 7 and 8.

    >>> import torch
    >>> from latentia.batch import TensorBatches
    >>> x = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]], dtype=torch.float64)
    >>> model = ProbabilisticPCA(2, 1)
    >>> model.maximise(TensorBatches(x, dtype=torch.float64))
    >>> round(model.scale[0].item(), 6), model.posterior(x).mean.shape
    (1.0, torch.Size([4, 1]))
    """

    starts = ("auto", "random", "closed-form")

    def __init__(self, n_features: int, n_latent: int, *, scaling: Scaling | None = None, floor: float = 1e-9) -> None:
        super().__init__(n_features, n_latent, None, scaling)
        self.floor = check_floor(floor)

    @property
    def floor_text(self) -> str:
        """The floor in words."""
        return f"The noise variance is at least {self.floor:g} of the mean variance of the columns."

    def maximise(self, batches: Batches) -> None:
        """Go to the maximum of the likelihood, in closed form: two passes, one D x D covariance.

        Raises `AbilityError` where cells are missing.
        """
        self.initialise(batches, "closed-form", seed=0)

    def _noise(self, variance: Tensor) -> Tensor:
        return variance.mean()

    def _set_floor(self, data: Moments) -> None:
        if bool(data.constant.all()):
            raise DataError(
                "Every column holds one single value, so that the density has no finite optimum. "
                "Check that the right columns were read."
            )
        self.variance_floor.copy_(self.floor * data.variance.mean())

    def _start_spectral(self, data: Moments) -> None:
        assert data.covariance is not None
        loading, left = principal(data.covariance, self.latent_shape[0], float(self.variance_floor))
        self._set_variance(left.expand(self.event_shape))
        self._set_loading(loading)


@final
class FactorAnalysis(LinearGaussian):
    """x = loc + loading z + noise, z ~ N(0, I_k), noise ~ N(0, diag(scale^2)), in the model's units.

    Knows its exact posterior, log p(x) and closed-form update. Its likelihood does not depend on the units of the
    columns.

    Arguments:
        n_features: D, columns of x.
        n_latent: k, units of z.
        scaling: from the model's units to the user's.
        floor: least noise variance of a column, as a share of the column's variance: a factor that reproduces a
            column exactly (a Heywood case) would take its noise to zero.

    Raises: `ParameterError` for sizes below one, `DataError` where a column is constant.

    Source: Rubin and Thayer, "EM algorithms for ML factor analysis", 1982.

    >>> import torch
    >>> model = FactorAnalysis(5, 2)
    >>> model.log_prob(torch.zeros(3, 5)).shape, model.floor_text
    (torch.Size([3]), 'The noise variance of each column is at least 1e-06 of the variance of the column.')
    """

    starts = ("auto", "random")

    def __init__(self, n_features: int, n_latent: int, *, scaling: Scaling | None = None, floor: float = 1e-6) -> None:
        super().__init__(n_features, n_latent, n_features, scaling)
        self.floor = check_floor(floor)

    @property
    def floor_text(self) -> str:
        """The floor in words."""
        return f"The noise variance of each column is at least {self.floor:g} of the variance of the column."

    def _noise(self, variance: Tensor) -> Tensor:
        return variance

    def _set_floor(self, data: Moments) -> None:
        if bool(data.constant.any()):
            raise DataError(
                f"No variance in {name_columns(data.constant)}: factor analysis has a noise variance for each column, "
                "and no finite optimum here. Leave such columns out, or use ProbabilisticPCA, whose columns share one."
            )
        self.variance_floor.copy_(self.floor * data.variance)

    def _start_spectral(self, data: Moments) -> None:
        assert data.covariance is not None
        sd = data.variance.sqrt()
        loading, _ = principal(data.covariance / sd.outer(sd), self.latent_shape[0], 0.0)
        left = (1 - loading.square().sum(1)).clamp_min(0.05)
        self._set_variance(data.variance * left)
        self._set_loading(sd.unsqueeze(1) * loading)
