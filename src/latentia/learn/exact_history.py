"""Exact log p(x) beside the bound, for models that know it: whether a learner climbs what it is meant to climb."""

from typing import Any

import torch
from torch import Tensor

from ..abilities import HasLogProb
from ..batch import Batches, TensorBatches
from ..bounds.evaluate import evaluating
from ..processes import processes_of, whole_of
from ..randomness import Stream

CELLS = 2**24  # of the data, for which a pass at the end of every epoch costs a fraction of a second


def exact_log_prob(model: Any, batches: Batches, seed: int) -> float | None:
    """Weighted mean of log p(x) over the rows that are learnt from, nats; the model as it is now.

    None where the model does not know it, the rows are not in memory, or are too many for a pass at every epoch. The
    position in the data and the random stream stay where they are.

    Arguments:
        model: p.
        batches: the rows; of a share each process works on its part, and all come to the same number.
        seed: of the noise of a transform, the same at every epoch.

    >>> from latentia.models import ProbabilisticPCA
    >>> rows = TensorBatches(torch.zeros(2, 3), dtype=torch.float64)
    >>> exact_log_prob(ProbabilisticPCA(3, 1), rows, 0) < 0
    True
    """
    whole = whole_of(batches)
    if not isinstance(model, HasLogProb) or not isinstance(whole, TensorBatches) or whole.x.numel() > CELLS:
        return None
    if not getattr(model, "is_density", True):
        return None
    total = weight = torch.zeros((), dtype=torch.float64, device=batches.device)
    module: Any = model
    with evaluating(module), Stream(seed, batches.device):
        for batch in batches.in_order():
            total = total + batch.weighted_sum(_log_prob(model, batch).double())
            weight = weight + batch.total_weight().double()
    total, weight = processes_of(batches).all_sum(total, weight)
    return float(total / weight)


def _log_prob(model: Any, batch: Any) -> Tensor:
    return model.log_prob(batch.x, batch.observed)
