"""Noise that belongs to rows, turned into draws of a distribution whose first batch axis is the rows."""

from functools import singledispatch

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Cauchy,
    Distribution,
    FisherSnedecor,
    Independent,
    LogNormal,
    MultivariateNormal,
    Normal,
    StudentT,
)

from ..errors import AbilityError
from ..randomness import PartNoise, RowNoise, current_part, current_row_noise
from .cell_sequence import CellSequence
from .inverse_cdf import finite_positive, into_open
from .kl_by_moments import log_moments
from .multivariate_t import MultivariateStudentT
from .rescaled import Rescaled
from .token_sequence import TokenSequence


def draw(q: Distribution, n_samples: int) -> Tensor:
    """Samples z from q(z|x), `(n_samples, batch, *latent)`; with a gradient where q allows one.

    >>> from latentia.randomness import row_noise
    >>> q = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    >>> with row_noise(torch.eye(3), seed=0): z = draw(q, 2)
    >>> z.shape
    torch.Size([2, 3])
    """
    noise = current_row_noise()
    if noise is not None:
        return from_noise(q, noise, n_samples)
    part = current_part()
    if part is not None:
        with PartNoise(*part, axis=0 if q.has_rsample and n_samples == 1 else 1):
            return _drawn(q, n_samples)
    return _drawn(q, n_samples)


def _drawn(q: Distribution, n_samples: int) -> Tensor:
    if q.has_rsample:
        return q.rsample().unsqueeze(0) if n_samples == 1 else q.rsample(torch.Size((n_samples,)))
    return q.sample(torch.Size((n_samples,)))


@singledispatch
def from_noise(q: Distribution, noise: RowNoise, n_samples: int) -> Tensor:
    """Draws of q, `(n_samples, batch, *event)`, as a function of the noise of each row.

    Any distribution of single cells that knows its inverse cdf serves; others are a row of this table.
    """
    try:
        u = noise.uniform(n_samples, q.batch_shape[1:])
        return q.icdf(into_open(u, q.mean.dtype))
    except NotImplementedError:
        raise AbilityError(
            f"{type(q).__name__} has no inverse cdf, so its draws cannot be tied to rows. "
            "Register it with latentia.distributions.from_noise."
        ) from None


@from_noise.register(Independent)
def _(q: Independent, noise: RowNoise, n_samples: int) -> Tensor:
    return from_noise(q.base_dist, noise, n_samples)


@from_noise.register(Normal)
def _(q: Normal, noise: RowNoise, n_samples: int) -> Tensor:
    return q.loc + q.scale * noise.normal(n_samples, q.batch_shape[1:]).to(q.loc.dtype)


@from_noise.register(MultivariateNormal)
def _(q: MultivariateNormal, noise: RowNoise, n_samples: int) -> Tensor:
    eps = noise.normal(n_samples, q.batch_shape[1:] + q.event_shape).to(q.loc.dtype)
    return q.loc + (q.scale_tril @ eps.unsqueeze(-1)).squeeze(-1)


@from_noise.register(Bernoulli)
def _(q: Bernoulli, noise: RowNoise, n_samples: int) -> Tensor:
    return (noise.uniform(n_samples, q.batch_shape[1:]) < q.probs).to(q.probs.dtype)


@from_noise.register(Categorical)
def _(q: Categorical, noise: RowNoise, n_samples: int) -> Tensor:
    u = noise.uniform(n_samples, q.batch_shape[1:]).unsqueeze(-1)
    below = (q.probs.to(u.dtype).cumsum(-1)[..., :-1] <= u).sum(-1)
    return torch.clamp(below, max=q.probs.shape[-1] - 1)


def centre(p: Distribution) -> Tensor:
    """The value to show for p: its mean, or of categories the most probable, of sentences token by token; where there may be no mean, the
    mode, and of an F exp(E log x).

    >>> centre(torch.distributions.Categorical(torch.tensor([0.2, 0.8])))
    tensor(1)
    """
    if isinstance(p, Categorical):
        return p.logits.argmax(-1)
    if isinstance(p, Rescaled):
        return p.loc + p.scale * centre(p.base)
    if isinstance(p, Cauchy | StudentT | MultivariateStudentT):
        return p.mode
    if isinstance(p, FisherSnedecor):
        return finite_positive(torch.exp(log_moments(p)[0]))
    if isinstance(p, LogNormal):  # whose mean may be e^220
        return finite_positive(p.mean)
    if isinstance(p, TokenSequence | CellSequence):
        return p.greedy()
    return p.mean
