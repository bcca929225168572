"""Stochastic variational inference: free parameters for each row, and no encoder."""

from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor

from ..batch import Batch, Batches
from ..errors import AbilityError, ParameterError
from ..posteriors import Local
from ..posteriors.base import still
from ..posteriors.local import RowAdam
from ..processes import processes_of
from ..randomness import part_noise
from .amortized import AmortizedVI
from .around import Around
from .base import Info, State
from .row_table import RowTable


class SVI(Around):
    """Tighten: some steps on the free parameters of the batch's own rows. Improve: one gradient step of p, q held.

    A row keeps its parameters, and the moments of their Adam, by its index in the data, from one epoch to the next:
    numbers per row are 3 times those of q, and one. Of several processes each keeps the numbers of its share of the rows.
    Rows that were not learnt from (held-out ones, those of `transform`) are inferred by steps of their own, see
    `posteriors.Local`.

    Arguments:
        posterior: `posteriors.Local`.
        row_steps: steps of a batch's rows before the step of p.
        row_rate: of these steps, in raw numbers of the family.
        check_steps: steps for a held-out row at the end of an epoch, which must be as good as any only in comparison.
        options: bound, objective, optimizer, learning_rate, schedule, gradient_clip, execution: see `AmortizedVI`.

    Raises: `AbilityError` for a posterior that is not free per row; `ParameterError` for settings that cannot be used.

    Source: Hoffman, Blei, Wang and Paisley, "Stochastic variational inference", 2013, with gradients for the local step.

    >>> from latentia.families import Normal
    >>> SVI(Local(Normal((2,))), row_steps=3).name
    'svi'
    """

    name = "svi"
    posterior: Local

    def __init__(
        self,
        posterior: Local,
        *,
        row_steps: int = 5,
        row_rate: float = 0.05,
        check_steps: int = 50,
        **options: Any,
    ) -> None:
        if not isinstance(posterior, Local):
            raise AbilityError(
                f"SVI moves the free parameters of each row, and {type(posterior).__name__} has none. Use posteriors.Local "
                "with a family, or AmortizedVI for an encoder."
            )
        if row_steps < 1 or check_steps < 1 or not row_rate > 0:
            raise ParameterError(
                f"row_steps={row_steps}, check_steps={check_steps}, row_rate={row_rate} cannot be used. Use at least one "
                "step and a positive rate."
            )
        super().__init__(AmortizedVI(posterior, **options))
        self.row_steps, self.row_rate, self.check_steps = row_steps, row_rate, check_steps

    def check(self, model: Any) -> None:
        self.posterior.check()
        super().check(model)

    def init(self, model: Any, batches: Batches) -> State:
        state, local = super().init(model, batches), self.posterior
        row = local.begin.to(device=batches.device, dtype=batches.dtype)
        table = RowTable(batches.n_indices, torch.cat([row, row.new_zeros(2 * len(row) + 1)]), processes_of(batches))
        local.table, local.first_row = table.values[:, : len(row)], table.start
        state.handles["rows"] = table
        return state

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        batch, table = next(batches), state.handles["rows"]
        numbers = table.get(batch)
        state.handles["kl_weight"].fill_(self.objective.weight_at(state.step))
        raw = self._tighten(model, batch, state, numbers)
        table.put(batch, torch.cat([raw, numbers[:, raw.shape[1] :]], 1))
        many = processes_of(batches).many
        with self.posterior.given(raw) if many else nullcontext():
            return self.inner.step(model, cast(Batches, _Again(batch, batches)), state)

    def evaluate(self, model: Any, batches: Batches, state: State, seed: int) -> dict[str, float]:
        local = self.posterior
        steps, local.n_steps = local.n_steps, min(local.n_steps, self.check_steps)
        try:
            return super().evaluate(model, batches, state, seed)
        finally:
            local.n_steps = steps

    def _tighten(self, model: Any, batch: Batch, state: State, numbers: Tensor) -> Tensor:
        """New raw numbers of the batch's rows; the moments, in `numbers`, are moved in place."""
        k = len(self.posterior.begin)
        raw, first, second, count = numbers.split([k, k, k, 1], 1)
        adam = RowAdam(first, second, count)
        with still(model):
            for _ in range(self.row_steps):
                raw = adam.step(raw, self._slope(batch, state, raw), self.row_rate)
        return raw

    def _slope(self, batch: Batch, state: State, raw: Tensor) -> Tensor:
        """Gradient of the objective of each row by its raw numbers, ascending, as if the row were alone."""
        moved = raw.detach().requires_grad_()
        noise = (
            nullcontext()
            if batch.place is None
            else part_noise(batch.place.start, batch.place.start + len(batch), batch.place.rows)
        )
        with self.posterior.given(moved), noise:
            _, loss = state.handles["gradient"].evaluate(batch, state.handles["kl_weight"])
        return -torch.autograd.grad(loss, moved)[0] * batch.n_together

    def snapshot(self, state: State) -> State:
        kept = super().snapshot(state)
        return State(kept.step, {**kept.tensors, "rows": state.handles["rows"].whole()}, kept.numbers)

    def restore(self, state: State, saved: State) -> State:
        tensors = dict(saved.tensors)
        rows = tensors.pop("rows")
        table: RowTable = state.handles["rows"]
        if len(rows) != table.n_rows:
            raise ParameterError(
                f"The checkpoint has parameters for {len(rows)} rows and the data have {table.n_rows}. Bring the same data."
            )
        table.load(rows)
        return super().restore(state, State(saved.step, tensors, saved.numbers))


class _Again:
    """Batches that give out a batch that was drawn already."""

    def __init__(self, batch: Batch, batches: Batches) -> None:
        self._batch, self._batches = batch, batches

    def __next__(self) -> Batch:
        return self._batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)
