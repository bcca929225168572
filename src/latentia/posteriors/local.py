"""Free parameters for each row: no network stands between a row and its q."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..batch import Batch
from ..conditional import Conditional
from ..errors import ParameterError
from ..families import Family
from ..families.table import known_row
from ..randomness import row_noise
from .base import Posterior, still
from .row_bound import check_moved, row_elbo, rows_at_once


class Local(Posterior):
    """q(z|x_n) = family(raw_n), raw_n free for each row n: as tight as the family allows, without an encoder.

    In training mode the raw numbers come from `table`, by the row's index in the data: `learn.SVI` makes it and moves it,
    and of several processes each holds some rows. In evaluation mode they are found anew for whatever rows come, by steps of Adam on the ELBO of each row from the
    family's start, p held; so rows never seen are treated as the others are, and a row's q depends on nothing but the
    row and the model. Draws that carry a gradient are reparameterised and the entropy's gradient taken through them alone, so
    that the noise of the steps vanishes where q is the exact posterior; coins, categories and counts are summed over where they
    have at most 256 values, and moved by the score function with a baseline where they have more.

    Arguments:
        family: of z, with event shape that of z.
        n_steps: steps for a row in evaluation mode, the rate falling to zero by half a cosine.
        learning_rate: of these steps, in raw numbers.
        n_samples: draws of z per row and step.
        seed: of their noise, which also depends on the row's content.

    Raises: `ParameterError` for settings that cannot be used; `AbilityError`, in `check`, for a family without raw numbers.

    Sources: Hoffman et al., "Stochastic variational inference", 2013; Roeder, Wu and Duvenaud, "Sticking the landing",
    2017 (the gradient).

    >>> from latentia.families import FullNormal
    >>> from latentia.models import ProbabilisticPCA
    >>> x = torch.ones(2, 3, dtype=torch.float64)
    >>> model = ProbabilisticPCA(3, 2)
    >>> q = Local(FullNormal((2,))).double().eval()(Batch(x, torch.arange(2)), model)
    >>> torch.allclose(q.mean, model.posterior(x).mean, atol=1e-4)
    True
    """

    moves_rows = True

    def __init__(
        self,
        family: Family,
        *,
        n_steps: int = 300,
        learning_rate: float = 0.1,
        n_samples: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if n_steps < 1 or n_samples < 1 or not learning_rate > 0:
            raise ParameterError(
                f"n_steps={n_steps}, n_samples={n_samples}, learning_rate={learning_rate} cannot be used. Use at least one "
                "step, one sample and a positive rate."
            )
        self.family, self.seed = family, seed
        self.n_steps, self.learning_rate, self.n_samples = n_steps, learning_rate, n_samples
        self.conditional = Conditional(nn.Identity(), family, (family.n_outputs,), joint=True)
        self.register_buffer("begin", _begin(family).reshape(-1), persistent=False)
        self.register_buffer("table", None, persistent=False)
        self.first_row = 0  # of the table
        self._given: Tensor | None = None

    begin: Tensor
    table: Tensor | None

    def forward(self, batch: Batch, model: Any) -> Distribution:
        if self._given is not None:
            return self.conditional.distribution(self._given)
        if self.training and self.table is not None:
            return self.conditional.distribution(self.table[batch.index - self.first_row])
        return self.conditional.distribution(self.infer(batch, model))

    def check(self) -> None:
        """Raise `AbilityError` where the family cannot be moved row by row."""
        check_moved(self.conditional, self.n_samples, "infer_samples")

    @contextmanager
    def given(self, raw: Tensor) -> Iterator[None]:
        """Inside, q is that of these raw numbers, `(batch, family.n_outputs)`, whatever rows come."""
        before, self._given = self._given, raw
        try:
            yield
        finally:
            self._given = before

    def infer(self, batch: Batch, model: Any, start: Tensor | None = None) -> Tensor:
        """Raw numbers of rows never seen, `(batch, family.n_outputs)`, by the steps of evaluation mode.

        Arguments:
            batch, model: the rows, and p.
            start: raw numbers to begin with, `(batch, family.n_outputs)`; None is the family's start.
        """
        raw = (self.begin.to(batch.x.dtype).expand(len(batch), -1) if start is None else start.detach()).clone()
        moments = RowAdam(torch.zeros_like(raw), torch.zeros_like(raw), raw.new_zeros(len(raw), 1))
        with row_noise(batch.x, self.seed) as noise, still(model):
            for step in range(self.n_steps):
                gradient = self._gradient(batch, model, raw)
                share = (1 + cos(pi * step / self.n_steps)) / 2
                raw = moments.step(raw, gradient, self.learning_rate * share)
                noise.skip(self.n_samples)
        return raw

    def _gradient(self, batch: Batch, model: Any, raw: Tensor) -> Tensor:
        """Of E_q[log p(x, z) - log q(z)], ascending, each row's by its own raw numbers."""
        size = rows_at_once(self.conditional.distribution(raw), batch)
        if len(batch) <= size:
            return self._slope(batch, model, raw)
        parts = [slice(start, start + size) for start in range(0, len(batch), size)]
        return torch.cat([self._slope(batch.pick(rows), model, raw[rows]) for rows in parts])

    def _slope(self, batch: Batch, model: Any, raw: Tensor) -> Tensor:
        with torch.enable_grad():
            moved = raw.detach().requires_grad_()
            value = row_elbo(self.conditional, batch, model, moved, self.n_samples)
            return torch.autograd.grad(value.sum(), moved)[0]


class RowAdam:
    """Adam for rows that are not all moved at every step: each has its own count of steps.

    Arguments:
        first, second: moments, `(rows, numbers)`.
        count: steps done by each row, `(rows, 1)`.

    Source: Kingma and Ba, "Adam", 2015, algorithm 1.
    """

    BETAS, EPS = (0.9, 0.999), 1e-8

    def __init__(self, first: Tensor, second: Tensor, count: Tensor) -> None:
        self.first, self.second, self.count = first, second, count

    def step(self, raw: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
        """Raw numbers one step further up; the moments are moved in place."""
        one, two = self.BETAS
        self.count += 1
        self.first.lerp_(gradient, 1 - one)
        self.second.lerp_(gradient.square(), 1 - two)
        unbiased = self.second / (1 - two**self.count)
        return raw + learning_rate * self.first / (1 - one**self.count) / (unbiased.sqrt() + self.EPS)


def _begin(family: Family) -> Tensor:
    """Raw numbers of about mean 0 and scale 1 where every number is in the support; else zeros, its middle."""
    row = known_row(family)
    if row is not None and row.support not in ("real", "rows"):
        return torch.zeros(family.raw_shape)
    return family.start(torch.zeros(family.event_shape), torch.ones(family.event_shape))
