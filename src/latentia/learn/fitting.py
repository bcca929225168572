"""What to solve and how to solve it, in one verb."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batches, as_batches
from ..devices import pick_device, pick_dtype
from ..errors import ParameterError
from ..fitted import Fit
from ..processes import current, share
from .base import Learner
from .limits import Limits, Progress
from .loop import Callback, Loop
from .profile import Profile
from .sharding import learn_sharded


def fit(
    model: nn.Module,
    learner: Learner,
    data: Any,
    *,
    validation: Any = None,
    weight: Any = None,
    batch_size: int = 128,
    max_epochs: int = 100,
    max_steps: int | None = None,
    max_time: float | None = None,
    patience: int | None = None,
    restore_best: bool = True,
    seed: int = 0,
    device: str | torch.device = "auto",
    precision: str | None = None,
    transform: Callable[[Tensor, int | None], Tensor] | None = None,
    checkpoints: str | Path | None = None,
    checkpoint_every: float = 10.0,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: Callable[[Progress], None] | None = None,
    profile: str | Path | None = None,
    shard_from: int | None = None,
) -> Fit:
    """Learn a model: what to solve and how to solve it are two arguments of one verb.

    Arguments:
        model: p(x, z).
        learner: with its posterior and its objective; which parameters it moves is its own business.
        data: rows `(rows, *event)`, a tensor, an array, `data.Shards` or `Batches`, in the user's units.
        validation: held-out rows, for early stopping and for the history.
        weight: of each row, `(rows,)`.
        batch_size: rows per batch.
        max_epochs, max_steps, max_time, patience, restore_best, checkpoints, checkpoint_every: see `Limits`.
        seed: of all random numbers; the process's own generators are left as they were.
        device: "auto", "cpu", "cuda", "mps" or a torch device.
        precision: "float32", "float64" or "bfloat16" (networks alone); None takes the learner's.
        transform: of each batch, see `Batches`.
        resume: go on from the newest checkpoint in `checkpoints`, if there is one.
        callbacks: called at the end of every epoch as `callback(loop)`; True stops.
        progress: called with a `Progress` about ten times a second.
        profile: a folder; writes there where the time went, profile.md and a trace of some steps.
        shard_from: layers of at least so many weights are dealt out over the processes, with all that learning keeps beside
            their weights; None keeps every layer whole in each.

    Within `processes.joined` every process calls this with the same arguments, works on its part of each batch, and
    comes out with the same weights; the first one writes and reports.

    Raises:
        AbilityError: the learner cannot learn this model.
        NonFiniteError: a loss stopped being a number.

    >>> import latentia
    >>> from latentia.learn import ExactEM
    >>> from latentia.models import ProbabilisticPCA
    >>> x = torch.randn(50, 3, dtype=torch.float64)
    >>> latentia.fit(ProbabilisticPCA(3, 1), ExactEM(), x).finished
    True
    """
    learner.check(model)
    processes = current()
    where = processes.device(pick_device(device))
    dtype = learner.dtype if precision is None else pick_dtype(precision)
    model.to(device=where, dtype=dtype)
    learner.posterior.to(device=where, dtype=dtype)
    options: dict[str, Any] = {"batch_size": batch_size, "dtype": dtype, "transform": transform}
    batches = share(_on(where, data, weight=_tensor(weight, where), seed=seed, **options), processes)
    _check_shape(model, batches)
    if processes.many:
        _check_share(batches, seed)
    held_out = (
        None if validation is None else _on(where, validation, noise_seed=seed, **{**options, "batch_size": 1024})
    )
    folder = None if checkpoints is None else Path(checkpoints)
    if patience is not None and not learner.has_bound:
        raise ParameterError(
            f"patience={patience} needs a held-out bound, and a learner without a bound has none. Leave patience out, and end "
            "with max_epochs, max_steps or max_time."
        )
    limits = Limits(max_epochs, max_steps, max_time, patience, restore_best, folder, checkpoint_every)
    autocast = precision == "bfloat16"
    n_steps = min(limits.max_epochs * batches.per_epoch, limits.max_steps or 2**62)
    measured = None if profile is None or not processes.first else Profile(Path(profile), n_steps)

    def run(model: nn.Module, learner: Learner) -> Fit:
        told: dict[str, Any] = {"callbacks": callbacks, "progress": progress, "profile": measured}
        return Loop(model, learner, batches, held_out, limits, seed=seed, autocast=autocast, **told).run(resume)

    if shard_from is None or not processes.many:
        return run(model, learner)
    return learn_sharded(run, model, learner, shard_from, processes)


def _check_shape(model: Any, batches: Batches) -> None:
    """Rows in memory against the model's x; rows from elsewhere are looked at when they come."""
    x, wanted = getattr(batches, "x", None), getattr(model, "row_shape", getattr(model, "event_shape", None))
    if isinstance(x, Tensor) and wanted is not None and tuple(x.shape[1:]) != tuple(wanted):
        raise ParameterError(
            f"Rows of shape {tuple(x.shape[1:])} came; the model's x has shape {tuple(wanted)}. Give the family of its likelihood "
            "that event_shape, or the rows that shape."
        )


def _check_share(batches: Batches, seed: int) -> None:
    processes = current()
    processes.check_same("data", f"of {batches.n_rows} rows in batches of {batches.batch_size}, seed {seed},")
    if processes.size > batches.n_rows:
        raise ParameterError(
            f"{processes.size} processes came for {batches.n_rows} rows. Use at most as many processes as there are rows."
        )


def _on(device: torch.device, data: Any, **options: Any) -> Batches:
    if isinstance(data, Batches):
        return data
    if hasattr(data, "batches"):
        return as_batches(data, device=device, **options)
    return as_batches(torch.as_tensor(data).to(device), **options)


def _tensor(value: Any, device: torch.device) -> Tensor | None:
    return None if value is None else torch.as_tensor(value).to(device)
