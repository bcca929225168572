"""What a discrete q has not drawn: weights that are all alike may be so because the others never came."""

from typing import Any, final

import torch
from torch import Tensor

STATES = 256  # of each row that are told apart; the rest counts as not drawn, of which `MOST` is the most that matters
MOST = 3.0  # over n: a state of more mass than that escapes n draws once in twenty times, or more rarely


@final
class Unseen:
    """Mass of q on states that no draw has met: U = 1 - sum of q(z|x) over the distinct z drawn.

    Those states may weigh nothing, or several times as much as the others; the relative error that they hide is taken to be
    min(U, 3/n) / (1 + r), with r the number of states drawn whose mass is at most U: their like, which the spread of the weights
    speaks for. It is a floor under the error of the draws, which is none at all where one state was drawn n times.

    Arguments:
        n_samples: n, of all chunks together.

    >>> unseen = Unseen(1000)
    >>> unseen.add(torch.tensor([[0.999], [0.999], [0.0005]], dtype=torch.float64).log())
    >>> round(unseen.error().item(), 6)
    0.00025
    """

    def __init__(self, n_samples: int) -> None:
        self.n_samples = n_samples
        self.states: Tensor | None = None

    def add(self, log_q: Tensor) -> None:
        """Take in log q(z|x) of draws, `(samples, batch)`; states of equal mass are taken for one."""
        every = log_q.double() if self.states is None else torch.cat([self.states, log_q.double()])
        every = every.sort(dim=0, descending=True).values
        again = torch.zeros_like(every, dtype=torch.bool)
        again[1:] = every[1:] == every[:-1]
        every = every.masked_fill(again, -torch.inf)
        self.states = every.topk(min(STATES, len(every)), dim=0).values

    def error(self) -> Tensor:
        """Relative error of the mean weight, `(batch,)`."""
        assert self.states is not None
        seen = self.states.exp()
        mass = 1 - seen.sum(0)
        alike = ((seen > 0) & (seen <= mass)).sum(0)
        return mass.clamp(1e-12, MOST / self.n_samples).masked_fill(mass < 1e-12, 0.0) / (1 + alike)


def is_discrete(q: Any) -> bool:
    """Whether q(z|x) is of states that can be counted; of a q that does not say, no."""
    try:
        return bool(q.support.is_discrete)
    except (AttributeError, NotImplementedError):
        return False
