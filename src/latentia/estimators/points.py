"""What estimators whose codes are points share: reconstructions in, no log p(x) out."""

import warnings
from abc import ABC
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..bounds import Reconstruction
from ..bounds.evaluate import evaluating
from ..data import Shards
from ..data.checks import check_weight
from ..errors import AbilityError
from ..estimate import Estimate
from ..models.decoder import NO_EVIDENCE, FlatPrior
from .base import LatentEstimator
from .facts import Facts, as_facts
from .given import Given, InMemory, OnDisk
from .plan import Plan, check_support, make_plan
from .rows import CHUNK
from .streaming import pieces

SHOWN = 2000  # rows whose codes say how codes are spread
CELLS = 2**18  # of those rows that are encoded at once


class PointEstimator(LatentEstimator, ABC):
    """An autoencoder: one code for each row, learnt by how well the row comes back.

    `score_samples` and `score` are log p(x|z) at the row's code, nats per row, higher is better: a reconstruction error
    with its sign turned, and no log p(x). `evidence` is refused.
    """

    _default_evidence = "reconstruction"

    def _prepare(self, given: Given, warm: bool) -> None:
        """Keep some rows, whose codes are looked at in the end."""
        rows = given.facts() if isinstance(given, InMemory) else None
        if isinstance(given, OnDisk):
            rows = given.shards.take(given.shards.draw(SHOWN, self.seed_)).x
        assert isinstance(rows, np.ndarray)
        pick = np.random.default_rng(self.seed_).permutation(len(rows))[:SHOWN]
        self._some_rows = rows[np.sort(pick)]

    def _finish(self) -> None:
        super()._finish()
        prior = getattr(self.model_, "prior_module", None)
        rows = vars(self).pop("_some_rows", None)  # type: ignore[attr-defined]
        if rows is None or not isinstance(prior, FlatPrior):
            return
        at_once = max(1, CELLS // rows.shape[1])
        prior.spread(torch.cat([self._codes_of(rows[i : i + at_once]) for i in range(0, len(rows), at_once)]))

    def _codes_of(self, rows: np.ndarray) -> Tensor:
        like = next(self.model_.parameters())
        x = torch.tensor(rows, dtype=torch.float64, device=like.device)
        x = x if self.binarise_ is None else self.binarise_(x, self.seed_)
        return self._posterior(x.to(like.dtype))[0]

    def reconstruction(self, X: Any, sample_weight: Any = None) -> Estimate:
        """log p(x|z) of each row at its code, an `Estimate` of kind "error": nats per row, higher is better."""
        x, rows = self._seen(X)
        weight = None if sample_weight is None else torch.as_tensor(check_weight(sample_weight, len(x)))
        return Estimate(self._reconstruction(rows), "error", "reconstruction", weight=weight)

    def _reconstruction(self, rows: Tensor) -> Tensor:
        bound, values = Reconstruction(), []
        with evaluating(self.model_, self.posterior_):
            for part in rows.split(CHUNK):
                batch = Batch(part, torch.arange(len(part), device=part.device))
                values.append(bound(self.model_, self.posterior_, batch).value.double().cpu())
        return torch.cat(values)

    def reconstruction_error(self, X: Any) -> np.ndarray:
        """Squared distance of each row from its reconstruction, user's units, `(rows,)`; lower is better."""
        x, rows = self._seen(X)
        return np.square(rows.double().cpu().numpy() - self.reconstruct(x).astype(np.float64)).sum(1)

    def score_samples(self, X: Any) -> np.ndarray:  # type: ignore[override]
        """log p(x|z) of each row at its code, nats per row, higher is better; no log p(x)."""
        return self.reconstruction(X).values.numpy()

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # type: ignore[override]
        """Mean of `score_samples`, of rows in memory or of `data.Shards`."""
        if not isinstance(X, Shards):
            return self.reconstruction(X, sample_weight).mean
        total, count = 0.0, 0.0
        for piece in pieces(self, X):
            part = self.reconstruction(piece.x)
            weight = np.ones(len(piece.x)) if piece.weight is None else piece.weight
            total, count = total + float(weight @ part.values.numpy()), count + float(weight.sum())
        return total / count

    def _estimate(self, *arguments: Any, **options: Any) -> NoReturn:
        raise AbilityError(NO_EVIDENCE)

    def _warn_identity(self, n_latent: int, n_features: int) -> tuple[str, ...]:
        """What there is to say where the codes are as large as the rows."""
        if n_latent < n_features:
            return ()
        text = (
            f"n_latent={n_latent} is not fewer than the {n_features} columns, so that the identity is a solution and the codes "
            "need not mean anything. Use fewer, a sparsity or contraction penalty, or DenoisingAutoencoder."
        )
        warnings.warn(text, UserWarning, stacklevel=2)
        return (text,)


def plan_of_error(
    x: np.ndarray | Facts,
    weight: np.ndarray | None,
    likelihood: str,
    scale: str,
    noise: float | str,
    columns: Sequence[str] | None,
    more: tuple[str, ...] = (),
    own: dict[str, Any] | None = None,
) -> Plan:
    """The plan of a reconstruction error: like a density's, but whole numbers are taken as they are.

    Arguments:
        x, weight, likelihood, scale: as for `make_plan`.
        noise: scale of a normal likelihood.
        columns: names, for messages.
        more: further sentences of the plan.
        own: options of the likelihood's family, from the user.
    """
    facts = as_facts(x, weight)
    plan = make_plan(facts, likelihood, scale, exact_levels=False)
    floor = plan.floor if isinstance(noise, str) else 0.0
    kept = plan.sentences if floor else tuple(s for s in plan.sentences if "noise scale is at least" not in s)
    plan = replace(plan, floor=floor, sentences=(*kept, *more))
    n_categories = max(1, levels_of(facts, plan))
    check_support(facts, plan, plan.family(len(facts.low), noise, n_categories, own), columns)
    return plan


def levels_of(facts: Facts, plan: Plan) -> int:
    """How many values, from 0, a cell has under a family that must be told; 0 under others."""
    return int(facts.high.max()) + 1 if plan.counts_levels else 0
