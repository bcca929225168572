"""Grey levels turned into coin flips, stated as such."""

import torch
from torch import Tensor

from .errors import choose
from .randomness import RowNoise


class Binarise:
    """x -> 0 or 1: "stochastic" flips a coin with the grey level as its probability, "threshold" cuts at a half.

    Arguments:
        how: "stochastic" or "threshold".
        low, high: the grey levels that become 0 and 1, user's units.

    >>> Binarise("threshold", high=255.0)(torch.tensor([[10.0, 200.0]]))
    tensor([[0., 1.]])
    """

    def __init__(self, how: str, low: float = 0.0, high: float = 1.0) -> None:
        self.how = choose("binarize", how, ("stochastic", "threshold"))
        self.low, self.high = low, high

    def __call__(self, x: Tensor, seed: int | None = None) -> Tensor:
        """Binary rows; with a seed the flips belong to the seed and the row's content."""
        p = ((x - self.low) / (self.high - self.low)).clamp(0, 1)
        if self.how == "threshold":
            return (p >= 0.5).to(x.dtype)
        u = torch.rand_like(p) if seed is None else RowNoise(x, seed).uniform(1, p.shape[1:])[0]
        return (u < p).to(x.dtype)
