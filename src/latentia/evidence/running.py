"""Sums over samples that come chunk by chunk, and what they say of each row."""

from collections.abc import Iterable
from math import inf, log, nan, sqrt
from typing import NamedTuple, final

import torch
from torch import Tensor

from ..estimate import pooled_square
from .tail import Tail

TOGETHER = 2**16  # log-weights that are added up at once: 512 KB, so that many small chunks cost as much as a large one


class RowNumbers(NamedTuple):
    """What was found of each row, `(batch,)` each.

    Arguments:
        value: nats.
        error: its Monte Carlo standard error; NaN of a single draw, infinite where no draw has mass.
        ess: effective sample size; NaN where there are no weights.
        tail: index of the weights; NaN where there is none.
    """

    value: Tensor
    error: Tensor
    ess: Tensor
    tail: Tensor


@final
class LogMean:
    """log 1/n sum w of log-weights that come in chunks `(samples, batch)`, float64.

    The error is the delta method's, sd(w) / (mean(w) sqrt(n)), times n^(t - 1/2) where the tail index of the weights,
    taken up to one and a half standard errors up, is t > 1/2: their variance may be infinite then. As few weights know their own spread
    badly, it is also multiplied by what Student's t needs more than a normal at 99 %, with ess - 1 degrees of freedom, at least 2.

    Arguments:
        n_samples: of all chunks together.

    >>> found = LogMean(2).over([torch.tensor([[0.0], [0.0]], dtype=torch.float64)])
    >>> found.value.item(), found.error.item(), round(found.ess.item(), 9)
    (0.0, 0.0, 2.0)
    """

    def __init__(self, n_samples: int) -> None:
        self.n, self.tail = 0, Tail(n_samples)
        self.waiting: list[Tensor] = []
        self.n_waiting = 0
        self.first: Tensor | None = None
        self.second: Tensor | None = None

    def over(self, chunks: Iterable[Tensor]) -> RowNumbers:
        """The numbers of all chunks."""
        for log_weight in chunks:
            self.waiting.append(log_weight)
            self.n_waiting += log_weight.numel()
            if self.n_waiting >= TOGETHER:
                self._add()
        if self.waiting:
            self._add()
        return self._numbers()

    def _add(self) -> None:
        log_weight = self.waiting[0] if len(self.waiting) == 1 else torch.cat(self.waiting)
        self.waiting, self.n_waiting = [], 0
        self.n += len(log_weight)
        self.tail.add(log_weight)
        first, second = torch.logsumexp(log_weight, 0), torch.logsumexp(2 * log_weight, 0)
        self.first = first if self.first is None else torch.logaddexp(self.first, first)
        self.second = second if self.second is None else torch.logaddexp(self.second, second)

    def _numbers(self) -> RowNumbers:
        assert self.first is not None
        assert self.second is not None
        n, value = self.n, self.first - log(self.n)
        size = torch.exp(2 * self.first - self.second).nan_to_num(0.0).clamp(max=n)
        if n == 1:
            return RowNumbers(value, torch.full_like(value, nan), size, torch.full_like(value, nan))
        square = (n / size.clamp_min(1e-300) - 1).clamp_min(0)
        relative = (square / (n - 1)).sqrt()
        relative = relative * _of_few(size)
        index = self.tail.index()
        if index is None:
            index = torch.full_like(size, nan)
        else:  # an index of 1: no mean at all
            relative = relative * n ** (self.tail.cautious(index, square) - 0.5).clamp(0, 0.5)
        return RowNumbers(value, relative.masked_fill(size == 0, inf), size, index)


@final
class Mean:
    """Mean of values that come in chunks `(samples, batch)`, float64.

    >>> found = Mean().over([torch.tensor([[1.0], [3.0]], dtype=torch.float64)])
    >>> found.value.item(), found.error.item()
    (2.0, 1.0)
    """

    def __init__(self) -> None:
        self.n = 0
        self.first: Tensor | None = None
        self.second: Tensor | None = None
        self.shift: Tensor | None = None

    def over(self, chunks: Iterable[Tensor]) -> RowNumbers:
        """The numbers of all chunks."""
        for draws in chunks:
            self.add(draws)
        return self._numbers()

    def add(self, draws: Tensor) -> None:
        """Take in a chunk."""
        self.n += len(draws)
        if self.shift is None:  # the same first sample in every chunking
            self.shift = torch.where(torch.isfinite(draws[0]), draws[0], torch.zeros_like(draws[0]))
        centred = draws - self.shift
        first, second = centred.sum(0), centred.square().sum(0)
        self.first = first if self.first is None else self.first + first
        self.second = second if self.second is None else self.second + second

    def _numbers(self) -> RowNumbers:
        assert self.first is not None
        assert self.second is not None
        assert self.shift is not None
        mean = self.first / self.n
        variance = (self.second / self.n - mean.square()).clamp_min(0) / (self.n - 1) if self.n > 1 else mean * nan
        none = torch.full_like(mean, nan)
        lost = ~torch.isfinite(mean)
        return RowNumbers(self.shift + mean, variance.sqrt().masked_fill(lost, inf), none, none)


def _of_few(ess: Tensor) -> Tensor:
    """The 99.5 % quantile of Student's t over the normal's.

    >>> _of_few(torch.tensor([3.0, 1e6])).tolist()
    [3.853..., 1.000...]
    """
    from scipy.special import ndtri, stdtrit

    quantile = stdtrit((ess - 1).clamp_min(2.0).cpu().numpy(), 0.995) / ndtri(0.995)
    return torch.as_tensor(quantile).to(ess)


def exact_numbers(value: Tensor) -> RowNumbers:
    """Of a value that nothing was drawn for."""
    none = torch.full_like(value, nan)
    return RowNumbers(value, torch.zeros_like(value), none, none)


def pooled_error(error: Tensor, weight: Tensor | None, same: Tensor | None = None) -> float:
    """Monte Carlo error of the weighted mean of rows with these errors; `same` as of `Estimate`."""
    share = torch.ones_like(error) if weight is None else weight.to(error)
    return sqrt(pooled_square(share * error, same)) / float(share.sum())
