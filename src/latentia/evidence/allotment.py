"""How many samples each row gets, so that the mean has an error and the samples together are few."""

from math import log

import torch
from torch import Tensor

LEAST = 100  # samples of a row
STEP = 1.25  # from one number of samples to the next: rows of the same number are drawn for together
VAGUE = 300  # samples, and
FEW = 60  # effective samples: below, the tail index is so vague that it widens the error
HALVINGS = 40  # of an interval of 400 powers of ten


def allotted(spread: Tensor, share: Tensor, square: float, most: int, least: int = 0) -> Tensor:
    """Whole numbers of samples `(rows,)` with sum_i share_i^2 spread_i^2 f_i(k_i) / k_i <= square and the least sum.

    Without f this is k_i proportional to share_i spread_i. f_i(k) = 1 + (v_i / k)^4, v_i the greater of 300 and of
    60 effective samples' worth 60 (1 + spread_i^2), is about what the reported squared error exceeds spread_i^2 / k by where
    the tail is as light as a normal's, as measured: it is gone at 2 v_i. For a price of error each row takes the number
    that is cheapest for it, and the price is found by halving.

    Arguments:
        spread: standard deviation of each row's relative weights.
        share: of each row in the sum.
        square: of the wanted error; of the sum.
        most, least: samples together; `least` gives way to `most`, and that to one sample of each row.

    Source: Neyman, "On the two different aspects of the representative method", 1934, section 5.

    >>> allotted(torch.tensor([1.0, 10.0], dtype=torch.float64), torch.ones(2), 0.001, 10**6)
    tensor([ 10842, 126218])
    """
    vague = torch.maximum(torch.full_like(spread, VAGUE), FEW * (1 + spread.square()))
    shift = torch.round(_steps(vague)).long()  # v_i is so many steps above the least
    top, weight = int(_steps(torch.tensor(float(max(most, LEAST))))) + 1, (share.to(spread) * spread).square()
    bottom = int(shift.max())
    gain = _gain(torch.arange(-bottom, top, dtype=torch.float64)).flip(0).contiguous()  # ascending
    worth = weight.clamp_min(1e-300).log() - 2 * log(STEP) * shift - 2 * log(LEAST)
    sizes = torch.round(LEAST * STEP ** torch.arange(top + 1, dtype=torch.float64)).long()

    def bought(log_price: float) -> Tensor:
        steps = len(gain) - torch.searchsorted(gain, -worth - log_price)
        return sizes[(steps - bottom + shift).clamp(0, top)]

    low, high = -230.0, 690.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        size = bought(middle)
        short = int(size.sum()) < least or float((weight * _squared(size / vague) / vague).sum()) > square
        low, high = (middle, high) if short and int(size.sum()) <= most else (low, middle)
    size = next((size for size in (bought(high), bought(low)) if int(size.sum()) <= most), None)
    return size if size is not None else torch.full_like(shift, max(1, most // len(shift)))


def _steps(size: Tensor) -> Tensor:
    return torch.log(size / LEAST) / log(STEP)


def _squared(size: Tensor) -> Tensor:
    """v times the expected squared error of a row of spread one, from so many times v samples."""
    return (1 + size**-4) / size


def _gain(steps: Tensor) -> Tensor:
    """log of what a further step buys per sample, v = 1: falling, each step buys less than the one before."""
    here, there = STEP**steps, STEP ** (steps + 1)
    return torch.log((_squared(here) - _squared(there)) / (there - here))
