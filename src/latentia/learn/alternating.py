"""Codes and axes by turns: the learner of logistic principal components."""

from typing import Any, final

import torch

from ..abilities import add_statistics
from ..batch import Batches
from ..bounds import Reconstruction
from ..errors import AbilityError, ParameterError
from ..models import LogisticPCA
from ..posteriors import BestPoint
from ..processes import processes_of, whole_of
from .base import Info, Learner, State
from .checkpoints import named, under


@final
class Alternating(Learner):
    """Tighten: the best code of each row, axes held. Improve: the axes, from one pass's statistics. Neither falls.

    One step is one pass: the update of the pass before, then the codes, so that what is reported is log p(x|z) of the axes as
    they stand. It ends when a pass gains less than `tol`.

    Arguments:
        tol: nats per row.

    Raises: `AbilityError` for a model that is no `models.LogisticPCA`.

    Source: Schein, Saul and Ungar, "A generalized linear model for principal component analysis of binary data", 2003.

    >>> Alternating(tol=1e-3).name
    'alternating'
    """

    name = "alternating"
    dtype = torch.float32

    def __init__(self, *, tol: float = 1e-3) -> None:
        if not tol >= 0:
            raise ParameterError(f"tol={tol} cannot be used. Use a number of at least 0, nats per row.")
        self.posterior, self.bound = BestPoint(), Reconstruction()
        self.tol = float(tol)

    def check(self, model: Any) -> None:
        if not isinstance(model, LogisticPCA):
            raise AbilityError(
                f"Alternating learns models.LogisticPCA; this is {type(model).__name__}. Use AmortizedVI."
            )

    def init(self, model: LogisticPCA, batches: Batches) -> State:
        return State(numbers={"previous": None})

    def step(self, model: LogisticPCA, batches: Batches, state: State) -> tuple[State, Info]:
        statistics = under("statistics", state.tensors)
        if statistics:
            model.update(statistics)
        model.orient()
        total = weight = torch.zeros((), dtype=torch.float64, device=batches.device)
        parts: dict[str, torch.Tensor] = {}
        for batch in whole_of(batches).one_pass():
            found, value = model.expect(batch)
            parts = add_statistics([parts, found])
            total, weight = total + batch.weighted_sum(value), weight + batch.total_weight()
        bound = (total / weight).reshape(1)
        rise = None if state.numbers["previous"] is None else float(bound) - state.numbers["previous"]
        done = rise is not None and abs(rise) < self.tol
        status = (
            f"Converged in {state.step + 1} passes: the last gained less than {self.tol:g} nats per row."
            if done
            else ""
        )
        info = Info(bound, {"reconstruction": bound}, torch.ones_like(bound), None, batches.n_rows, done, status)
        processes_of(batches).copy_first_(model)
        return State(state.step + 1, named("statistics", parts), {"previous": float(bound)}), info
