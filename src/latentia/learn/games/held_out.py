"""Held-out rows beside samples: which rows are looked at, and which of them the samples leave out."""

import torch
from torch import Tensor

from ...batch import Batches

LOOKED_AT = 1000  # held-out rows, beside as many samples
NEIGHBOURS = 5
LEAST = NEIGHBOURS + 1  # a row and its neighbours: among fewer a third is missed by chance


def looked_at(batches: Batches, seed: int, most: int = LOOKED_AT) -> tuple[Tensor, Tensor | None]:
    """Some rows and their weights, drawn by the seed from all over the data; rows of weight zero are not there.

    >>> from latentia.batch import TensorBatches
    >>> x, weight = looked_at(TensorBatches(torch.arange(6.0).reshape(6, 1)), seed=0, most=2)
    >>> x.shape, weight
    (torch.Size([2, 1]), None)
    """
    weights = batches.weights()
    there = torch.arange(batches.n_rows) if weights is None else weights.cpu().nonzero().squeeze(1)
    order = torch.randperm(len(there), generator=torch.Generator().manual_seed(seed))
    chosen = torch.zeros(batches.n_rows, dtype=torch.bool)
    chosen[there[order[:most]]] = True
    rows, start = [], 0
    for batch in batches.in_order():
        rows.append(batch.pick(chosen[start : start + len(batch)]))
        start += len(batch)
    weight = None if weights is None else torch.cat([batch.weight for batch in rows if batch.weight is not None])
    return torch.cat([batch.x for batch in rows]), weight


def missed(real: Tensor, fake: Tensor, k: int = NEIGHBOURS, weight: Tensor | None = None) -> float:
    """Share of rows with no sample as near as their k-th neighbour among the rows: what the samples leave out.

    For samples of the same distribution, as many as rows, about 2^-k. Where a column has few values, what a sample has there
    is first rounded to the nearest of them: a row with k twins has them at no distance, which no smooth sample comes to.

    Arguments:
        real, fake: `(rows, *event)`, in the same units.
        k: of the neighbour.
        weight: of the rows, `(rows,)`; a neighbourhood then holds k times the mean weight.

    Source: Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020, equation 4 (coverage is
    one minus this).

    >>> x = torch.arange(20.0).reshape(20, 1)
    >>> missed(x, x[:10] + 0.1, k=2)
    0.45
    """
    x, y = real.flatten(1).double(), fake.flatten(1).double()
    k = min(k, len(x) - 1)
    if k < 1:
        return 0.0
    y = rounded(y, x)
    radius = _distance(x, x[_neighbour(x, k, weight)])
    near = _distance(x, y[torch.cdist(x, y).argmin(1)]) <= radius  # a sample that is no number is near nothing
    alone = (~near).double()
    share = x.new_ones(len(x)) if weight is None else weight.double()
    return float((share * alone).sum() / share.sum())


def rounded(fake: Tensor, real: Tensor) -> Tensor:
    """The samples, with the cells of columns of few values (half as many as rows, or fewer) at the nearest of these.

    Arguments:
        fake, real: `(rows, columns)`.

    >>> rounded(torch.tensor([[0.2], [0.9]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]])).flatten()
    tensor([0., 1.])
    """
    values = real.T.sort(1).values.contiguous()  # (columns, rows)
    few = (values.diff(dim=1) > 0).sum(1) + 1 <= len(real) / 2
    cells = fake.T.contiguous()
    above = torch.searchsorted(values, cells).clamp(1, len(real) - 1)
    low, high = values.gather(1, above - 1), values.gather(1, above)
    nearest = torch.where(cells - low < high - cells, low, high)
    return torch.where(few[:, None], nearest, cells).T


def _neighbour(x: Tensor, k: int, weight: Tensor | None) -> Tensor:
    """Number of each row's k-th neighbour, or of the first by which its neighbours have k mean weights."""
    distances = torch.cdist(x, x)
    if weight is None:
        return distances.kthvalue(k + 1, dim=1).indices  # the first neighbour is the row itself
    order = distances.argsort(1)
    others = weight.double().expand(len(x), -1).clone().fill_diagonal_(0).gather(1, order).cumsum(1)
    enough = k * float(weight.double().mean()) * (1 - 1e-9)
    return order.gather(1, (others < enough).sum(1, keepdim=True).clamp_max(len(x) - 1)).squeeze(1)


def _distance(x: Tensor, y: Tensor) -> Tensor:
    """Of each row from the one beside it; exactly zero for twins, which a matrix of distances by products is not."""
    return (x - y).norm(dim=1)
