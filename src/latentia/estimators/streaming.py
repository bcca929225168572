"""A fitted estimator over rows on a disk, block by block."""

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..data import Shards
from ..data.checks import check_rows
from ..data.sources import Block
from ..errors import DataError, ParameterError
from ..estimate import Estimate
from ..evidence import Totals

ROWS_AT_ONCE = 65536


def pieces(estimator: Any, shards: Shards) -> Iterator[Block]:
    """Checked rows, some thousands at a time; raises `DataError` where they are not of the estimator's columns."""
    check_is_fitted(estimator, "fit_")
    names = estimator.columns_ or tuple(map(str, getattr(estimator, "feature_names_in_", ()))) or None
    if len(shards.columns) != estimator.n_features_in_:
        raise DataError(
            f"{shards.name} has {len(shards.columns)} columns, {estimator.n_features_in_} were expected. Choose them with "
            "open_shards(..., columns=[...])."
        )
    if names is not None and set(names) == set(shards.columns) and names != shards.columns:
        raise DataError(
            f"{shards.name} has the columns of the fit in another order. Use open_shards(..., columns=estimator.columns_)."
        )
    for block in shards.blocks():
        name = f"{shards.name}, among rows {block.index[0]} to {block.index[-1]}"
        check_rows(block.x, columns=shards.columns, name=name, numbers=block.index)
        for start in range(0, len(block.x), ROWS_AT_ONCE):
            yield block.pick(slice(start, start + ROWS_AT_ONCE))


def estimates(estimator: Any, shards: Shards, **options: Any) -> Iterator[Estimate]:
    """The evidence of each piece; options as for `LatentEstimator.evidence`.

    An error that is asked of the mean of n rows is asked of a piece of m as error sqrt(n / m).
    """
    if estimator.model_.has_globals and options.get("evidence", "auto") not in ("auto", "predictive"):
        raise ParameterError(
            f"evidence={options['evidence']!r} is one number for the data set, and shards come in pieces. Use "
            "evidence='predictive', or take the rows into memory with shards.take(rows).x."
        )
    if shards.has_weight:
        _ = shards.total_weight  # refuses a sum of zero
    error = options.pop("error", None)
    for piece in pieces(estimator, shards):
        more = {} if error is None else {"error": error * sqrt(shards.n_rows / len(piece.x))}
        yield estimator._estimate(estimator._seen(piece.x)[1], weight=piece.weight, **options, **more)


def totals(estimator: Any, shards: Shards, *, each: Callable[[Estimate], None] | None = None, **options: Any) -> Totals:
    """The evidence of all rows; `each` is called with the estimate of each piece, and may write it down."""
    found = Totals(options.get("error"))
    for part in estimates(estimator, shards, **options):
        found.add(part)
        if each is not None:
            each(part)
    return found


def transform_blocks(estimator: Any, shards: Shards, return_std: bool) -> Iterator[Any]:
    """`transform` of each piece."""
    for piece in pieces(estimator, shards):
        yield estimator.transform(piece.x, return_std=return_std)


def reconstruct_blocks(estimator: Any, shards: Shards) -> Iterator[np.ndarray]:
    """`reconstruct` of each piece."""
    for piece in pieces(estimator, shards):
        yield estimator.reconstruct(piece.x)
