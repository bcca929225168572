"""Families of whole rows: normals with covariances, the multivariate t, compositions, directions."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Dirichlet as _Dirichlet

from .. import distributions as d
from ..errors import DataError
from .base import LOG_SHAPE_BOUND, RowFamily, at_least, bounded, located, positive, whole

INVERSE_BOUND = 9.0  # decimal digits by which the inverse of a Cholesky factor's correlated part may grow
LOADING_BOUND = 100.0  # of a low-rank factor's norm, in units of each cell's own scale
LOG_CONCENTRATION_BOUND = 8.0


def cholesky(raw: Tensor, size: int) -> Tensor:
    """A Cholesky factor L = diag(s) (I + N) from `size (size + 1) / 2` raw numbers, `(..., size, size)`.

    log s is the first `size` numbers, bounded; the rest fill the strictly lower triangle N, each row smoothly kept
    below B = max(1, 10^(9 / size)) in the sum of its absolute values. So the inverse never overflows: what is
    left of it grows by B per row at most. With 2 cells a correlation may reach 1 - 1e-9, with 64 cells 0.8 in one pair.

    >>> cholesky(torch.zeros(3), 2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    scale, lower = positive(raw[..., :size]), located(raw[..., size:])
    rows, columns = torch.tril_indices(size, size, -1, device=raw.device)
    place = rows * size + columns
    flat = torch.zeros(*raw.shape[:-1], size * size, dtype=raw.dtype, device=raw.device)
    below = flat.scatter(-1, place.expand(lower.shape), lower).unflatten(-1, (size, size))
    bound = max(1.0, 10 ** (INVERSE_BOUND / size))
    below = below / (1 + below.abs().sum(-1, keepdim=True) / bound)
    unit = torch.eye(size, dtype=raw.dtype, device=raw.device)
    return scale.unsqueeze(-1) * (below + unit)


class _Located(RowFamily):
    """Shared by the families whose first `size` raw numbers are the centre and the next `size` the log scales."""

    bounded_above = False

    def start(self, mean: Tensor, scale: Tensor) -> Tensor:
        raw = torch.zeros(self.raw_shape)
        raw[: self.size], raw[self.size : 2 * self.size] = mean, torch.log(scale.clamp(1e-3, 1e3))
        return raw


class FullNormal(_Located):
    """N(loc, L L^T); loc = the first `size` raw numbers, L the Cholesky factor of the rest, see `cholesky`.

    Arguments:
        event_shape: `(size,)`.

    >>> FullNormal((3,)).n_outputs, FullNormal((3,))(torch.zeros(5, 9)).covariance_matrix.shape
    (9, torch.Size([5, 3, 3]))
    """

    name = "full-normal"

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return (self.size + self.size * (self.size + 1) // 2,)

    def forward(self, raw: Tensor) -> d.MultivariateNormal:
        self._check_raw(raw)
        loc, factor = located(raw[..., : self.size]), cholesky(raw[..., self.size :], self.size)
        return d.MultivariateNormal(loc, scale_tril=factor, validate_args=False)


class LowRankNormal(_Located):
    """N(loc, S (V V^T + I) S), S = diag(scale): `size` numbers loc, `size` log scales, then V, `(size, rank)`.

    V's norm stays below 100, smoothly: what the factors share of a cell is at most 100 times its own scale.

    Arguments:
        event_shape: `(size,)`.
        rank: columns of V, from 1.

    >>> LowRankNormal((4,), rank=1)(torch.zeros(5, 12)).event_shape
    torch.Size([4])
    """

    name = "low-rank-normal"

    def __init__(self, event_shape: Sequence[int], rank: int = 2) -> None:
        super().__init__(event_shape)
        self.rank = whole("rank", rank)

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return ((2 + self.rank) * self.size,)

    def forward(self, raw: Tensor) -> d.LowRankMultivariateNormal:
        self._check_raw(raw)
        loc, log_scale, loadings = raw.split([self.size, self.size, self.rank * self.size], -1)
        loc, scale = located(loc), positive(log_scale)
        loadings = located(loadings)
        loadings = loadings / (1 + loadings.abs().sum(-1, keepdim=True) / LOADING_BOUND)
        factor = scale.unsqueeze(-1) * loadings.unflatten(-1, (self.size, self.rank))
        return d.LowRankMultivariateNormal(loc, factor, scale.square(), validate_args=False)


class MultivariateStudentT(_Located):
    """The elliptical t: loc, then the Cholesky factor's numbers, then log df (unless fixed).

    Arguments:
        event_shape: `(size,)`.
        df: degrees of freedom, a positive number, or "network".
        least_df: what the network's degrees of freedom stay above.

    >>> MultivariateStudentT((3,), df=5.0)(torch.zeros(5, 9)).mean.shape
    torch.Size([5, 3])
    """

    name = "multivariate-student-t"

    def __init__(self, event_shape: Sequence[int], df: float | str = "network", least_df: float = 0.0) -> None:
        super().__init__(event_shape)
        self.df = df if df == "network" else at_least("df", df, 0.0)  # type: ignore[arg-type]
        self.least_df = at_least("least_df", least_df, 0.0, strictly=False)

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return (self.size + self.size * (self.size + 1) // 2 + (self.df == "network"),)

    def forward(self, raw: Tensor) -> d.MultivariateStudentT:
        self._check_raw(raw)
        loc, rest = located(raw[..., : self.size]), raw[..., self.size :]
        if self.df == "network":
            df, rest = self.least_df + positive(rest[..., -1], LOG_SHAPE_BOUND), rest[..., :-1]
        else:
            df = torch.full_like(loc[..., 0], float(self.df))
        return d.MultivariateStudentT(df, loc, cholesky(rest, self.size), validate_args=False)

    @property
    def finite_moments(self) -> float:
        return self.least_df if self.df == "network" else float(self.df)


class Dirichlet(RowFamily):
    """p(x) ~ prod x_i^(a_i - 1) over shares that sum to one; log a = raw, each from 0.0025 to 403.

    Arguments:
        event_shape: `(size,)`, at least two.

    >>> Dirichlet((3,))(torch.zeros(5, 3)).mean[0]
    tensor([0.3333, 0.3333, 0.3333])
    """

    name = "dirichlet"
    least_size = 2
    bounded_above = False

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return (self.size,)

    def forward(self, raw: Tensor) -> _Dirichlet:
        self._check_raw(raw)
        return _Dirichlet(positive(raw, LOG_SHAPE_BOUND), validate_args=False)

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        wrong = ~((x > 0).all(1) & (np.abs(x.sum(1) - 1) < 1e-4))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"A dirichlet likelihood needs rows of positive shares that sum to 1; row {row} sums to "
                f"{x[row].sum():g} and its least share is {x[row].min():g}. Divide each row by its sum."
            )


class VonMisesFisher(RowFamily):
    """A direction around a mean direction: (raw[:size] + e1) / its length; log concentration = raw[size], within 8.

    Arguments:
        event_shape: `(size,)`, at least two; rows are unit vectors.

    >>> VonMisesFisher((3,))(torch.zeros(5, 4)).loc[0]
    tensor([1., 0., 0.])
    """

    name = "von-mises-fisher"
    least_size = 2
    bounded_above = False

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return (self.size + 1,)

    def forward(self, raw: Tensor) -> d.VonMisesFisher:
        self._check_raw(raw)
        first = torch.zeros(self.size, dtype=raw.dtype, device=raw.device)
        first[0] = 1
        way = raw[..., : self.size] + first
        way = way / way.detach().abs().amax(-1, keepdim=True).clamp_min(1e-6)  # squares of large numbers overflow
        loc = way / torch.linalg.vector_norm(way, dim=-1, keepdim=True).clamp_min(1e-6)
        concentration = torch.exp(bounded(raw[..., self.size], LOG_CONCENTRATION_BOUND))
        return d.VonMisesFisher(loc, concentration, validate_args=False)

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        length = np.linalg.norm(x, axis=1)
        wrong = ~(np.abs(length - 1) < 1e-4)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"A von-mises-fisher likelihood needs rows of length 1; row {row} has length {length[row]:g}. Divide "
                "each row by its length."
            )
