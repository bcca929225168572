"""How heavy the tail of importance weights is: the number that says whether their mean and its error mean anything."""

from math import floor, sqrt

import torch
from torch import Tensor

HEAVY = 0.7  # above it the mean of the weights is not to be trusted at any practical number of samples
LEAST = 5  # weights in the tail
CAUTION = 0.5  # standard errors: without it, some 12 in 1,000 rows of linear-Gaussian models were beyond 3 errors
EVEN = 0.01


def tail_size(n_samples: int) -> int:
    """M = min(n / 5, 3 sqrt(n)) largest weights, of which the tail is made.

    >>> tail_size(1000)
    94
    """
    return int(min(n_samples / 5, 3 * sqrt(n_samples)))


class Tail:
    """The largest log-weights of each row, met chunk by chunk, and the Pareto index that fits them.

    Arguments:
        n_samples: of all chunks together.

    >>> _ = torch.manual_seed(0)
    >>> tail = Tail(10_000)
    >>> tail.add(0.5 * torch.distributions.Exponential(1.0).sample((10_000, 1)).double())  # w = exp(e / 2): k = 1/2
    >>> 0.3 < float(tail.index()) < 0.7
    True
    """

    def __init__(self, n_samples: int) -> None:
        self.n_samples, self.size = n_samples, tail_size(n_samples)
        self.largest: Tensor | None = None
        self.waiting: list[Tensor] = []  # chunks: to sort them together takes as long as one of them
        self.n_waiting = 0

    def add(self, log_weight: Tensor) -> None:
        """Take in log-weights `(samples, batch)`."""
        if self.size < LEAST:
            return
        self.waiting.append(log_weight)
        self.n_waiting += len(log_weight)
        if self.n_waiting > 2 * self.size:
            self._sort()

    def _sort(self) -> None:
        if self.waiting:
            every = torch.cat(self.waiting if self.largest is None else [self.largest, *self.waiting])
            self.largest = every.topk(min(self.size + 1, len(every)), dim=0).values
            self.waiting, self.n_waiting = [], 0

    def index(self) -> Tensor | None:
        """k of each row, `(batch,)`: the weights have moments of order below 1/k; None of fewer than 25 samples.

        Above 1/2 the variance of the weights is infinite, from 0.7 on their mean cannot be believed. Where the tail
        has no spread at all, k is 0.
        """
        self._sort()
        if self.largest is None or len(self.largest) <= self.size:
            return None
        weight = torch.exp(self.largest - self.largest[0])
        excess = (weight[:-1] - weight[-1]).flip(0)  # over the threshold, ascending
        return pareto_index(excess)

    def cautious(self, index: Tensor, square: Tensor) -> Tensor:
        """An index of these, one standard error up, and half a one more where the weights are uneven: a tail that was hardly met looks light.

        Arguments:
            index: k, `(batch,)`.
            square: variance of the weights in units of their mean's square, `(batch,)`; of even weights there is little to miss.
        """
        up = 1 + CAUTION * square / (square + EVEN)
        return index + up * index_error(index, torch.full_like(index, self.n_samples))


def index_error(index: Tensor, n_samples: Tensor) -> Tensor:
    """Standard error of an index, (1 + k) / sqrt(M): that of the maximum likelihood estimate from M values.

    >>> index_error(torch.zeros(1), torch.tensor([125.0]))
    tensor([0.2000])
    """
    size = torch.minimum(n_samples / 5, 3 * n_samples.double().sqrt()).floor().to(index)
    return (1 + index).clamp_min(0) / size.sqrt()


def pareto_index(x: Tensor) -> Tensor:
    """k of the generalised Pareto distribution of each column, shrunk towards 1/2 by ten observations' worth.

    Arguments:
        x: values over the threshold, ascending, `(values, columns)`, float64.

    Sources: Zhang and Stephens, "A new and efficient estimation method for the generalized Pareto distribution", 2009;
    Vehtari, Simpson, Gelman, Yao, Gabry, "Pareto smoothed importance sampling", 2024, appendix C.

    >>> pareto_index(torch.linspace(0, 1, 50, dtype=torch.float64)[1:, None]).item() < 0  # bounded: uniform, k = -1
    True
    """
    n = len(x)
    largest, quartile = x[-1], x[floor(n / 4 + 0.5) - 1]
    flat = ~(quartile > 0) | ~torch.isfinite(largest)
    largest, quartile = largest.masked_fill(flat, 1.0), quartile.masked_fill(flat, 1.0)
    thetas, scores = [], []
    for theta in _candidates(n, largest, quartile):
        k = torch.log1p(-theta * x).mean(0)
        thetas.append(theta)
        scores.append(n * (torch.log(-theta / k) - k - 1))
    share = torch.softmax(torch.stack(scores).nan_to_num(-torch.inf), 0)
    theta = (share * torch.stack(thetas)).sum(0)
    k = torch.log1p(-theta * x).mean(0)
    return ((n * k + 5) / (n + 10)).masked_fill(flat, 0.0)


def _candidates(n: int, largest: Tensor, quartile: Tensor) -> list[Tensor]:
    m = 30 + floor(sqrt(n))
    return [1 / largest + (1 - sqrt(m / (j - 0.5))) / (3 * quartile) for j in range(1, m + 1)]
