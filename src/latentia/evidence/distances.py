"""How far samples lie from data: the Frechet distance and the kernel distance of two sets of features."""

from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import DataError, ParameterError

FEWEST = 8  # rows of each set that a kernel distance needs
LARGEST = 1e45  # of a feature: its sixth power, times the features, is still a number
BLOCK = 1000  # rows of each set in one block of the kernel distance


class Distance(NamedTuple):
    """A distance and its standard error."""

    value: float
    error: float


def frechet_distance(x: object, y: object) -> float:
    """|m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)): the squared 2-Wasserstein distance of two normals.

    The trace of the root is the sum of the singular values of S_x^(1/2) S_y^(1/2), both roots from symmetric
    eigenvalues: no root of a matrix that is not symmetric, hence no complex numbers, also where there are fewer rows
    than features.
    It is biased upwards by an amount that depends on the number of rows: compare numbers of the same N only.

    Arguments:
        x, y: features, `(rows, features)`; two rows each at least.

    Raises: `DataError` for sets that cannot be compared.

    Sources: Dowson and Landau, "The Frechet distance between multivariate normal distributions", 1982; Heusel et al.,
    "GANs trained by a two time-scale update rule", 2017.

    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(frechet_distance(x, x + 1), 9)
    3.0
    """
    first, second = pair(x, y)
    return frechet_of_moments(*_moments(first), *_moments(second))


def frechet_of_moments(mean_x: Tensor, cov_x: Tensor, mean_y: Tensor, cov_y: Tensor) -> float:
    """The Frechet distance of two normals from means `(features,)` and covariances `(features, features)`.

    >>> one = torch.ones(1, dtype=torch.float64)
    >>> frechet_of_moments(0 * one, one.diag(), 0 * one, 9 * one.diag())
    4.0
    """
    cross = torch.linalg.svdvals(_root(cov_x) @ _root(cov_y)).sum()
    distance = (mean_x - mean_y).square().sum() + cov_x.trace() + cov_y.trace() - 2 * cross
    return max(0.0, float(distance))


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    mean = x.mean(0)
    centred = x - mean
    return mean, centred.T @ centred / (len(x) - 1)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def kernel_distance(x: object, y: object, *, block: int = BLOCK) -> Distance:
    """MMD^2 of the kernel (x'y / d + 1)^3: unbiased, so that it may be below zero; mean over blocks, with its error.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y), x and x' different rows. Blocks of `block` rows of each set are
    independent of each other; smaller sets are dealt out into four.

    Arguments:
        x, y: features, `(rows, features)`; eight rows each at least. Rows in random
            order: blocks are taken as they come, and of the longer set the first rows.
        block: rows of each set in one block.

    Raises: `DataError` for sets that cannot be compared; `ParameterError` for blocks below two rows.

    Sources: Gretton et al., "A kernel two-sample test", 2012, lemma 6; Binkowski et al., "Demystifying MMD GANs", 2018.

    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> kernel_distance(x[:200], x[200:]).value < 1 < kernel_distance(x[:200], x[200:] + 1).value
    True
    """
    first, second = pair(x, y)
    rows = min(len(first), len(second))
    if block < 2:
        raise ParameterError(f"block={block} is too small. A block needs two rows of each set at least.")
    if rows < FEWEST:
        raise DataError(
            f"{rows} rows came for the kernel distance, which needs {FEWEST} of each set at least. Give more."
        )
    n_blocks = max(4, rows // block)
    size = rows // n_blocks
    values = torch.stack(
        [_mmd(first[i * size : (i + 1) * size], second[i * size : (i + 1) * size]) for i in range(n_blocks)]
    )
    return Distance(float(values.mean()), float(values.std()) / sqrt(n_blocks))


def _mmd(x: Tensor, y: Tensor) -> Tensor:
    n = len(x)
    within = sum((_cubic(a, a).sum() - _cubic(a, a).diagonal().sum()) / (n * (n - 1)) for a in (x, y))
    return within - 2 * _cubic(x, y).mean()


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def pair(x: object, y: object) -> tuple[Tensor, Tensor]:
    """Two sets of features as float64 tensors; raises `DataError` unless they are finite tables of one width."""
    first, second = _table(x, "the first set"), _table(y, "the second set")
    if first.shape[1] != second.shape[1]:
        raise DataError(
            f"{first.shape[1]} features came in the first set and {second.shape[1]} in the second. "
            "Use the same extractor for both."
        )
    return first, second


def _table(x: object, name: str) -> Tensor:
    table = torch.as_tensor(x).detach().double()
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 1:
        raise DataError(
            f"Features of shape {tuple(table.shape)} came as {name}; two rows of one column or more are needed."
        )
    if not bool(torch.isfinite(table).all()):
        bad = int((~torch.isfinite(table)).any(1).sum())
        raise DataError(f"{bad} of {len(table)} rows of {name} are not finite. Leave them out, or mend the extractor.")
    if float(table.abs().max()) > LARGEST:
        raise DataError(
            f"Features of up to {float(table.abs().max()):.1g} came as {name}; their products leave the range of float64. Divide "
            "both sets by one number, or use standardised features."
        )
    return table
