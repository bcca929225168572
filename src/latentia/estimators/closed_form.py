"""What the estimators with a closed form share."""

from typing import Any

import numpy as np

from ..errors import choose
from ..learn import ExactEM
from ..models import Model
from .base import LatentEstimator
from .facts import Facts, as_facts
from .plan import SCALES, Plan, make_scaling


class ClosedFormEstimator(LatentEstimator):
    """Learnt by exact EM in float64; log p(x) is exact."""

    _auto_scale = "none"

    def _make_plan(self, x: np.ndarray | Facts, weight: np.ndarray | None) -> Plan:
        scale = choose("scale", self.scale, SCALES)  # type: ignore[attr-defined]
        facts = as_facts(x, weight)
        scaling = make_scaling(facts, self._auto_scale if scale == "auto" else scale)
        mean, sd = facts.moments()
        text = f"Likelihood: normal; scaling: {scaling.text}; densities are in the user's units."
        return Plan(facts.kind, "normal", scaling, mean, sd, 0.0, (text,))

    def _em(self, start: str, n_starts: int = 1) -> ExactEM:
        warm = getattr(self, "warm_start", False) and hasattr(self, "fit_")
        return ExactEM(
            tol=self.tol,  # type: ignore[attr-defined]
            max_iter=self.max_epochs,  # type: ignore[attr-defined]
            start="current" if warm else start,
            n_starts=1 if warm else n_starts,
            seed=getattr(self, "seed_", 0),
        )

    def _loop_options(self) -> dict[str, Any]:
        passes = (self.max_epochs + 1) * getattr(self, "n_init", 1)  # type: ignore[attr-defined]
        return {"max_epochs": passes, "batch_size": self.batch_size, "device": self.device}  # type: ignore[attr-defined]

    def _describe_floor(self, model: Model) -> None:
        text = getattr(model, "floor_text", "")
        if text and text not in self.plan_.sentences:
            object.__setattr__(self.plan_, "sentences", (*self.plan_.sentences, text))
