"""A small normalising flow for each row, all rows worked out together."""

from collections.abc import Sequence
from math import log, pi
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from ..randomness import RowNoise
from .rows import from_noise

FAR = 40.0  # asinh of noise nobody draws; e^80 is still a float


class RowFlow(Distribution):
    """z = loc + L g(e), e ~ N(0, I): log q(z) = log N(e) - log|det L| - log|det g'(e)|, with g, L and loc of the row.

    g bends each unit by itself, u = sinh(e^k asinh(e) + l), and then couples halves: u_b <- u_b exp(s(u_a)) + t(u_a), s and t
    from a layer of tanh units, |s| < 2; which half leads takes turns. All zeros is g(e) = e.

    Arguments:
        loc: `(batch, d)`.
        scale_tril: L, lower triangular, `(batch, d, d)`.
        bend: l and k, `(batch, d, 2)`.
        couplings: pairs of weights, inner `(batch, hidden, led + 1)` and outer `(batch, 2 following, hidden + 1)`, the bias last.

    Sources: Jones and Pewsey, "Sinh-arcsinh distributions", 2009, equation 2; Dinh, Sohl-Dickstein, Bengio, "Density
    estimation using Real NVP", 2017, equations 4 and 5.

    >>> q = RowFlow(torch.zeros(3, 2), torch.eye(2).expand(3, 2, 2), torch.zeros(3, 2, 2), ())
    >>> q.log_prob(torch.zeros(3, 2))
    tensor([-1.8379, -1.8379, -1.8379])
    """

    arg_constraints = {}  # type: ignore[assignment]
    support = constraints.real_vector  # type: ignore[assignment]
    has_rsample = True

    def __init__(
        self, loc: Tensor, scale_tril: Tensor, bend: Tensor, couplings: Sequence[tuple[Tensor, Tensor]]
    ) -> None:
        self.loc, self.scale_tril, self.bend, self.couplings = loc, scale_tril, bend, tuple(couplings)
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    def detach(self) -> "RowFlow":
        """The same, out of reach of gradients."""
        couplings = [(inner.detach(), outer.detach()) for inner, outer in self.couplings]
        return RowFlow(self.loc.detach(), self.scale_tril.detach(), self.bend.detach(), couplings)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.from_noise(torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))

    def from_noise(self, e: Tensor) -> Tensor:
        """z of the noise e, `(samples, batch, d)`."""
        lean, stretch = self.bend.unbind(-1)
        u = torch.sinh(stretch.exp() * torch.asinh(e) + lean)
        for i, weights in enumerate(self.couplings):
            lead, follow = self._halves(u, i)
            log_scale, shift = _coupled(lead, *weights)
            u = self._joined(lead, follow * log_scale.exp() + shift, i)
        return self.loc + (self.scale_tril @ u.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        value = value.expand(torch.broadcast_shapes(value.shape, self.loc.shape))
        flat = (value - self.loc).reshape(-1, *self.loc.shape)  # (samples, batch, d)
        u = torch.linalg.solve_triangular(self.scale_tril, flat.permute(1, 2, 0), upper=False).permute(2, 0, 1)
        log_slope = self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        for i in reversed(range(len(self.couplings))):
            lead, follow = self._halves(u, i)
            log_scale, shift = _coupled(lead, *self.couplings[i])
            u = self._joined(lead, (follow - shift) * (-log_scale).exp(), i)
            log_slope = log_slope + log_scale.sum(-1)
        lean, stretch = self.bend.unbind(-1)
        bent = ((torch.asinh(u) - lean) * (-stretch).exp()).clamp(-FAR, FAR)
        e = torch.sinh(bent)
        log_slope = log_slope + (0.5 * torch.log1p(u.square()) + stretch - 0.5 * torch.log1p(e.square())).sum(-1)
        log_prob = -0.5 * e.square().sum(-1) - 0.5 * log(2 * pi) * e.shape[-1] - log_slope
        return log_prob.reshape(value.shape[:-1])

    @property
    def mean(self) -> Tensor:
        """The image of no noise: a centre, for the mean of a flow is not known."""
        return self.from_noise(torch.zeros_like(self.loc))

    @staticmethod
    def _halves(u: Tensor, i: int) -> tuple[Tensor, Tensor]:
        """The units that lead the i-th coupling, and those that follow."""
        first, second = u[..., : u.shape[-1] // 2], u[..., u.shape[-1] // 2 :]
        return (first, second) if i % 2 == 0 else (second, first)

    @staticmethod
    def _joined(lead: Tensor, follow: Tensor, i: int) -> Tensor:
        return torch.cat((lead, follow) if i % 2 == 0 else (follow, lead), -1)


def _coupled(lead: Tensor, inner: Tensor, outer: Tensor) -> tuple[Tensor, Tensor]:
    """s and t of the leading units `(samples, batch, led)`."""
    hidden = torch.tanh(torch.einsum("sbi,bhi->sbh", lead, inner[..., :-1]) + inner[..., -1])
    raw, shift = (torch.einsum("sbh,boh->sbo", hidden, outer[..., :-1]) + outer[..., -1]).chunk(2, -1)
    return 2 * torch.tanh(raw / 2), shift


@from_noise.register(RowFlow)
def _(q: RowFlow, noise: RowNoise, n_samples: int) -> Tensor:
    return q.from_noise(noise.normal(n_samples, q.event_shape).to(q.loc.dtype))
