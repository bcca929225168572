"""Whether a fit's latents came to carry nothing, in plain words, with what is most likely to help for this model."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

from ..families import Normal

COLLAPSED = 0.1  # nats per row
FEW_STEPS = 200  # after which the KL of a q that began at the prior may still be on its way up


class Cure(NamedTuple):
    """One thing to try: the argument, and why here."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} ({self.why})"


def cures_for(model: nn.Module, learner: Any, steps: int) -> list[Cure]:
    """What helps against collapse, the most likely first; what is in use already is left out.

    Arguments:
        model, learner: of the fit.
        steps: that it took.

    Sources: He et al., "Lagging inference networks", 2019; Bowman et al., 2016; Kingma et al., 2016; Lucas et al., "Don't
    blame the ELBO", 2019, for the noise scale.

    >>> from latentia.learn import AmortizedVI, Objective
    >>> from latentia.posteriors import Exact
    >>> print(*cures_for(nn.Identity(), AmortizedVI(Exact(), objective=Objective(kl_weight=4.0)), 2000)[:1])
    kl_weight=1 (it is 4, and a KL that costs more than its due is avoided)
    """
    return list(_cures(model, learner, steps))


def _cures(model: nn.Module, learner: Any, steps: int) -> Iterator[Cure]:
    objective = getattr(learner, "objective", None)
    family = getattr(getattr(model, "conditional", None), "family", None)
    if objective is not None and objective.kl_weight > 1:
        yield Cure("kl_weight=1", f"it is {objective.kl_weight:g}, and a KL that costs more than its due is avoided")
    if steps < FEW_STEPS:
        yield Cure("more epochs", f"there were only {steps} steps, and q begins near the prior")
    if explains_itself(model) and getattr(learner, "name", "") != "aggressive":
        yield Cure(
            "learner='aggressive'", "the likelihood explains each cell by the cells before it, so the encoder lags"
        )
    if isinstance(family, Normal) and family.scale in ("one", "per-feature"):
        yield Cure("noise=0.1, or smaller", "a learnt noise that began wide takes over what z should explain")
    if objective is not None and not objective.warm_up:
        yield Cure(f"kl_warm_up={max(round(steps, -2), FEW_STEPS) // 4}", "z is found before its KL has its full price")
    if objective is not None and not objective.is_priced:
        yield Cure("free_bits=0.5", "the first half nat of each unit costs nothing")
    yield Cure("batch_norm_mean=0.6", "the spread of the posterior means is fixed")
    yield Cure("skip=True", "z enters every layer of the decoder")


def explains_itself(model: nn.Module) -> bool:
    """Whether the likelihood is autoregressive, so that it can do without z."""
    return isinstance(getattr(getattr(getattr(model, "conditional", None), "family", None), "network", None), nn.Module)


def collapse_words(model: nn.Module, learner: Any, kl: float, steps: int) -> str:
    """A sentence about a KL that is next to nothing, with the two cures most likely to help; else empty.

    Arguments:
        model, learner: of the fit.
        kl: mean KL(q(z|x) || p(z)), nats per row.
        steps: that the fit took.
    """
    if not kl < COLLAPSED:
        return ""
    first, second = cures_for(model, learner, steps)[:2]
    return (
        f"Posterior collapse: the KL is {max(kl, 0.0):.2g} nats per row, so that z says next to nothing about x. Most likely to "
        f"help here: {first}, or {second}. Where the cells of x have nothing in common, it is as it should be."
    )


def collapse_status(model: nn.Module, learner: Any, history: list[dict[str, Any]], steps: int) -> str:
    """`collapse_words` for the last KL of the history, of held-out rows where there are some; empty without an encoder."""
    learnt = any(p.requires_grad for p in learner.posterior.parameters())
    rows = [row for row in history if "kl" in row and row["split"] in ("train", "validation")]
    if not learnt or not rows or not learner.has_bound:
        return ""
    return collapse_words(model, learner, rows[-1]["kl"], steps)
