"""A proposal that keeps a share of its draws for the prior."""

from typing import Any

from torch.distributions import Distribution

from ..batch import Batch
from ..distributions import Either
from ..errors import ParameterError
from .base import Posterior


class Defensive(Posterior):
    """q'(z|x) = (1 - share) q(z|x) + share p(z): no weight p(x, z) / q'(z|x) exceeds p(x|z) / share.

    Where p(x|z) is bounded, so are the weights, and their variance is finite whatever q is.

    Arguments:
        start: q.
        share: of the prior, between 0 and 1.

    Source: Hesterberg, "Weighted average importance sampling and defensive mixture distributions", 1995, section 2.

    >>> import torch
    >>> from latentia.models import ProbabilisticPCA
    >>> from latentia.posteriors import Exact
    >>> rows = Batch(torch.zeros(5, 3, dtype=torch.float64), torch.arange(5))
    >>> Defensive(Exact())(rows, ProbabilisticPCA(3, 2)).log_prob(torch.zeros(7, 5, 2, dtype=torch.float64)).shape
    torch.Size([7, 5])
    """

    def __init__(self, start: Posterior, share: float = 0.1) -> None:
        super().__init__()
        if not 0 < share < 1:
            raise ParameterError(f"share={share} is no share of the draws. Use a number between 0 and 1, such as 0.1.")
        self.start, self.share = start, share

    def forward(self, batch: Batch, model: Any) -> Distribution:
        return Either(self.start(batch, model), model.prior().expand((len(batch),)), self.share)
