"""torch's normals over whole rows, with densities that neither overflow nor cancel."""

from math import log, pi

import torch
from torch import Tensor
from torch.distributions import LowRankMultivariateNormal as _LowRankMultivariateNormal
from torch.distributions import MultivariateNormal as _MultivariateNormal

# In units of its own scale a value farther out counts as this far, without a slope: the slopes by a matrix are cubes
# of what its inverse lets through, and float32 has room for the cube of numbers below 10^12.
FARTHEST = 1e11


def whitened(scale_tril: Tensor, difference: Tensor) -> Tensor:
    """L^-1 d for differences `(..., *batch, size)` and factors `(*batch, size, size)`, one solve for all that share L.

    >>> whitened(torch.tensor([[2.0, 0.0], [2.0, 1.0]]), torch.tensor([[2.0, 2.0], [0.0, 1.0]]))
    tensor([[1., 0.],
            [0., 1.]])
    """
    extra = difference.ndim - (scale_tril.ndim - 1)
    if extra <= 0:
        return torch.linalg.solve_triangular(scale_tril, difference.unsqueeze(-1), upper=False).squeeze(-1)
    flat = difference.flatten(0, extra - 1).movedim(0, -1)
    solved = torch.linalg.solve_triangular(scale_tril, flat, upper=False)
    return solved.movedim(-1, 0).unflatten(0, difference.shape[:extra])


def log_determinant(scale_tril: Tensor) -> Tensor:
    """log|L| of triangular factors `(..., size, size)`.

    >>> log_determinant(torch.eye(3))
    tensor(0.)
    """
    return torch.log(torch.diagonal(scale_tril, dim1=-2, dim2=-1)).sum(-1)


def _level(y: Tensor) -> Tensor:
    return y.clamp(-FARTHEST, FARTHEST)


def _log_normal(square: Tensor, size: int, half_log_det: Tensor) -> Tensor:
    return -0.5 * square - half_log_det - size / 2 * log(2 * pi)


class MultivariateNormal(_MultivariateNormal):
    """torch's N(loc, L L^T): log p(x) = -|L^-1 (x - loc)|^2 / 2 - log|L| - d/2 log(2 pi).

    >>> MultivariateNormal(torch.zeros(2), scale_tril=torch.eye(2), validate_args=False).log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    def log_prob(self, value: Tensor) -> Tensor:
        tril = self._unbroadcasted_scale_tril
        square = _level(whitened(tril, value - self.loc)).square().sum(-1)
        return _log_normal(square, self.event_shape[0], log_determinant(tril))


class LowRankMultivariateNormal(_LowRankMultivariateNormal):
    """torch's N(loc, S (V V^T + I) S), V = cov_factor / S, S^2 = cov_diag.

    With y = (x - loc) / S and c the mean of the factors given y, c = (I + V^T V)^-1 V^T y, the square in the exponent is
    |y - V c|^2 + |c|^2: a sum, where the usual |y|^2 - y^T V c loses its digits to cancellation.

    >>> q = LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2), validate_args=False)
    >>> q.log_prob(torch.tensor([3.0, 3.0]))  # -9/3 - log(3)/2 - log(2 pi)
    tensor(-5.3872)
    """

    def log_prob(self, value: Tensor) -> Tensor:
        scale = torch.sqrt(self._unbroadcasted_cov_diag)
        loadings = self._unbroadcasted_cov_factor / scale.unsqueeze(-1)
        y = _level((value - self.loc) / scale)
        solved = torch.cholesky_solve(loadings.mT, self._capacitance_tril)  # of all values at once: c = solved y
        c = torch.einsum("...d,...rd->...r", y, solved)
        rest = y - torch.einsum("...r,...dr->...d", c, loadings)
        square = rest.square().sum(-1) + c.square().sum(-1)
        half_log_det = torch.log(scale).sum(-1) + log_determinant(self._capacitance_tril)
        return _log_normal(square, self.event_shape[0], half_log_det)
