"""What the Gaussian models share: weighted moments of the data, rows in a canonical order, two refusals."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..batch import Batch, Batches
from ..errors import DataError, ParameterError
from ..scaling import Scaling
from .base import Model


class Moments(NamedTuple):
    """Weighted moments of the data in the model's units, float64.

    Arguments:
        weight: sum of the row weights, `()`.
        mean, variance: of the observed cells of each column, `(D,)`.
        covariance: of the rows, missing cells at their column's mean, `(D, D)`; None where it was not asked for.
        constant: True where a column holds a single value, `(D,)`.
        complete: no cell is missing.
    """

    weight: Tensor
    mean: Tensor
    variance: Tensor
    covariance: Tensor | None
    constant: Tensor
    complete: bool


def moments(model: Model, batches: Batches, *, covariance: bool) -> Moments:
    """Two passes over the data: the mean, then everything about it, so that a large offset cancels nothing.

    Raises `DataError` where the weights sum to zero or a column has no observed cell.

    >>> from latentia.batch import TensorBatches
    >>> from latentia.models import ProbabilisticPCA
    >>> data = TensorBatches(torch.tensor([[0.0, 1e9], [2.0, 1e9]]), dtype=torch.float64)
    >>> moments(ProbabilisticPCA(2, 1), data, covariance=False).variance.tolist()
    [1.0, 0.0]
    """
    weight, count, mean, constant = _first_pass(model, batches)
    shift, square = torch.zeros_like(mean), torch.zeros_like(mean)
    product = mean.new_zeros(len(mean), len(mean)) if covariance else None
    complete = True
    for batch in batches.in_order():
        complete = complete and batch.observed is None
        x, cell_weight, row_weight = _weighted(model, batch)
        d = torch.where(cell_weight > 0, x - mean, torch.zeros_like(x))
        shift += (cell_weight * d).sum(0)
        square += (cell_weight * d * d).sum(0)
        if product is not None:
            product += d.T @ (row_weight.unsqueeze(1) * d)
    shift = shift / count
    variance = (square / count - shift.square()).clamp_min(0)
    if product is not None:
        product = product / weight - shift.outer(shift) if complete else product / weight
    return Moments(weight, mean + shift, variance.masked_fill(constant, 0.0), product, constant, complete)


def _first_pass(model: Model, batches: Batches) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    zero = torch.zeros(model.event_shape, dtype=torch.float64, device=batches.device)
    low, high, total, count = zero + torch.inf, zero - torch.inf, zero, zero
    weight = zero.sum()
    for batch in batches.in_order():
        x, cell_weight, row_weight = _weighted(model, batch)
        low = torch.minimum(low, torch.where(cell_weight > 0, x, torch.inf).amin(0))
        high = torch.maximum(high, torch.where(cell_weight > 0, x, -torch.inf).amax(0))
        total, count = total + (cell_weight * x).sum(0), count + cell_weight.sum(0)
        weight = weight + row_weight.sum()
    if not weight > 0:
        raise DataError("The row weights sum to zero. At least one row with a weight above zero is needed.")
    if not bool((count > 0).all()):
        raise DataError(f"No cell was observed in {name_columns(count == 0)}. Leave such columns out.")
    return weight, count, torch.clamp(total / count, low, high), low == high


def _weighted(model: Model, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """x in the model's units, the weight of each cell and of each row; float64; zero where nothing was observed."""
    x, row_weight = check_shape(model, batch.x).to(torch.float64), row_weights(batch)
    cell_weight = row_weight.unsqueeze(1).expand_as(x)
    if batch.observed is not None:
        cell_weight = cell_weight * batch.observed
    x = model.standardise(x)
    return torch.where(cell_weight > 0, x, torch.zeros_like(x)), cell_weight, row_weight


def check_shape(model: Model, x: Tensor) -> Tensor:
    """Return x, or raise `DataError` unless it is `(rows, *event)`."""
    if x.shape[1:] != model.event_shape:
        raise DataError(
            f"Rows of shape {tuple(x.shape[1:])} came, {type(model).__name__} was built for rows of shape "
            f"{tuple(model.event_shape)}. Reshape the data to (rows, {model.event_shape[0]}), or set n_features."
        )
    return x


def row_weights(batch: Batch) -> Tensor:
    """The weight of each row, one each where there are none, `(batch,)`, float64."""
    if batch.weight is None:
        return torch.ones(len(batch), dtype=torch.float64, device=batch.x.device)
    return batch.weight.to(torch.float64)


def distinct_rows(model: Model, batches: Batches, *, limit: int, seed: int) -> tuple[Tensor, Tensor]:
    """The distinct rows in lexicographic order, `(rows, D)`, model units, and their summed weights `(rows,)`.

    A start computed from these is a function of the weighted distribution alone: neither the order of the rows nor
    whether a row is repeated or weighted matters. Of more than `limit` rows a sample is taken, proportional to the
    weights: one row from each of `limit` equal parts of the total weight, by the seed.
    """
    strata = None if batches.n_rows <= limit else _Strata(limit, batches.mean_weight * batches.n_rows, seed)
    kept, weights = [], []
    for batch in batches.in_order():
        weight = row_weights(batch)
        weight = weight if strata is None else strata.drawn(weight)
        kept.append(model.standardise(batch.x.to(torch.float64))[weight > 0])
        weights.append(weight[weight > 0])
    rows, inverse = torch.unique(torch.cat(kept), dim=0, return_inverse=True)
    total = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    return rows, total.index_add_(0, inverse, torch.cat(weights))


class _Strata:
    """One draw from each of n equal parts of the total weight, of rows that come batch by batch."""

    def __init__(self, n: int, total: float, seed: int) -> None:
        jitter = torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        self.position = (torch.arange(n) + jitter) * (total / n)
        self.edge = torch.zeros((), dtype=torch.float64)  # weight of the rows that have come

    def drawn(self, weight: Tensor) -> Tensor:
        """How often each of the next rows is drawn."""
        edges = self.edge.to(weight.device) + weight.cumsum(0)
        passed = torch.searchsorted(self.position.to(weight.device), torch.cat([self.edge.to(edges).reshape(1), edges]))
        self.edge = edges[-1]
        return passed.diff().to(torch.float64)


def sign_fixed(vectors: Tensor) -> Tensor:
    """Columns whose entry of largest size is positive: one choice out of two, the same whatever the rounding."""
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return torch.where(largest < 0, -vectors, vectors)


def principal(covariance: Tensor, n_latent: int, floor: float) -> tuple[Tensor, Tensor]:
    """Loading `(D, k)` and noise variance `()` of the maximum of probabilistic PCA, given a covariance `(D, D)`.

    >>> principal(torch.diag(torch.tensor([1.0, 5.0])), 1, 0.0)
    (tensor([[0.],
            [2.]]), tensor(1.))
    """
    n_used = min(n_latent, len(covariance) - 1)
    values, vectors = torch.linalg.eigh(covariance)  # in rising order
    noise = values[: len(values) - n_used].mean().clamp_min(floor)
    top = vectors.flip(1)[:, :n_used] * (values.flip(0)[:n_used] - noise).clamp_min(0).sqrt()
    return torch.nn.functional.pad(sign_fixed(top), (0, n_latent - n_used)), noise


def check_floor(floor: float) -> float:
    """Return `floor` if it is a share, else raise `ParameterError`."""
    if not 0 < floor < 1:
        raise ParameterError(f"floor={floor} is no share of a variance. Use a number between 0 and 1, such as 1e-6.")
    return float(floor)


def check_sizes(**sizes: int) -> None:
    """Raise `ParameterError` unless every size is at least one."""
    for name, size in sizes.items():
        if size < 1:
            raise ParameterError(f"{name}={size} is too small. At least one is needed.")


def refuse_levels(scaling: Scaling | None, what: str) -> None:
    """Raise `ParameterError` where the data are integer levels, whose exact mass has no closed form here."""
    if scaling is not None and scaling.levels is not None:
        raise ParameterError(
            f"{what} is a density of real numbers, and a scaling with integer levels was given. "
            "Use a scaling without levels."
        )


def name_columns(which: Tensor, most: int = 8) -> str:
    """The columns where `which` is True, in words.

    >>> name_columns(torch.tensor([True, False, True]))
    'columns 0, 2'
    """
    columns = torch.nonzero(which).flatten().tolist()
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    noun = "column" if len(columns) == 1 else "columns"
    return f"{noun} {', '.join(map(str, columns[:most]))}{more}"
