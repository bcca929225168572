"""Minibatches of sentences that are about as long as one another, so that little of a batch is padding."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch, DealtBatches
from ..errors import DataError
from .text import Sentences


class LengthBatches(DealtBatches):
    """Sentences dealt out in batches of like lengths, each as wide as its longest.

    In each epoch the rows are shuffled, sorted by length (those of one length stay shuffled) and cut into batches, which
    are dealt in random order; every row comes once. The few rows that fill no batch are drawn from all and come last.

    Arguments:
        sentences: all rows.
        batch_size: rows per batch; the last batch of an epoch may be shorter.
        weight: of each row, `(rows,)`.
        seed: of the order.
        dtype, device: of each batch.

    >>> batches = LengthBatches(Sentences([[3, 2], [2], [4, 3, 2], [5, 2]]), batch_size=2)
    >>> sorted(tuple(next(batches).x.shape) for _ in range(2))
    [(2, 2), (2, 3)]
    """

    def __init__(
        self,
        sentences: Sentences,
        *,
        batch_size: int = 128,
        weight: Tensor | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        transform: Callable[..., Tensor] | None = None,
        noise_seed: int | None = None,
    ) -> None:
        if not len(sentences):
            raise DataError("The data have no rows. At least one sentence is needed.")
        if transform is not None:
            raise DataError("Tokens cannot be transformed. Give sentences without a transform.")
        self.sentences, self.weight, self.seed = sentences, weight, int(seed)
        self.n_rows, self.dtype, self.device = len(sentences), dtype, torch.device(device)
        self.batch_size = max(1, min(int(batch_size), self.n_rows))
        self.noise_seed = noise_seed
        self._order, self._order_epoch = np.arange(0), -1

    def _epoch_order(self) -> np.ndarray:
        if self._order_epoch != self.epoch:
            self._order, self._order_epoch = self._deal(np.random.default_rng((self.seed, self.epoch))), self.epoch
        return self._order

    def _deal(self, random: np.random.Generator) -> np.ndarray:
        rows, size = random.permutation(self.n_rows), self.batch_size
        full = self.n_rows // size * size
        rest, rows = rows[full:], rows[:full]
        rows = rows[np.argsort(self.sentences.lengths[rows], kind="stable")].reshape(-1, size)
        return np.concatenate([random.permutation(rows).reshape(-1), rest])

    def _slice(self, start: int, stop: int) -> Batch:
        return self._take(np.arange(start, stop))

    def _take(self, rows: np.ndarray) -> Batch:
        x = torch.from_numpy(self.sentences.padded(rows)).to(device=self.device, dtype=self.dtype)
        batch = Batch(x, torch.from_numpy(rows).to(self.device))
        if self.weight is None:
            return batch
        weight = self.weight.to(self.device).index_select(0, batch.index).to(self.dtype)
        return replace(batch, weight=weight)
