"""What the estimators share: data in, numbers out."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from .. import evidence as _evidence
from ..batch import Batch
from ..binarise import Binarise
from ..bounds.evaluate import evaluating
from ..data.checks import check_rows, check_weight
from ..distributions import centre
from ..errors import DataError, ParameterError, RunError, UserError
from ..estimate import Estimate
from ..fitted import close_failed_run, read_seed
from ..learn import Learner, fit
from ..models import Model
from ..randomness import Stream
from .plan import Plan, check_support, numbers, warn_constant

CHUNK = 4096


class LatentEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """fit / transform / inverse_transform / score_samples / sample over one model, one learner, one loop.

    Learnt attributes: `model_`, `posterior_`, `fit_` (history, status), `plan_` (likelihood, scaling), `seed_`.
    """

    n_features_in_: int
    _default_evidence = "exact"
    _min_rows = 2
    _learnt: tuple[str, ...] = ()  # further learnt attributes that building the model needs

    @abstractmethod
    def _make_plan(self, x: np.ndarray, weight: np.ndarray | None) -> Plan: ...

    @abstractmethod
    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        """A new model and learner; called inside the run's random stream."""

    def _loop_options(self) -> dict[str, Any]:
        return {}

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
    ) -> Any:
        """Learn from rows X.

        Arguments:
            X: `(rows, columns)`, an array, a tensor or a data frame; images may come as `(rows, height, width)`.
            y: ignored.
            sample_weight: how often each row counts, `(rows,)`.
            run: a folder for checkpoints and, at the end, the run itself; None writes nothing.
            resume: go on from the newest checkpoint in `run`.
            note: written into run.json as it is (where the data came from).
            planned: called with what was chosen, in sentences, before learning begins.
            progress, callbacks: see `latentia.fit`.
        """
        folder = None if run is None else Path(run)
        self.columns_ = tuple((note or {}).get("data", {}).get("columns", ())) or None
        x = self._rows(X, reset=True)
        self.columns_ = self.columns_ or tuple(getattr(self, "feature_names_in_", ())) or None
        weight = None if sample_weight is None else check_weight(sample_weight, len(x), name="sample_weight")
        self.seed_ = _seed(self.random_state) if not resume or folder is None else read_seed(folder)  # type: ignore[attr-defined]
        self._begin(x, weight)
        train, self.held_out_rows_ = self._split(len(x), self.seed_)
        if folder is not None:
            self._open_run(folder, resume, note or {})
        watch = _Printing(self.verbose, planned, progress)  # type: ignore[attr-defined]
        watch.planned(self.plan_.sentences)
        try:
            self._learn(x, weight, train, folder, resume, watch.progress, callbacks)
        except UserError as error:
            if folder is not None and not isinstance(error, RunError):
                close_failed_run(folder)
            raise
        self._finish()
        if folder is not None:
            self.save(folder, **(note or {}))
        elif self.fit_.interrupted:
            raise KeyboardInterrupt(self.fit_.status)
        return self

    def _learn(
        self,
        x: np.ndarray,
        weight: np.ndarray | None,
        train: np.ndarray | None,
        folder: Path | None,
        resume: bool,
        progress: Callable[..., None] | None,
        callbacks: Sequence[Callable[..., Any]],
    ) -> None:
        held_out = self.held_out_rows_
        pick = lambda rows: torch.as_tensor(x if rows is None else x[rows])  # noqa: E731
        self.fit_ = fit(
            self.model_,
            self.learner_,
            pick(train),
            validation=None if held_out is None else pick(held_out),
            weight=None if weight is None else weight if train is None else weight[train],
            seed=self.seed_,
            transform=self.binarise_,
            checkpoints=None if folder is None else folder / "checkpoints",
            resume=resume,
            progress=progress,
            callbacks=callbacks,
            **self._loop_options(),
        )

    def _begin(self, x: np.ndarray, weight: np.ndarray | None) -> None:
        warm = getattr(self, "warm_start", False) and hasattr(self, "model_")
        self.binarise_ = self.binarise_ if warm else self._binarise(x)
        seen = x if self.binarise_ is None else self.binarise_(torch.as_tensor(x).double(), 0).numpy()
        if not warm:
            self.plan_ = self._make_plan(seen, weight)
            warn_constant(self.plan_.sd, self.columns_)
        with Stream(self.seed_):
            model, learner = self._make(self.plan_, x.shape[1], len(x))
        if warm:
            learner.posterior.load_state_dict(self.posterior_.state_dict())
            model.load_state_dict(self.model_.state_dict())
        self.model_, self.learner_, self.posterior_ = model, learner, learner.posterior
        self.n_rows_in_ = len(x)

    def _open_run(self, folder: Path, resume: bool, note: Mapping[str, Any]) -> None:
        from .saving import open_run

        open_run(self, folder, resume, note)

    def _split(self, n_rows: int, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        share = getattr(self, "validation_fraction", 0.0) or 0.0
        if not 0 <= share < 1:
            raise ParameterError(f"validation_fraction={share} cannot be used. Use a number from 0 to below 1.")
        n_held_out = round(share * n_rows)
        if n_held_out < 2 or n_rows - n_held_out < 2:
            return None, None
        order = np.random.default_rng(seed).permutation(n_rows)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _finish(self) -> None:
        self.dtype_ = next(self.model_.parameters()).dtype
        device = next(self.model_.parameters()).device
        for module in (self.model_, self.posterior_):
            module.requires_grad_(False)
            if device.type != "mps":
                module.double()
        self.history_ = self.fit_.history
        self.n_iter_ = max(1, self.fit_.epochs)
        self._n_features_out = int(np.prod(self.model_.latent_shape, dtype=int)) or 1

    # --- data in -----------------------------------------------------------------------------------------------

    def _rows(self, X: Any, *, reset: bool) -> np.ndarray:
        if isinstance(X, Tensor):
            X = X.detach().cpu().numpy()
        if isinstance(X, np.ndarray) and X.ndim > 2:
            if reset:
                self.image_shape_ = X.shape[1:]
            X = X.reshape(len(X), -1)
        least = self._min_rows if reset else 1
        try:
            options: Any = {"ensure_all_finite": False, "ensure_min_samples": least, "dtype": "numeric"}
            x = np.asarray(validate_data(self, cast(Any, X), reset=reset, **options))
        except ValueError as error:
            raise error if isinstance(error, DataError) else DataError(str(error)) from None
        x = np.require(x, requirements=["C", "W"])  # torch shares no memory with what it may not write
        names = getattr(self, "columns_", None) or getattr(self, "feature_names_in_", None)
        check_rows(x, columns=names, name=f"The data for {type(self).__name__}")
        return x

    def _seen(self, X: Any) -> tuple[np.ndarray, Tensor]:
        check_is_fitted(self, "fit_")
        x = self._rows(X, reset=False)
        like = next(self.model_.parameters())
        tensor = torch.tensor(x, dtype=like.dtype, device=like.device)
        if self.binarise_ is not None:
            tensor = self.binarise_(tensor, self.seed_)
        return x, tensor

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        means, sds = [], []
        with evaluating(self.model_, self.posterior_):
            for rows in x.split(CHUNK):
                q = self.posterior_(Batch(rows, torch.arange(len(rows), device=rows.device)), self.model_)
                mean, sd = self._moments(q)
                means.append(mean.flatten(1))
                sds.append(sd.flatten(1))
        return torch.cat(means), torch.cat(sds)

    def _moments(self, q: Any) -> tuple[Tensor, Tensor]:
        return q.mean, q.stddev

    # --- numbers out -------------------------------------------------------------------------------------------

    def transform(self, X: Any, return_std: bool = False) -> Any:
        """Posterior means E_q[z|x], `(rows, n_latent)`; with `return_std` also the standard deviations."""
        x, rows = self._seen(X)
        mean, sd = (_numpy(t, x.dtype) for t in self._posterior(rows))
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
        return _numpy(x, z.dtype)

    def _decode(self, z: Tensor) -> Tensor:
        return centre(self.model_.likelihood(z.unsqueeze(0))).squeeze(0)

    def reconstruct(self, X: Any) -> np.ndarray:
        """inverse_transform(transform(X)): each row as the model sees it, user's units."""
        x, rows = self._seen(X)
        return _numpy(torch.as_tensor(self.inverse_transform(self._posterior(rows)[0].cpu().numpy())), x.dtype)

    def evidence(
        self, X: Any, evidence: str = "auto", n_samples: int = 128, sample_weight: Any = None, seed: int = 0
    ) -> Estimate:
        """log p(x) of each row as an `Estimate`, with its kind and its errors.

        Arguments:
            X: rows, user's units.
            evidence: "exact", "elbo", "importance", or "auto": exact where the model knows it, else importance.
            n_samples: draws of z per row, for "elbo" and "importance".
            sample_weight: of the rows, for the mean.
            seed: of the noise, which also depends on each row's content.
        """
        x, rows = self._seen(X)
        plan_family = getattr(getattr(self.model_, "conditional", None), "family", None)
        if plan_family is not None:
            check_support(rows.cpu().numpy(), self.plan_, plan_family, self.columns_)
        weight = None if sample_weight is None else torch.as_tensor(check_weight(sample_weight, len(x)))
        method = self._default_evidence if evidence == "auto" else evidence
        return _evidence.estimate(
            method, self.model_, self.posterior_, rows, n_samples=n_samples, seed=seed, weight=weight
        )

    def score_samples(self, X: Any, evidence: str = "auto", n_samples: int = 128) -> np.ndarray:
        """log p(x) of each row, or a lower bound: nats per row, higher is better; arguments as for `evidence`."""
        return self.evidence(X, evidence, n_samples).values.numpy()

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, evidence: str = "auto", n_samples: int = 128
    ) -> float:
        """Mean of `score_samples`, nats per row, higher is better."""
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


class _Printing:
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


def _seed(random_state: Any) -> int:
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


def _numpy(values: Tensor, dtype: np.dtype) -> np.ndarray:
    array = values.detach().cpu().numpy()
    return array.astype(np.float32) if dtype == np.float32 else array.astype(np.float64, copy=False)
