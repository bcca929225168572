"""The bound of a row by the raw numbers of its own q: by a sum, along the draws, or by the score function."""

from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..batch import Batch
from ..conditional import Conditional
from ..distributions import draw, kl
from ..distributions.finite import count_values, every_value
from ..errors import AbilityError
from ..families.table import known_row

MOST = 256  # values of z that are summed over; of more, draws are cheaper
CELLS = 2**21  # of x and z, for all values of z of some rows


def row_elbo(
    conditional: Conditional, batch: Batch, model: Any, raw: Tensor, n_samples: int, *, hold: bool = True
) -> Tensor:
    """What has the gradient of E_q[log p(x, z) - log q(z)] of each row by its raw numbers, `(batch,)`.

    Of a z of at most 256 values the exact sum. Where draws carry no gradient, the score function with the mean of the
    other draws as a baseline, whose value means nothing.

    Arguments:
        conditional: makes q of the raw numbers, `(batch, family.n_outputs)`.
        hold: whether log q is held and its gradient goes through the draws alone; else the KL is in closed form where
            there is one.

    Sources: Roeder, Wu and Duvenaud, "Sticking the landing", 2017; Kool, van Hoof and Welling, "Buy 4 REINFORCE
    samples, get a baseline for free!", 2019.
    """
    q = conditional.distribution(raw)
    if is_summed(q):
        return _summed(q, batch, model)
    if not q.has_rsample:
        return _scored(q, batch, model, n_samples)
    z = draw(q, n_samples)
    if hold:
        held = conditional.distribution(raw.detach())
        return (model.log_joint(batch.x, z, batch.observed) - held.log_prob(z)).mean(0)
    log_lik = model.log_likelihood(batch.x, z, batch.observed).mean(0)
    try:
        return log_lik - kl(q, model.prior())
    except NotImplementedError:
        return log_lik - (q.log_prob(z) - model.prior().log_prob(z)).mean(0)


def is_summed(q: Distribution) -> bool:
    """Whether the bound under q is a sum over all values of z."""
    return not q.has_rsample and count_values(q) <= MOST


def rows_at_once(q: Distribution, batch: Batch) -> int:
    """Of how many rows all values of z fit into memory together."""
    if not is_summed(q):
        return max(1, len(batch))
    cells = max(batch.x[:1].numel(), q.batch_shape[1:].numel() * q.event_shape.numel())
    return max(1, CELLS // (int(count_values(q)) * max(1, cells)))


def check_moved(conditional: Conditional, n_samples: int, option: str) -> None:
    """Raise `AbilityError` where q of a row cannot be moved by its raw numbers; `option` is a learner's name of the samples."""
    family = conditional.family
    if not family.n_outputs:
        raise AbilityError(
            f"A {family.name} has its shape in weights of its own, the same for all rows, and no raw numbers that could be "
            "moved row by row. Use a normal family."
        )
    if n_samples < 2 and _is_scored(conditional):
        raise AbilityError(
            f"Draws of a {family.name} carry no gradient, and its parameters are moved by the difference between draws, of which "
            f"{n_samples} came. Use n_samples=2 or more (as an option of a learner {option}=2)."
        )


def check_through(conditional: Conditional) -> None:
    """Raise `AbilityError` where a gradient cannot go through the steps: draws by their cdf, or by the score function."""
    name, row = conditional.family.name, known_row(conditional.family)
    if _is_scored(conditional):
        raise AbilityError(
            f"Draws of the {name} family carry no gradient, so that none goes through the steps of a refinement. Use through=False and "
            "n_samples=2 or more (as options of a learner through=False and step_samples=2, on the command line --learner-options "
            "through=false,step_samples=2), or a normal posterior."
        )
    if row is not None and "implicit" in row.gradients and row.name != "von-mises-fisher":
        raise AbilityError(
            f"Draws of the {name} family cannot be differentiated twice, as a gradient through the steps of a refinement needs. "
            "Use through=False (on the command line --learner-options through=false), or a normal or lognormal posterior."
        )


def _is_scored(conditional: Conditional) -> bool:
    if not conditional.family.n_outputs:
        return False
    like = next(chain(conditional.family.parameters(), conditional.family.buffers()), torch.zeros(()))
    q = conditional.distribution(torch.zeros(1, conditional.family.n_outputs, device=like.device))
    return not (q.has_rsample or is_summed(q))


def _summed(q: Distribution, batch: Batch, model: Any) -> Tensor:
    every = every_value(q).unsqueeze(1)  # (values, 1, *latent)
    log_q = q.log_prob(every)
    return (log_q.exp() * (model.log_joint(batch.x, every, batch.observed) - log_q)).sum(0)


def _scored(q: Distribution, batch: Batch, model: Any, n_samples: int) -> Tensor:
    z = draw(q, n_samples)
    log_q = q.log_prob(z)
    gain = (model.log_joint(batch.x, z, batch.observed) - log_q).detach()
    credit = (gain - gain.mean(0)) * (n_samples / (n_samples - 1))  # each draw's, less the mean of the others'
    return (credit * log_q).mean(0)
