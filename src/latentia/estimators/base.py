"""What the estimators share: rows in, a fit, a folder; what they answer is in `answers`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..binarise import Binarise
from ..fitted import Fit
from ..learn import Learner
from ..models import Model
from .answers import Answers
from .learning import Printing, finish, learn
from .plan import Plan, numbers
from .rows import checked_rows


class LatentEstimator(Answers, BaseEstimator, ABC):
    """fit / transform / inverse_transform / score_samples / sample over one model, one learner, one loop.

    Learnt attributes: `model_`, `posterior_`, `fit_` (history, status), `plan_` (likelihood, scaling), `seed_`.
    """

    n_features_in_: int
    n_rows_in_: int
    image_shape_: tuple[int, ...]
    learner_: Learner
    binarise_: Binarise | None
    held_out_rows_: np.ndarray | None
    fit_: Fit
    dtype_: torch.dtype
    has_codes = True  # whether there is a q(z|x), and a z for each row
    _min_rows = 2
    _learnt: tuple[str, ...] = ()  # further learnt attributes that building the model needs

    @abstractmethod
    def _make_plan(self, x: np.ndarray, weight: np.ndarray | None) -> Plan: ...

    @abstractmethod
    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        """A new model and learner; called inside the run's random stream."""

    def _loop_options(self) -> dict[str, Any]:
        return {}

    def _callbacks(self, training: Any) -> list[Callable[..., Any]]:
        """What else is called at the end of every epoch; `training` are the rows learnt from."""
        return []

    def _binarise(self, x: np.ndarray) -> Binarise | None:
        return None

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        run: str | Path | None = None,
        resume: bool = False,
        note: Mapping[str, Any] | None = None,
        planned: Callable[[Sequence[str]], None] | None = None,
        progress: Callable[..., None] | None = None,
        callbacks: Sequence[Callable[..., Any]] = (),
        profile: bool = False,
        shard_from: int | None = None,
    ) -> Any:
        """Learn from rows X.

        Arguments:
            X: `(rows, columns)`, an array, a tensor or a data frame; images may come as `(rows, height, width)`; or
                `data.Shards`, rows on a disk that never come into memory together.
            y: ignored.
            sample_weight: how often each row counts, `(rows,)`.
            run: a folder for checkpoints and, at the end, the run itself; None writes nothing.
            resume: go on from the newest checkpoint in `run`.
            note: written into run.json as it is (where the data came from).
            planned: called with what was chosen, in sentences, before learning begins.
            progress, callbacks: see `latentia.fit`.
            profile: write where the time went into `run`, profile.md and a trace of some steps.
            shard_from: see `latentia.fit`.
        """
        watch = Printing(self.verbose, planned, progress)  # type: ignore[attr-defined]
        options = {"callbacks": callbacks, "profile": run if profile else None, "shard_from": shard_from}
        learn(self, X, sample_weight, None if run is None else Path(run), resume, note or {}, watch, options)
        return self

    def _prepare(self, given: Any, warm: bool) -> None:
        """Look at the rows, and move the weights where there is something to begin with, before learning begins."""

    def _read_more(self, folder: Path) -> None:
        """Whatever else `save` wrote."""

    def _finish(self) -> None:
        finish(self)

    def _rows(self, X: Any, *, reset: bool) -> np.ndarray:
        return checked_rows(self, X, reset=reset)

    def save(self, path: str | Path, **more: Any) -> None:
        """Write the run folder: run.json, weights.safetensors, history.csv; nothing is pickled.

        Raises: `NotFittedError` before `fit`.
        """
        from .saving import save

        check_is_fitted(self, "fit_")
        save(self, Path(path), **more)

    def describe(self) -> dict[str, Any]:
        """What was learnt from the data about the model's make, ready for JSON."""
        return {
            **numbers(self.plan_),
            "n_features": int(self.n_features_in_),
            "n_rows": int(self.n_rows_in_),
            "columns": [str(c) for c in getattr(self, "feature_names_in_", ())] or None,
            "names": list(self.columns_ or ()) or None,
            "image_shape": [int(s) for s in getattr(self, "image_shape_", ())] or None,
            "binarise": None if self.binarise_ is None else vars(self.binarise_),
            "precision": str(self.dtype_).removeprefix("torch."),
            "seed": int(self.seed_),
            "more": {name: getattr(self, name) for name in self._learnt},
        }
