"""Outputs whose spread over the batch is fixed."""

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm


class NormalisedMean(nn.Module):
    """The first n outputs of a network, batch-normalised with a fixed scale and a learnt shift; the others as they are.

    As the means of a normal posterior under a standard normal prior they keep KL >= n scale^2 / 2 nats per row, averaged
    over a batch of learning: E[mean^2] / 2 alone is as much. At evaluation the running mean and variance are used, as ever.

    Arguments:
        network: maps rows to at least n numbers.
        n: how many are normalised.
        scale: standard deviation over the batch, above 0; 0.5 to 0.7 in the paper.

    Source: Zhu et al., "A batch normalized inference network keeps the KL vanishing away", 2020, equation 6.

    >>> network = NormalisedMean(nn.Linear(3, 4), 2, 0.6)
    >>> network(torch.randn(100, 3))[:, :2].std(0, correction=0).round(decimals=3)
    tensor([0.6000, 0.6000], grad_fn=...)
    """

    def __init__(self, network: nn.Module, n: int, scale: float) -> None:
        super().__init__()
        self.network, self.n, self.scale = network, n, float(scale)
        self.norm = nn.BatchNorm1d(n, affine=False)
        self.shift = nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        raw = self.network(x)
        mean, rest = raw[:, : self.n], raw[:, self.n :]
        norm = self.norm
        here = self.training and len(raw) > 1  # the spread of a single row is no spread
        mean = batch_norm(mean, norm.running_mean, norm.running_var, None, None, here, norm.momentum or 0.1, norm.eps)
        return torch.cat([self.scale * mean + self.shift, rest], 1)
