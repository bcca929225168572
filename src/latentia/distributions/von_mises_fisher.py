"""The von Mises-Fisher distribution on the sphere, with draws that are a function of their noise."""

from math import lgamma, log, pi, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .inverse_cdf import open_uniform

GRID = 512  # points of the table in which an angle is first looked up


class VonMisesFisher(Distribution):
    """p(x) = exp(concentration loc . x) / normaliser on the unit sphere of d dimensions; uniform at concentration 0.

    The angle t between x and loc has the density sin(t)^(d - 2) exp(concentration (cos t - 1)) / C on [0, pi]. C, the cdf of
    the angle and their gradients are Gauss-Legendre sums; a draw inverts the cdf, and its gradient is implicit:
    dt / dconcentration = -(dF / dconcentration) / f(t).

    Arguments:
        loc: mean direction, unit vectors, `(..., d)`, d >= 2.
        concentration: not negative, `(...)`; held to about 1e-7 up to e^8.

    Source: Mardia and Jupp, "Directional statistics", 2000, section 9.3; Figurnov, Mohamed, Mnih, "Implicit
    reparameterization gradients", NeurIPS 2018; Davidson et al., "Hyperspherical variational auto-encoders", UAI 2018.

    >>> q = VonMisesFisher(torch.eye(3)[0], torch.tensor(0.0))
    >>> q.log_prob(torch.eye(3)[1])  # -log(4 pi)
    tensor(-2.5310)
    """

    arg_constraints = {"loc": constraints.real_vector, "concentration": constraints.nonnegative}  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor, validate_args: bool | None = None) -> None:
        batch = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        self.loc, self.concentration = loc.expand(*batch, loc.shape[-1]), concentration.expand(batch)
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "VonMisesFisher":
        loc = self.loc.expand(*batch_shape, *self.event_shape)
        return VonMisesFisher(loc, self.concentration.expand(batch_shape), validate_args=False)

    @property
    def support(self) -> Any:
        return sphere

    def log_prob(self, value: Tensor) -> Tensor:
        along = (self.loc * value).sum(-1)
        return self.concentration * (along - 1) - self.log_normaliser()

    def log_normaliser(self) -> Tensor:
        """log of the integral of exp(concentration (loc . x - 1)) over the sphere, nats."""
        d = self.event_shape[0]
        log_circle = log(2) + (d - 1) / 2 * log(pi) - lgamma((d - 1) / 2)  # area of the sphere across loc
        return log_circle + self._log_mass(torch.full_like(self.concentration, pi))

    def entropy(self) -> Tensor:
        return self.log_normaliser() + self.concentration * (1 - self.resultant())

    def resultant(self) -> Tensor:
        """Length of the mean, E[loc . x], in [0, 1]."""
        t, log_weight = _nodes(self.event_shape[0], self.concentration, torch.full_like(self.concentration, pi))
        return (torch.softmax(log_weight, -1) * torch.cos(t)).sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.resultant().unsqueeze(-1) * self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Of each coordinate: E[x_i^2] - E[x_i]^2, with the part along loc and the part across it."""
        d = self.event_shape[0]
        t, log_weight = _nodes(d, self.concentration, torch.full_like(self.concentration, pi))
        weight = torch.softmax(log_weight, -1)
        along = (weight * torch.cos(t).square()).sum(-1, keepdim=True)
        mean = (weight * torch.cos(t)).sum(-1, keepdim=True)
        square = self.loc.square()
        return along * square + (1 - along) * (1 - square) / (d - 1) - mean.square() * square

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        normal = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.from_noise(open_uniform(shape[:-1], self.loc), normal)

    def from_noise(self, u: Tensor, normal: Tensor) -> Tensor:
        """A draw from uniform numbers `(...)`, which choose the angle, and normals `(..., d)`, which choose the way."""
        across = normal - (normal * self.loc).sum(-1, keepdim=True) * self.loc
        way = across / torch.linalg.vector_norm(across, dim=-1, keepdim=True).clamp_min(1e-30)
        t = self._angle(u).unsqueeze(-1)
        x = torch.cos(t) * self.loc + torch.sin(t) * way
        return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)

    def _angle(self, u: Tensor) -> Tensor:
        with torch.no_grad():
            t = self._look_up(u)
            for _ in range(3):
                t = (t - (self._cdf(t) - u) / self._density(t)).clamp_max(pi).maximum(1e-3 * t)
        if not self.concentration.requires_grad:
            return t
        cdf, slope = self._cdf(t), self._density(t).detach()
        return t - (cdf - cdf.detach()) / slope

    def _look_up(self, u: Tensor) -> Tensor:
        """The angle at which the cdf reaches u, from a table over twelve widths around the likeliest angle."""
        d, k = self.event_shape[0], self.concentration
        top = (
            torch.arccos((2 * k / (d - 2 + torch.sqrt((d - 2.0) ** 2 + 4 * k.square()))).clamp(max=1))
            if d > 2
            else 0 * k
        )
        width = 12 / torch.sqrt(1 + k + max(d - 2, 0) / 2)
        low, high = (top - width).clamp_min(0), (top + width).clamp_max(pi)
        share = torch.linspace(0, 1, GRID, dtype=k.dtype, device=k.device)
        t = low.unsqueeze(-1) + (high - low).unsqueeze(-1) * share
        density = torch.exp(_log_density(d, k.unsqueeze(-1), t) - self._log_mass(torch.full_like(k, pi)).unsqueeze(-1))
        steps = (density[..., 1:] + density[..., :-1]) / 2
        table = torch.nn.functional.pad(steps.cumsum(-1), (1, 0))
        table = (table / table[..., -1:]).contiguous()
        wanted = u.reshape(-1, *k.shape).movedim(0, -1).contiguous()  # the samples of one angle side by side
        right = torch.searchsorted(table, wanted).clamp(1, GRID - 1)
        below, above = table.gather(-1, right - 1), table.gather(-1, right)
        place = (right - 1 + (wanted - below) / (above - below).clamp_min(1e-30)) / (GRID - 1)
        return (low + (high - low) * place.movedim(-1, 0).reshape(u.shape)).clamp_min(1e-7)

    def _cdf(self, t: Tensor) -> Tensor:
        return torch.exp(self._log_mass(t) - self._log_mass(torch.full_like(self.concentration, pi)))

    def _density(self, t: Tensor) -> Tensor:
        log_all = self._log_mass(torch.full_like(self.concentration, pi))
        return torch.exp(_log_density(self.event_shape[0], self.concentration, t) - log_all).clamp_min(1e-30)

    def _log_mass(self, t: Tensor) -> Tensor:
        """log of the integral of sin^(d - 2) exp(concentration (cos - 1)) from 0 to t."""
        return torch.logsumexp(_nodes(self.event_shape[0], self.concentration, t)[1], -1)


class _Sphere(constraints.Constraint):
    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (torch.linalg.vector_norm(value, dim=-1) - 1).abs() < 1e-4


sphere = _Sphere()


def _log_density(d: int, concentration: Tensor, t: Tensor) -> Tensor:
    """log of the angle's density, up to its constant."""
    flat = concentration * -2 * torch.sin(t / 2).square()
    return flat if d == 2 else flat + (d - 2) * torch.log(torch.sin(t).clamp_min(1e-30))


def _nodes(d: int, concentration: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes on [0, end] and the logarithms of weight x density, `(..., nodes)`."""
    node, weight = np.polynomial.legendre.leggauss(96 + 8 * round(sqrt(d)))
    options: dict[str, Any] = {"dtype": end.dtype, "device": end.device}
    t = end.unsqueeze(-1) * torch.as_tensor((node + 1) / 2, **options)
    log_weight = torch.as_tensor(np.log(weight / 2), **options) + torch.log(end).unsqueeze(-1)
    return t, log_weight + _log_density(d, concentration.unsqueeze(-1), t)
