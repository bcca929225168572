"""How many samples each row gets, so that the mean has an error and the samples together are few."""

from math import log

import torch
from torch import Tensor

LEAST = 100  # samples of a row
STEP = 1.25  # from one number of samples to the next: rows of the same number are drawn for together
VAGUE = 200  # below, the tail index is so vague that it widens the error
HALVINGS = 60  # of an interval of 100 powers of ten


def allotted(spread: Tensor, square: float, most: int, least: int = 0) -> Tensor:
    """Whole numbers of samples `(rows,)` with sum_i spread_i^2 f(k_i) / k_i <= square and the least sum, `most` at most.

    Without f this is k_i proportional to spread_i. f(k) = 1 + (200 / k)^4 is what the reported squared error exceeds
    spread^2 / k by on average where the tail is as light as a normal's, as measured: it vanishes from 400 samples on.
    For a price of error, each row takes the number that is cheapest for it, and the price is found by halving.

    Arguments:
        spread: of each row, its share of the mean counted.
        square: of the wanted error; of the sum.
        most, least: samples together; `least` gives way to `most`, and that to one sample of each row.

    Source: Neyman, "On the two different aspects of the representative method", 1934, section 5.

    >>> allotted(torch.tensor([1.0, 10.0], dtype=torch.float64), 0.011, 100_000)
    tensor([  931, 10842])
    """
    grid = _grid(most)
    squared = _squared(grid)
    gain = (squared[:-1] - squared[1:]) / (
        grid[1:] - grid[:-1]
    ).double()  # falling: each step buys less than the one before

    def bought(log_price: float) -> Tensor:
        worth = gain.log().flip(0).contiguous()  # ascending
        position = torch.searchsorted(worth, -2 * spread.clamp_min(1e-150).log() - log_price)
        return len(worth) - position

    low, high = -230.0, 690.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        taken = bought(middle)
        together = int(grid[taken].sum())
        dear = together <= most and (together < least or float((spread.square() * squared[taken]).sum()) > square)
        low, high = (middle, high) if dear else (low, middle)
    size = grid[bought(high)]
    if int(size.sum()) > most:
        size = grid[bought(low)]
    return size if int(size.sum()) <= most else torch.full_like(size, max(1, most // len(size)))


def _grid(most: int) -> Tensor:
    steps = 1 + max(1, int(log(max(most, LEAST) / LEAST) / log(STEP)))
    return torch.round(LEAST * STEP ** torch.arange(steps + 1, dtype=torch.float64)).long()


def _squared(size: Tensor) -> Tensor:
    """Expected squared error of a row of spread one."""
    size = size.double()
    return (1 + (VAGUE / size) ** 4) / size
