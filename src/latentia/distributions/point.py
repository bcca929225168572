"""All mass in one point, and no mass anywhere: what codes without a density are."""

from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from ..errors import AbilityError
from ..randomness import RowNoise
from .rows import from_noise


class PointMass(Distribution):
    """z = loc with certainty; it has draws, and no density.

    Arguments:
        loc: where the mass is, `(*batch, *event)`.
        event_dims: axes of one event, counted from the last.

    >>> q = PointMass(torch.ones(3, 2))
    >>> q.batch_shape, q.event_shape, q.rsample(torch.Size((5,))).shape
    (torch.Size([3]), torch.Size([2]), torch.Size([5, 3, 2]))
    """

    arg_constraints = {"loc": constraints.real}  # type: ignore[assignment]
    support = constraints.real  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, loc: Tensor, event_dims: int = 1, validate_args: bool | None = None) -> None:
        self.loc = loc
        cut = loc.ndim - event_dims
        super().__init__(loc.shape[:cut], loc.shape[cut:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.loc)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc.expand(*torch.Size(sample_shape), *self.loc.shape)

    def log_prob(self, value: Tensor) -> NoReturn:
        raise AbilityError(
            "A code that is one point has no density, so that KL(q || p) is infinite and there is no evidence lower bound. "
            "Use bounds.Reconstruction, or an encoder that outputs a distribution (posteriors.Amortized)."
        )


@from_noise.register(PointMass)
def _(q: PointMass, noise: RowNoise, n_samples: int) -> Tensor:
    return q.rsample(torch.Size((n_samples,)))


class Flat(Distribution):
    """The same density everywhere, which integrates to no finite number: nothing is known about z, nothing can be drawn.

    Arguments:
        like: zeros of the shape of one z, which say type and device.
        grid: percentiles 0, 1, ..., 100 of some codes, `(101, *event)`, which `icdf` gives back; None or zeros: none.

    >>> Flat(torch.zeros(2)).log_prob(torch.ones(5, 2))
    tensor([0., 0., 0., 0., 0.])
    """

    arg_constraints = {}  # type: ignore[assignment]
    support = constraints.real  # type: ignore[assignment]

    def __init__(self, like: Tensor, grid: Tensor | None = None, validate_args: bool | None = None) -> None:
        self.like, self.grid = like, grid
        super().__init__(torch.Size(), like.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.new_zeros(value.shape[: value.ndim - len(self.event_shape)])

    def icdf(self, value: Tensor) -> Tensor:
        """Quantiles of the codes, unit by unit, `(..., *event)`, for shares `(..., 1)`."""
        if self.grid is None or not bool(self.grid.any()):
            raise NotImplementedError  # torch's word for no quantiles: a fit has not filled the grid yet
        place = value.to(self.grid.dtype).clamp(0, 1) * (len(self.grid) - 1)
        low = place.floor().long().clamp_max(len(self.grid) - 2)
        below, above = self.grid[low[..., 0]], self.grid[low[..., 0] + 1]
        return below + (place - low) * (above - below)

    def sample(self, sample_shape: Any = ()) -> NoReturn:
        raise AbilityError(
            "An autoencoder has no distribution of z to draw from. Fit one to its codes, for instance "
            "GaussianMixture().fit(model.transform(X)), and decode its draws with inverse_transform; or fit a VAE."
        )
