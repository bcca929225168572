"""What a fitted estimator answers: representations, reconstructions, evidence, samples."""

from abc import ABC
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .. import evidence as _evidence
from ..bounds.evaluate import evaluating
from ..data import Shards
from ..data.checks import check_weight
from ..distributions import centre
from ..errors import ParameterError
from ..estimate import Estimate
from ..evidence import Totals
from ..families.columns import from_columns, moments
from ..models import Model
from ..randomness import Stream
from . import streaming
from .plan import Plan, check_support
from .rows import CHUNK, posterior_moments, seen_rows, to_numpy


class Answers(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ABC):
    """Numbers out of `model_` and `posterior_`; rows in and out are NumPy's, in the user's units."""

    plan_: Plan
    model_: Model
    posterior_: nn.Module
    columns_: tuple[str, ...] | None
    seed_: int
    _n_features_out: int
    _default_evidence = "exact"

    def _seen(self, X: Any) -> tuple[np.ndarray, Tensor]:
        return seen_rows(self, X)

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return posterior_moments(self, x)

    def _work(self, rows: Any) -> int:
        """Cells that are decoded for one draw of z per row: what an estimate costs."""
        return rows.size

    def _moments(self, q: Any) -> tuple[Tensor, Tensor]:
        return moments(q)

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
                "annealed"; `precision`, float64 unless "float32" is asked for, which takes a network half the time; see
                `latentia.evidence`.
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


def _samples(method: str, options: Mapping[str, Any]) -> int:
    """How many draws of z per row, where nobody said."""
    if options.get("error") is not None:
        return 10_000
    return 16 if method == "annealed" else 128
