"""Rows of cells, each of which depends on those before it, as one distribution."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, constraints

from .summed import summed_log_prob

CELLS_AT_ONCE = 2**20  # cells at once where no gradient is kept


class CellSequence(Distribution):
    """log p(x) = sum_i log p(x_i | x_1 .. x_{i-1}, context), p(x_i | ...) = cells(network(context, x))_i.

    Arguments:
        network: called as `network(context, x) -> raw`; causal: the raw numbers of a cell depend on no cell from itself on.
        cells: raw numbers `(rows, n)` -> the distribution of all cells, `(rows, n_cells)`.
        context: of each row, `(*batch, n_context)`.
        n_cells: in a row.
        together: cells that are predicted at once (the channels of a pixel).
    """

    arg_constraints = {}  # type: ignore[assignment]
    support = constraints.independent(constraints.real, 1)  # type: ignore[assignment]

    def __init__(
        self,
        network: Any,
        cells: Any,
        context: Tensor,
        n_cells: int,
        together: int = 1,
        validate_args: bool | None = None,
    ) -> None:
        self.network, self.cells, self.context = network, cells, context
        self.n_cells, self.together = n_cells, together
        super().__init__(context.shape[:-1], torch.Size((n_cells,)), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "CellSequence":
        context = self.context.expand(*batch_shape, self.context.shape[-1])
        return CellSequence(self.network, self.cells, context, self.n_cells, self.together, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of each row, `(*batch,)`, for x `(*batch, n_cells)`."""
        lead = torch.broadcast_shapes(self.context.shape[:-1], value.shape[:-1])
        context = self.context.expand(*lead, self.context.shape[-1]).reshape(-1, self.context.shape[-1])
        x = value.expand(*lead, self.n_cells).reshape(-1, self.n_cells)
        if torch.is_grad_enabled():
            return self._rows(context, x).reshape(lead)
        size = max(1, CELLS_AT_ONCE // self.n_cells)
        parts = [self._rows(c, rows) for c, rows in zip(context.split(size), x.split(size))]
        return torch.cat(parts).reshape(lead)

    def _rows(self, context: Tensor, x: Tensor) -> Tensor:
        raw = self.network(context, x.to(context.dtype))
        raw = raw.float() if raw.dtype in (torch.bfloat16, torch.float16) else raw
        return summed_log_prob(self.cells(raw), x, 1)

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Rows drawn cell after cell, `(*sample_shape, *batch, n_cells)`: a pass of the network for each."""
        return self._written(torch.Size(sample_shape), lambda p: p.sample())

    @torch.no_grad()
    def greedy(self) -> Tensor:
        """In each cell what is most probable (or the mean, of real numbers) after those chosen before, `(*batch, n_cells)`."""
        return self._written(torch.Size(), _likeliest)

    def _written(self, sample_shape: torch.Size, choose: Any) -> Tensor:
        shape = (*sample_shape, *self.context.shape)
        context = self.context.expand(shape).reshape(-1, shape[-1])
        x = context.new_zeros(len(context), self.n_cells)
        for start in range(0, self.n_cells, self.together):
            part = slice(start, start + self.together)
            x[:, part] = choose(self.cells(self.network(context, x)))[:, part].to(x.dtype)
        return x.reshape(*shape[:-1], self.n_cells)


def _likeliest(p: Distribution) -> Tensor:
    if isinstance(p, Bernoulli):
        return (p.logits > 0).to(p.logits.dtype)
    return p.logits.argmax(-1) if isinstance(p, Categorical) else p.mean
