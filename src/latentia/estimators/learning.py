"""What `fit` does, from rows to a fitted estimator."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.checks import check_weight
from ..errors import ParameterError, RunError, UserError
from ..fitted import close_failed_run, read_seed
from ..learn import fit
from ..randomness import Stream
from .plan import warn_constant
from .rows import checked_rows


class Printing:
    """What `verbose` prints, unless the caller watches for itself."""

    def __init__(self, verbose: int, planned: Callable[..., None] | None, progress: Callable[..., None] | None) -> None:
        self.planned = planned or (self._lines if verbose else lambda sentences: None)
        self.progress = progress or (self._line if verbose else None)

    def _lines(self, sentences: Sequence[str]) -> None:
        print(*sentences, sep="\n")

    def _line(self, now: Any) -> None:
        if now.epoch_ended:
            held_out = "" if now.held_out is None else f", held out {now.held_out:.3f}"
            print(f"epoch {now.epoch}/{now.epochs}: bound {now.bound:.3f} nats per row{held_out}")


def learn(
    estimator: Any,
    X: Any,
    sample_weight: Any,
    folder: Path | None,
    resume: bool,
    note: Mapping[str, Any],
    watch: Printing,
    options: Mapping[str, Any],
) -> None:
    """Check the rows, plan, make model and learner, run the loop, save; arguments as for the estimators' `fit`."""
    from .saving import open_run

    estimator.columns_ = tuple(note.get("data", {}).get("columns", ())) or None
    x = checked_rows(estimator, X, reset=True)
    estimator.columns_ = estimator.columns_ or tuple(getattr(estimator, "feature_names_in_", ())) or None
    weight = None if sample_weight is None else check_weight(sample_weight, len(x), name="sample_weight")
    estimator.seed_ = new_seed(estimator.random_state) if not resume or folder is None else read_seed(folder)
    _begin(estimator, x, weight)
    train, estimator.held_out_rows_ = split_rows(estimator, len(x), estimator.seed_)
    if folder is not None:
        open_run(estimator, folder, resume, note)
    watch.planned(estimator.plan_.sentences)
    try:
        _run_loop(estimator, x, weight, train, folder, resume, watch.progress, options)
    except UserError as error:
        if folder is not None and not isinstance(error, RunError):
            close_failed_run(folder)
        raise
    estimator._finish()
    if folder is not None:
        estimator.save(folder, **note)
    elif estimator.fit_.interrupted:
        raise KeyboardInterrupt(estimator.fit_.status)


def _run_loop(
    estimator: Any,
    x: np.ndarray,
    weight: np.ndarray | None,
    train: np.ndarray | None,
    folder: Path | None,
    resume: bool,
    progress: Callable[..., None] | None,
    options: Mapping[str, Any],
) -> None:
    held_out = estimator.held_out_rows_
    pick = lambda rows: torch.as_tensor(x if rows is None else x[rows])  # noqa: E731
    estimator.fit_ = fit(
        estimator.model_,
        estimator.learner_,
        pick(train),
        validation=None if held_out is None else pick(held_out),
        weight=None if weight is None else weight if train is None else weight[train],
        seed=estimator.seed_,
        transform=estimator.binarise_,
        checkpoints=None if folder is None else folder / "checkpoints",
        resume=resume,
        progress=progress,
        **options,
        **estimator._loop_options(),
    )


def _begin(estimator: Any, x: np.ndarray, weight: np.ndarray | None) -> None:
    warm = getattr(estimator, "warm_start", False) and hasattr(estimator, "model_")
    estimator.binarise_ = estimator.binarise_ if warm else estimator._binarise(x)
    seen = x if estimator.binarise_ is None else estimator.binarise_(torch.as_tensor(x).double(), 0).numpy()
    if not warm:
        estimator.plan_ = estimator._make_plan(seen, weight)
        warn_constant(estimator.plan_.sd, estimator.columns_)
    with Stream(estimator.seed_):
        model, learner = estimator._make(estimator.plan_, x.shape[1], len(x))
    if warm:
        learner.posterior.load_state_dict(estimator.posterior_.state_dict())
        model.load_state_dict(estimator.model_.state_dict())
    estimator.model_, estimator.learner_, estimator.posterior_ = model, learner, learner.posterior
    estimator.n_rows_in_ = len(x)


def split_rows(estimator: Any, n_rows: int, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Rows to learn from and rows to hold out; None and None where none are held out."""
    share = getattr(estimator, "validation_fraction", 0.0) or 0.0
    if not 0 <= share < 1:
        raise ParameterError(f"validation_fraction={share} cannot be used. Use a number from 0 to below 1.")
    n_held_out = round(share * n_rows)
    if n_held_out < 2 or n_rows - n_held_out < 2:
        return None, None
    order = np.random.default_rng(seed).permutation(n_rows)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def finish(estimator: Any) -> None:
    """Freeze what was learnt, in float64 for the numbers to come."""
    estimator.dtype_ = next(estimator.model_.parameters()).dtype
    device = next(estimator.model_.parameters()).device
    for module in (estimator.model_, estimator.posterior_):
        module.requires_grad_(False)
        if device.type != "mps":
            module.double()
    estimator.history_ = estimator.fit_.history
    estimator.n_iter_ = max(1, estimator.fit_.epochs)
    estimator._n_features_out = int(np.prod(estimator.model_.latent_shape, dtype=int)) or 1


def new_seed(random_state: Any) -> int:
    """The seed of a fit, from what scikit-learn calls random_state; None draws one without touching global state."""
    if random_state is None:
        return secrets.randbits(31)
    if isinstance(random_state, (np.random.RandomState, np.random.Generator)):
        draw = random_state.randint if isinstance(random_state, np.random.RandomState) else random_state.integers
        return int(draw(2**31 - 1))
    if not isinstance(random_state, (int, np.integer)) or random_state < 0:
        raise ParameterError(
            f"random_state={random_state!r} cannot be used. Use a whole number of at least 0, or None."
        )
    return int(random_state)
