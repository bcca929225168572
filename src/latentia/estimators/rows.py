"""Rows on their way into an estimator, and numbers on their way out."""

from typing import Any, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from ..batch import Batch
from ..bounds.evaluate import evaluating
from ..data import Shards, from_frame
from ..data.checks import check_real, check_rows
from ..errors import DataError
from ..processes import alone, current
from ..randomness import row_noise

CHUNK = 4096


def checked_rows(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """X as a checked array `(rows, columns)`; with `reset` what it is like is remembered."""
    if isinstance(X, Shards):
        raise DataError(
            "Shards came, where rows in memory were expected. Use fit, score, totals or transform_blocks, or take rows into "
            "memory with shards.take(rows).x."
        )
    check_real(X, f"The data for {type(estimator).__name__}")
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    if isinstance(X, np.ndarray) and X.ndim > 2:
        if reset:
            estimator.image_shape_ = X.shape[1:]
        X = X.reshape(len(X), -1)
    least = estimator._min_rows if reset else 1
    try:
        options: Any = {"ensure_all_finite": False, "ensure_min_samples": least, "dtype": "numeric"}
        x = np.asarray(validate_data(estimator, cast(Any, X), reset=reset, **options))
    except (ValueError, TypeError) as error:
        _refuse_column(X, estimator)
        if isinstance(error, TypeError):
            raise
        if isinstance(X, np.ndarray) and X.dtype == object and X.shape[1:] == (1,) and isinstance(X[0, 0], str):
            raise DataError("Lines of text came, numbers were expected. Use TextVAE (--model text-vae).") from None
        raise error if isinstance(error, DataError) else DataError(str(error)) from None
    if x.dtype.kind not in "bifu":
        _refuse_column(X, estimator)
    x = np.require(x, requirements=["C", "W"])  # torch shares no memory with what it may not write
    names = getattr(estimator, "columns_", None) or getattr(estimator, "feature_names_in_", None)
    check_rows(x, columns=names, name=f"The data for {type(estimator).__name__}")
    return x


def _refuse_column(X: Any, estimator: Any) -> None:
    """Raise `DataError` with the name of the column of a data frame that holds no numbers."""
    if hasattr(X, "columns"):
        from_frame(X, name=f"the data for {type(estimator).__name__}")


def seen_rows(estimator: Any, X: Any) -> tuple[np.ndarray, Tensor]:
    """X as a checked array, and as the model sees it (binarised)."""
    check_is_fitted(estimator, "fit_")
    x = checked_rows(estimator, X, reset=False)
    like = next(estimator.model_.parameters())
    tensor = torch.tensor(x, dtype=like.dtype, device=like.device)
    if estimator.binarise_ is not None:
        tensor = estimator.binarise_(tensor, estimator.seed_)
    return x, tensor


def posterior_moments(estimator: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of q(z|x), `(rows, n_latent)` each.

    Within `processes.joined` every process takes its part of the rows.
    """
    processes = current()
    if processes.many:
        start, stop = (len(x) * (processes.rank + i) // processes.size for i in (0, 1))
        with alone():
            own = posterior_moments(estimator, x[start:stop] if stop > start else x[:1])
        whole = [t.new_zeros(len(x), t.shape[1]) for t in own]
        for t, part in zip(whole, own):
            t[start:stop] = part[: stop - start]
        mean, sd = processes.all_sum(*whole)
        return mean, sd
    means, sds = [], []
    with evaluating(estimator.model_, estimator.posterior_):
        for rows in x.split(CHUNK):
            q = estimator.posterior_(Batch(rows, torch.arange(len(rows), device=rows.device)), estimator.model_)
            with row_noise(rows, 0):
                mean, sd = estimator._moments(q)
            means.append(mean.flatten(1))
            sds.append(sd.flatten(1))
    return torch.cat(means), torch.cat(sds)


def to_numpy(values: Tensor, dtype: np.dtype) -> np.ndarray:
    """In the input's precision."""
    array = values.detach().cpu().numpy()
    return array.astype(np.float32) if dtype == np.float32 else array.astype(np.float64, copy=False)
