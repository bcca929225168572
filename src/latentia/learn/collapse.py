"""Whether a fit's latents came to carry nothing, in plain words, with what is most likely to help for this model."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..batch import Batch, Batches
from ..bounds.evaluate import evaluating
from ..distributions import draw, kl
from ..posteriors import Absent, BestPoint, Exact, MeanField, Point
from ..processes import whole_of
from ..randomness import Stream, row_noise
from .cures import cures_for, cures_in_words, explains_itself

if TYPE_CHECKING:
    from .loop import Loop

__all__ = ["collapse_status", "collapse_words", "cures_for", "cures_in_words", "explains_itself", "has_own_q"]

COLLAPSED = 0.1  # nats per row
ROWS, ROWS_THAT_MOVE = 500, 100  # that are looked at; fewer where each row's q takes steps of its own
DRAWS = 16  # of z for each, where the KL has no closed form


def has_own_q(posterior: nn.Module) -> bool:
    """Whether q is something else than what p says it is, and a distribution: only then can it fall back to the prior.

    >>> has_own_q(Exact())
    False
    """
    return not isinstance(posterior, Exact | MeanField | Point | BestPoint | Absent)


def collapse_words(model: nn.Module, learner: Any, kl: float, steps: int) -> str:
    """Sentences about a KL that is next to nothing, with the two cures most likely to help; else empty.

    Arguments:
        model, learner: of the fit.
        kl: mean KL(q(z|x) || p(z)), nats per row.
        steps: that the fit took.
    """
    if not kl < COLLAPSED:
        return ""
    says = f"Posterior collapse: the KL is {max(kl, 0.0):.2g} nats per row, so that z says next to nothing about x."
    natural = "Where the cells of x have nothing in common, it is as it should be."
    return " ".join(filter(None, (says, cures_in_words(model, learner, steps), natural)))


def collapse_status(loop: "Loop") -> str:
    """What a fit that ended says of the KL of the weights that it kept; empty where q has nothing of its own."""
    learner = loop.learner
    if not learner.has_bound or not has_own_q(loop.posterior) or not {"kl", "log_weight"} & set(learner.bound.names):
        return ""
    found, objective = kept_kl(loop), getattr(learner, "objective", None)
    words = collapse_words(loop.model, learner, found, loop.state.step)
    if objective is None or objective.target_rate is None:
        return words
    return f"The weights that were kept have a KL of {max(found, 0.0):.2g} nats per row. {words}".strip()


def kept_kl(loop: "Loop") -> float:
    """KL of the weights that were kept, nats per row: of the held-out rows then, or measured once, for what an epoch averaged
    while it learnt may be long past."""
    step = loop.state.step if loop.best is None else loop.stopping.best_step
    splits = ("validation", "train") if getattr(loop.posterior, "moves_rows", False) else ("validation",)
    known = {row["split"]: row["kl"] for row in loop.history if row["step"] == step and "kl" in row}
    for split in splits:
        if split in known:
            return known[split]
    rows = loop.batches if loop.validation is None else loop.validation
    with loop.stream.outside(), Stream(loop.seed, rows.device):
        return measured_kl(loop.model, loop.posterior, rows, loop.seed)


def measured_kl(model: nn.Module, posterior: nn.Module, batches: Batches, seed: int) -> float:
    """Weighted mean KL(q(z|x) || p(z)) over some hundred of the rows, nats; the position in them is left where it is.

    >>> from latentia.batch import TensorBatches
    >>> from latentia.models import ProbabilisticPCA
    >>> rows = TensorBatches(torch.zeros(9, 3), dtype=torch.float64)
    >>> measured_kl(ProbabilisticPCA(3, 1), Exact(), rows, 0) > 0
    True
    """
    most = ROWS_THAT_MOVE if getattr(posterior, "moves_rows", False) else ROWS
    total = torch.zeros(2, dtype=torch.float64, device=batches.device)
    with evaluating(model, posterior):
        for batch in _some(whole_of(batches), most):
            with row_noise(batch.x, seed):
                found = _divergence(posterior(batch, model), model.prior())  # type: ignore[operator]
            total += torch.stack([batch.weighted_sum(found.double()), batch.total_weight().double()])
    return float(total[0] / total[1])


def _some(batches: Batches, most: int) -> Iterator[Batch]:
    """Rows as an epoch begins to deal them out, which is no order of the data's own."""
    position, left = batches.position, min(most, batches.n_rows)
    batches.seek({**position, "row": 0})
    while left > 0:
        batch = next(batches)
        yield batch.pick(slice(0, left))
        left -= len(batch)
    batches.seek(position)


def _divergence(q: Distribution, p: Distribution) -> Tensor:
    try:
        return kl(q, p)
    except NotImplementedError:
        z = draw(q, DRAWS)
        return (q.log_prob(z) - p.log_prob(z)).mean(0)
