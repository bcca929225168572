"""What the estimators share: data in, numbers out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .. import evidence as _evidence
from ..binarise import Binarise
from ..bounds.evaluate import evaluating
from ..data import Shards
from ..data.checks import check_weight
from ..distributions import centre
from ..errors import ParameterError
from ..estimate import Estimate
from ..evidence import Totals
from ..families.columns import from_columns, moments
from ..fitted import Fit
from ..learn import Learner
from ..models import Model
from ..randomness import Stream
from . import streaming
from .learning import Printing, finish, learn
from .plan import Plan, check_support, numbers
from .rows import CHUNK, checked_rows, posterior_moments, seen_rows, to_numpy


class LatentEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """fit / transform / inverse_transform / score_samples / sample over one model, one learner, one loop.

    Learnt attributes: `model_`, `posterior_`, `fit_` (history, status), `plan_` (likelihood, scaling), `seed_`.
    """

    n_features_in_: int
    n_rows_in_: int
    columns_: tuple[str, ...] | None
    image_shape_: tuple[int, ...]
    plan_: Plan
    model_: Model
    posterior_: nn.Module
    learner_: Learner
    binarise_: Binarise | None
    held_out_rows_: np.ndarray | None
    fit_: Fit
    seed_: int
    dtype_: torch.dtype
    _n_features_out: int
    _default_evidence = "exact"
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
        """
        watch = Printing(self.verbose, planned, progress)  # type: ignore[attr-defined]
        options = {"callbacks": callbacks, "profile": run if profile else None}
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

    def _seen(self, X: Any) -> tuple[np.ndarray, Tensor]:
        return seen_rows(self, X)

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return posterior_moments(self, x)

    def _work(self, rows: Any) -> int:
        """Cells that are decoded for one draw of z per row: what an estimate costs."""
        return rows.size

    def _moments(self, q: Any) -> tuple[Tensor, Tensor]:
        return moments(q)

    # --- numbers out -------------------------------------------------------------------------------------------

    def transform(self, X: Any, return_std: bool = False) -> Any:
        """Posterior means E_q[z|x], `(rows, n_latent)`; with `return_std` also the standard deviations.

        A z of another shape is flattened; of categories each one's probability is a column.
        """
        x, rows = self._seen(X)
        mean, sd = (to_numpy(t, x.dtype) for t in self._posterior(rows))
        return (mean, sd) if return_std else mean

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Means of p(x|z) (of categories: the most probable) for latents Z `(rows, n_latent)`, in the user's units."""
        check_is_fitted(self, "fit_")
        z = np.asarray(Z)
        if z.ndim != 2 or z.shape[1] != self._n_features_out:
            raise ParameterError(f"Latents of shape (rows, {self._n_features_out}) were expected; {z.shape} came.")
        like = next(self.model_.parameters())
        latents = torch.tensor(z, dtype=like.dtype, device=like.device)
        with evaluating(self.model_):
            x = torch.cat([self._decode(rows) for rows in latents.split(CHUNK)])
        return to_numpy(x, z.dtype)

    def _decode(self, z: Tensor) -> Tensor:
        latent = from_columns(z, self.model_.prior()) if hasattr(self.model_, "prior") else z
        return centre(self.model_.likelihood(latent.unsqueeze(0))).squeeze(0)

    def reconstruct(self, X: Any) -> np.ndarray:
        """inverse_transform(transform(X)): each row as the model sees it, user's units."""
        x, rows = self._seen(X)
        return to_numpy(torch.as_tensor(self.inverse_transform(self._posterior(rows)[0].cpu().numpy())), x.dtype)

    def evidence(
        self,
        X: Any,
        evidence: str = "auto",
        n_samples: int | None = None,
        sample_weight: Any = None,
        seed: int = 0,
        **options: Any,
    ) -> Estimate:
        """log p(x) of each row as an `Estimate`, with its kind and its errors.

        Arguments:
            X: rows, user's units.
            evidence: "exact", "elbo", "importance", "annealed", or "auto": exact where the model knows it, else importance.
            n_samples: draws of z per row: 128 unless told; chains of "annealed": 16; with `error`, at most 10,000.
            sample_weight: of the rows, for the mean.
            seed: of the noise, which also depends on each row's content.
            options: of the estimator: `proposal` and `error` of "importance"; `n_steps`, `n_leapfrog` and `start` of
                "annealed"; see `latentia.evidence`.
        """
        x, rows = self._seen(X)
        weight = None if sample_weight is None else check_weight(sample_weight, len(x))
        return self._estimate(rows, evidence, n_samples, weight, seed, **options)

    def _estimate(
        self,
        rows: Tensor,
        evidence: str = "auto",
        n_samples: int | None = None,
        weight: np.ndarray | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Estimate:
        plan_family = getattr(getattr(self.model_, "conditional", None), "family", None)
        if plan_family is not None:
            check_support(rows.cpu().numpy(), self.plan_, plan_family, self.columns_)
        method = self._default_evidence if evidence == "auto" else evidence
        return _evidence.estimate(
            method,
            self.model_,
            self.posterior_,
            rows,
            n_samples=_samples(method, options) if n_samples is None else n_samples,
            seed=seed,
            weight=None if weight is None else torch.as_tensor(weight),
            **options,
        )

    def totals(self, shards: Shards, **options: Any) -> Totals:
        """`evidence` of rows on a disk, at constant memory: mean and errors of all rows, none of which is kept.

        Arguments:
            shards: the rows; their weights are one of their columns.
            options: `evidence`, `n_samples` and `seed` as for `evidence`; `each`: called with the `Estimate` of each piece
                of some thousand rows, in their order.
        """
        return streaming.totals(self, shards, **options)

    def transform_blocks(self, shards: Shards, return_std: bool = False) -> Iterator[Any]:
        """`transform` of rows on a disk, at constant memory: an iterator over pieces of some thousand rows."""
        return streaming.transform_blocks(self, shards, return_std)

    def score_samples(self, X: Any, evidence: str = "auto", n_samples: int | None = None) -> np.ndarray:
        """log p(x) of each row, or a lower bound: nats per row, higher is better; arguments as for `evidence`."""
        return self.evidence(X, evidence, n_samples).values.numpy()

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, evidence: str = "auto", n_samples: int | None = None
    ) -> float:
        """Mean of `score_samples`, nats per row, higher is better; of rows in memory, or of `data.Shards`."""
        if isinstance(X, Shards):
            return self.totals(X, evidence=evidence, n_samples=n_samples).mean
        return self.evidence(X, evidence, n_samples, sample_weight).mean

    def sample(self, n: int = 1, random_state: int | None = None) -> np.ndarray:
        """n draws of x from p(x), user's units, `(n, columns)`; the same for the same random_state (default: the fit's)."""
        check_is_fitted(self, "fit_")
        if n < 1:
            raise ParameterError(f"n={n} is too small. Ask for at least one row.")
        device = next(self.model_.parameters()).device
        with Stream(self.seed_ if random_state is None else int(random_state), device), evaluating(self.model_):
            return self.model_.sample(int(n)).cpu().numpy()

    def save(self, path: str | Path, **more: Any) -> None:
        """Write the run folder: run.json, weights.safetensors, history.csv; nothing is pickled."""
        from .saving import save

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


def _samples(method: str, options: Mapping[str, Any]) -> int:
    """How many draws of z per row, where nobody said."""
    if options.get("error") is not None:
        return 10_000
    return 16 if method == "annealed" else 128
