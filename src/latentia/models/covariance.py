"""The four covariances of a Gaussian mixture, held as scales that whiten and updated in whitened coordinates.

In the M-step a covariance S = L L^T becomes L G L^T, G the expected scatter of e = L^-1 (x - loc). Near the optimum
G is close to the identity, so that no nearly singular matrix is ever formed, inverted or subtracted from.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import NonFiniteError

SINGULAR = 1e-14  # of a column's variance: what float64 can no longer tell from none


class Prior(NamedTuple):
    """r pseudo-rows of scatter S0 = diag(variance), for each covariance.

    log p(S) = -r/2 (log |S| + tr(S0 S^-1)) + constant, an inverse Wishart.

    Arguments:
        rows: r, in units of row weight; zero is no prior.
        variance: of S0, model units, `(D,)`.
        columns: variances of the data's columns, against which a variance counts as none, `(D,)`.
    """

    rows: float
    variance: Tensor
    columns: Tensor


class Covariance(nn.Module, ABC):
    """Covariances S_k = L_k L_k^T of K components over D columns, in the model's units."""

    @abstractmethod
    def whiten(self, d: Tensor) -> Tensor:
        """e = L^-1 d, from `(K, rows, D)`."""

    @abstractmethod
    def colour(self, e: Tensor) -> Tensor:
        """d = L e, from `(K, rows, D)`."""

    @abstractmethod
    def log_det(self) -> Tensor:
        """log |L| = half of log |S|, `(K,)`."""

    @abstractmethod
    def scatter(self, e: Tensor, r: Tensor) -> Tensor:
        """Sum over the rows of r e e^T, in the form that `update` needs; r is `(K, rows)`."""

    @abstractmethod
    def update(self, weight: Tensor, mean: Tensor, scatter: Tensor, prior: Prior, keep: Tensor) -> None:
        """The M-step given the weight `(K,)`, the mean of e `(K, D)` and its scatter; `keep` `(K,)` stay."""

    @abstractmethod
    def set_variance(self, variance: Tensor) -> None:
        """Set all components to a diagonal covariance of these variances `(D,)`, or their mean where it is spherical."""

    @abstractmethod
    def log_penalty(self, prior: Prior) -> Tensor:
        """-r/2 sum over the covariances of log |S| + tr(S0 S^-1), nats."""


class TriangularCovariance(Covariance):
    """Full covariances, one for each component, or one that all share ("tied").

    Arguments:
        n_components: K.
        n_features: D.
        tied: one covariance for all.
    """

    def __init__(self, n_components: int, n_features: int, *, tied: bool) -> None:
        super().__init__()
        n = 1 if tied else n_components
        self.n_components, self.tied = n_components, tied
        self.log_diagonal = nn.Parameter(torch.zeros(n, n_features, dtype=torch.float64))
        self.lower = nn.Parameter(torch.zeros(n, n_features, n_features, dtype=torch.float64))

    def scale_tril(self) -> Tensor:
        """L, `(K, D, D)`, or `(1, D, D)` where it is tied."""
        return self.lower.tril(-1) + torch.diag_embed(self.log_diagonal.exp())

    def whiten(self, d: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.scale_tril(), d.mT, upper=False).mT

    def colour(self, e: Tensor) -> Tensor:
        return e @ self.scale_tril().mT

    def log_det(self) -> Tensor:
        return self.log_diagonal.sum(1).expand(self.n_components)

    def scatter(self, e: Tensor, r: Tensor) -> Tensor:
        each = (e * r.unsqueeze(2)).mT @ e
        return each.sum(0, keepdim=True) if self.tied else each

    def update(self, weight: Tensor, mean: Tensor, scatter: Tensor, prior: Prior, keep: Tensor) -> None:
        between = weight.reshape(-1, 1, 1) * mean.unsqueeze(2) * mean.unsqueeze(1)
        if self.tied:
            between, weight, keep = (
                between.sum(0, keepdim=True),
                weight.sum(0, keepdim=True),
                torch.zeros_like(keep[:1]),
            )
        n = torch.where(keep, torch.ones_like(weight), weight).reshape(-1, 1, 1)
        g = (scatter - between + self._pseudo_scatter(prior)) / (n + prior.rows)
        g = torch.where(keep.reshape(-1, 1, 1), torch.eye(g.shape[-1], dtype=g.dtype, device=g.device), g)
        chol, failed = torch.linalg.cholesky_ex((g + g.mT) / 2)
        log_diagonal = self.log_diagonal + chol.diagonal(dim1=1, dim2=2).log()
        _refuse_singular((failed > 0) | _vanished(log_diagonal, prior.columns, prior.rows))
        self.lower.copy_((self.scale_tril() @ chol).tril(-1))
        self.log_diagonal.copy_(log_diagonal)

    def _pseudo_scatter(self, prior: Prior) -> Tensor | float:
        """r L^-1 S0 L^-T, `(C, D, D)`."""
        if prior.rows == 0:
            return 0.0
        root = self._whitened_prior(prior)
        return prior.rows * root @ root.mT

    def _whitened_prior(self, prior: Prior) -> Tensor:
        """L^-1 S0^(1/2), `(C, D, D)`."""
        half = torch.diag(prior.variance.sqrt()).to(self.lower.dtype)
        return torch.linalg.solve_triangular(self.scale_tril(), half.expand_as(self.lower), upper=False)

    def set_variance(self, variance: Tensor) -> None:
        self.lower.zero_()
        self.log_diagonal.copy_(0.5 * torch.log(variance).expand_as(self.log_diagonal))

    def log_penalty(self, prior: Prior) -> Tensor:
        trace = self._whitened_prior(prior).square().sum()
        return -prior.rows * (self.log_diagonal.sum() + 0.5 * trace)


class DiagonalCovariance(Covariance):
    """Diagonal covariances, or multiples of the identity ("spherical").

    Arguments:
        n_components: K.
        n_features: D.
        spherical: one variance for all columns of a component.
    """

    def __init__(self, n_components: int, n_features: int, *, spherical: bool) -> None:
        super().__init__()
        self.n_features, self.spherical = n_features, spherical
        n = 1 if spherical else n_features
        self.log_scale = nn.Parameter(torch.zeros(n_components, n, dtype=torch.float64))

    def scale(self) -> Tensor:
        """Standard deviations, `(K, D)`."""
        return self.log_scale.exp().expand(-1, self.n_features)

    def whiten(self, d: Tensor) -> Tensor:
        return d / self.log_scale.exp().unsqueeze(1)

    def colour(self, e: Tensor) -> Tensor:
        return e * self.log_scale.exp().unsqueeze(1)

    def log_det(self) -> Tensor:
        return self.log_scale.expand(-1, self.n_features).sum(1)

    def scatter(self, e: Tensor, r: Tensor) -> Tensor:
        return self._pool((r.unsqueeze(1) @ e.square()).squeeze(1))

    def update(self, weight: Tensor, mean: Tensor, scatter: Tensor, prior: Prior, keep: Tensor) -> None:
        n = torch.where(keep, torch.ones_like(weight), weight).unsqueeze(1)
        pseudo = prior.rows * self._pool(prior.variance / self.scale().square())
        g = (scatter - n * self._pool(mean.square()) + pseudo) / (n + prior.rows)
        g = torch.where(keep.unsqueeze(1), torch.ones_like(g), g)
        log_scale = self.log_scale + 0.5 * torch.log(g)
        _refuse_singular(~(g > 0).all(1) | _vanished(log_scale, self._pool(prior.columns.unsqueeze(0)), prior.rows))
        self.log_scale.copy_(log_scale)

    def _pool(self, values: Tensor) -> Tensor:
        return values.mean(1, keepdim=True) if self.spherical else values

    def set_variance(self, variance: Tensor) -> None:
        variance = variance.mean() if self.spherical else variance
        self.log_scale.copy_(0.5 * torch.log(variance).expand_as(self.log_scale))

    def log_penalty(self, prior: Prior) -> Tensor:
        ratio = prior.variance / self.scale().square()
        return -prior.rows * (self.log_det().sum() + 0.5 * ratio.sum())


def covariance_of(kind: str, n_components: int, n_features: int) -> Covariance:
    """The covariance of this kind: "full", "tied", "diag" or "spherical"."""
    if kind in ("full", "tied"):
        return TriangularCovariance(n_components, n_features, tied=kind == "tied")
    return DiagonalCovariance(n_components, n_features, spherical=kind == "spherical")


def _vanished(log_scale: Tensor, columns: Tensor, rows: float) -> Tensor:
    """Which covariances are left without a variance that float64 could tell from none; a prior leaves none so."""
    if rows > 0:
        return torch.zeros(len(log_scale), dtype=torch.bool, device=log_scale.device)
    return (2 * log_scale < torch.log(SINGULAR * columns)).any(1)


def _refuse_singular(bad: Tensor) -> None:
    if not bool(bad.any()):
        return
    which = torch.nonzero(bad).flatten().tolist()
    owner = "that all components share" if len(bad) == 1 else f"of component {', '.join(map(str, which))}"
    raise NonFiniteError(
        f"The covariance {owner} became singular: its rows leave a direction without variance, where the likelihood "
        "has no maximum. Try a regulariser above 0 (such as 0.01), fewer components, or covariance='diag'."
    )
