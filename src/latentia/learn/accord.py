"""What several processes must agree on while they learn: when to stop, when to write, whose batch went wrong."""

import time
from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ..processes import Processes

EVERY = 0.25  # seconds between two rounds of questions


class Accord:
    """Wishes of all processes, asked for by the count of steps, so that all ask at the same one.

    Alone, every wish is granted at once. Among several a round costs about a tenth of a millisecond, so it is held
    about four times a second; the next one's step is agreed on in the one before.

    Arguments:
        processes: who is asked.

    >>> Accord(Processes()).round(0.0, 15.0)
    [0.0, 15.0]
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.left, self.interval, self.asked = 1, 1, time.perf_counter()

    def round(self, *wishes: float) -> Sequence[float]:
        """The largest of each wish over the processes; zeros between two rounds. To be called once a step."""
        if not self.processes.many:
            return list(wishes)
        self.left -= 1
        if self.left > 0:
            return [0.0] * len(wishes)
        now = time.perf_counter()
        pace = (now - self.asked) / self.interval
        *granted, shortest = self.processes.all_max([*wishes, -max(1.0, min(EVERY / max(pace, 1e-9), 1e6))])
        self.left = self.interval = int(-shortest)
        self.asked = now
        return granted


def draws_by_itself(*modules: nn.Module) -> bool:
    """Whether a module draws noise of its own while learning, which cannot be a part of the whole batch's noise.

    >>> draws_by_itself(nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.1)))
    True
    """
    return any(isinstance(part, _DropoutNd) and part.p > 0 for module in modules for part in module.modules())


def share_batch_norms(processes: Processes, *modules: nn.Module) -> None:
    """Running means and variances differ between processes, which see different rows: all take the first one's."""
    if processes.many:
        processes.copy_first_(*(p for module in modules for p in module.modules() if isinstance(p, _BatchNorm)))
