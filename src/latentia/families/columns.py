"""A latent of any shape as columns of numbers: what goes into tables, maps and files, and what comes back from them.

A z of one flat axis is its own columns. Groups of categories become one column per category (unit vectors, or
probabilities); other shapes are flattened. On the way back a point is put where the prior has its density: the most
probable category, the direction on the sphere, shares that sum to one.
"""

from math import prod

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily
from torch.nn.functional import one_hot

from ..distributions import centre, draw
from .table import row_of_distribution

TIED = ("sphere", "simplex", "one-hot")  # supports whose coordinates are one point
MOMENT_DRAWS = 512  # where a mean or a variance has no closed form


def n_columns(p: Distribution) -> int:
    """How many columns a z ~ p makes; 0 for a single category, which has no axes.

    >>> n_columns(Independent(Categorical(torch.ones(4, 3)), 1))
    12
    """
    cells = prod(p.event_shape) if p.event_shape else 0
    return cells * _n_categories(p) if cells else 0


def unit_size(p: Distribution) -> int:
    """How many columns are one latent unit of z ~ p: the categories of one choice, the coordinates of one point on a sphere, shares
    of one whole; elsewhere each column is a unit by itself.

    >>> unit_size(Independent(Categorical(torch.ones(4, 3)), 1))
    3
    """
    if not p.event_shape:
        return 1
    if _n_categories(p) > 1:
        return _n_categories(p)
    row = row_of_distribution(p)
    return p.event_shape[-1] if row is not None and row.support in TIED else 1


def to_columns(z: Tensor, p: Distribution) -> Tensor:
    """Draws `(..., *latent)` of a z like those of p as `(..., columns)`.

    >>> to_columns(torch.tensor([[0, 1]]), Independent(Categorical(torch.ones(2, 2)), 1))
    tensor([[1., 0., 0., 1.]])
    """
    n_axes = len(p.event_shape)
    if _n_categories(p) > 1:
        return one_hot(z.long(), _n_categories(p)).flatten(-1 - n_axes).to(torch.get_default_dtype())
    return z.flatten(-n_axes)


def from_columns(columns: Tensor, p: Distribution) -> Tensor:
    """Columns `(rows, columns)` as the nearest z that p knows, `(rows, *latent)`.

    >>> from_columns(torch.tensor([[0.2, 0.8, 0.6, 0.4]]), Independent(Categorical(torch.ones(2, 2)), 1))
    tensor([[1, 0]])
    """
    if _n_categories(p) > 1:
        return columns.reshape(-1, *p.event_shape, _n_categories(p)).argmax(-1)
    z = columns.reshape(-1, *p.event_shape)
    row = row_of_distribution(p)
    support = "" if row is None else row.support
    if support == "sphere":
        return z / torch.linalg.vector_norm(z, dim=-1, keepdim=True).clamp_min(1e-9)
    if support in ("simplex", "one-hot"):
        return z.clamp_min(0) / z.clamp_min(0).sum(-1, keepdim=True).clamp_min(1e-9)
    return z


def moments(q: Distribution) -> tuple[Tensor, Tensor]:
    """Means and standard deviations of the columns of z ~ q(z|x), `(rows, columns)` each.

    In closed form where there is one; else from draws, to be made inside `row_noise`. A Student's t and a
    Cauchy have their mode instead of a mean, an F exp(E log z), and what else has none the median of draws; a standard deviation that does
    not exist is infinite.

    Arguments:
        q: of batch shape `(rows,)`.

    >>> moments(Independent(Categorical(torch.ones(1, 1, 4)), 1))[0]
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    base = _base(q)
    if isinstance(base, Categorical):
        probs = base.probs.flatten(1)
        return probs, torch.sqrt(probs * (1 - probs))
    try:
        mean, sd = centre(base), q.stddev
    except NotImplementedError:
        z = draw(q, MOMENT_DRAWS).detach()
        mean, sd = z.mean(0), z.std(0)
    if not bool(torch.isfinite(mean).all()):
        mean = torch.where(torch.isfinite(mean), mean, draw(q, MOMENT_DRAWS).detach().median(0).values)
    return mean.flatten(1), torch.where(torch.isnan(sd), torch.inf, sd).flatten(1)


def _base(p: Distribution) -> Distribution:
    while isinstance(p, Independent | MixtureSameFamily):
        p = p.base_dist if isinstance(p, Independent) else p.component_distribution
    return p


def _n_categories(p: Distribution) -> int:
    base = _base(p)
    return base.logits.shape[-1] if isinstance(base, Categorical) else 1
