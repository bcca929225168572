"""Whether samples look like data, and whether they cover them: precision and recall, density and coverage."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ParameterError
from .distances import pair

DISTANCES_AT_ONCE = 2**22  # 32 MB in float64


@dataclass(frozen=True)
class Neighbourhood:
    """Shares of rows within neighbourhoods, each from 0 to 1 but for the density.

    Arguments:
        precision: share of samples that lie within the distance from some real row to its k-th real neighbour.
        recall: share of real rows that lie within the distance from some sample to its k-th neighbour among samples.
        density: mean number of such real neighbourhoods that a sample lies in, divided by k; about 1 for samples of p.
        coverage: share of real rows whose neighbourhood holds a sample.
        k: neighbours.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int


def neighbourhood(real: object, fake: object, *, k: int = 5) -> Neighbourhood:
    """Precision, recall, density and coverage of samples, in k-nearest-neighbour neighbourhoods.

    For samples of p itself coverage is about 1 - 2^-k where both sets have the same size.

    Arguments:
        real, fake: features, `(rows, features)`, more than k rows each.
        k: neighbours; the row itself is none.

    Raises: `DataError` for sets that cannot be compared, `ParameterError` for k that does not fit.

    Sources: Kynkaanniemi et al., "Improved precision and recall metric for assessing generative models", 2019; Naeem et
    al., "Reliable fidelity and diversity metrics for generative models", 2020.

    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> neighbourhood(x, x + 100).precision, neighbourhood(x, x).recall
    (0.0, 1.0)
    """
    x, y = pair(real, fake)
    if not 1 <= k < min(len(x), len(y)):
        raise ParameterError(
            f"k={k} cannot be used with {len(x)} and {len(y)} rows. Use 1 or more, and fewer than rows."
        )
    centre = x.mean(0)
    x, y = x - centre, y - centre  # distances by products lose digits far from the origin
    radius_x, radius_y = radii(x, k), radii(y, k)
    covered, inside, known = torch.zeros(len(x)), torch.zeros(len(y)), torch.zeros(len(x))
    step = max(1, DISTANCES_AT_ONCE // len(y))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        distance = torch.cdist(x[rows], y)
        within = distance <= radius_x[rows, None]
        inside += within.sum(0)
        covered[rows] = within.any(1).float()
        known[rows] = (distance <= radius_y).any(1).float()
    share = lambda mask: float(mask.double().mean())  # noqa: E731
    return Neighbourhood(share(inside > 0), share(known), share(inside) / k, share(covered), k)


def radii(x: Tensor, k: int) -> Tensor:
    """Distance from each row to its k-th nearest other row, `(rows,)`."""
    out, step = [], max(1, DISTANCES_AT_ONCE // len(x))
    for start in range(0, len(x), step):
        distance = torch.cdist(x[start : start + step], x)
        own = torch.arange(start, start + len(distance))
        distance[torch.arange(len(distance)), own] = torch.inf
        out.append(distance.kthvalue(k, dim=1).values)
    return torch.cat(out)
