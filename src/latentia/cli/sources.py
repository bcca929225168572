"""The rows of a command: in memory, or on a disk with a sample of them in memory."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..data import Dataset, Shards, open_data

SAMPLE = 10_000  # rows of a stream that reports and closing tables look at


def read(asked: dict[str, Any]) -> Dataset | Shards:
    """What a run was asked for; runs that say nothing of streams were in memory."""
    selection = {key: value for key, value in asked.items() if key not in ("source", "init")}
    return open_data(asked["source"], **{"stream": "no", **selection})


def answered(asked: dict[str, Any], data: Dataset | Shards) -> dict[str, Any]:
    """What was asked for, with "auto" decided, so that a resumed run reads as the first one did."""
    return {**asked, "stream": "yes" if isinstance(data, Shards) else "no"}


def in_memory(estimator: Any, data: Dataset | Shards) -> Dataset:
    """The data, or of a stream a sample of the rows learnt from, with the rows held out as its "valid" part."""
    if isinstance(data, Dataset):
        return data
    from ..estimators.given import held_out_rows

    seed = int(estimator.seed_)
    held_out = held_out_rows(estimator, data) if estimator.n_rows_in_ == data.n_rows else None
    rest = data if held_out is None else data.leave_out(held_out)
    learnt = rest.draw(SAMPLE, seed)
    if held_out is None:
        return data.dataset(learnt)
    if len(held_out) > SAMPLE:
        held_out = np.sort(np.random.default_rng(seed).choice(held_out, SAMPLE, replace=False))
    rows = np.union1d(learnt, held_out)
    both = data.dataset(rows)
    fresh = np.isin(rows, held_out, assume_unique=True)
    return replace(_pick(both, ~fresh), valid=_pick(both, fresh))


def _pick(data: Dataset, rows: np.ndarray) -> Dataset:
    part = lambda a: None if a is None else a[rows]  # noqa: E731
    weight = part(data.weight)
    weight = None if weight is not None and not weight.any() else weight
    return replace(data, x=data.x[rows], label=part(data.label), weight=weight)


def size(data: Dataset | Shards) -> tuple[int, int]:
    """Rows and columns."""
    return (data.n_rows if isinstance(data, Shards) else len(data.x)), len(data.columns)


def facts(data: Dataset | Shards) -> dict[str, Any]:
    """What run.json says about the data."""
    return {
        "name": data.name,
        "rows": size(data)[0],
        "columns": list(data.columns),
        "image_shape": data.image_shape,
        "fingerprint": data.fingerprint,
        "source": data.source if isinstance(data, Dataset) else data.source.source,
    }
