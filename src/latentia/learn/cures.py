"""What helps against collapse: only what this model, this q and this learner take, and are not using already."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from ..abilities import HasPosterior
from ..bounds.units import unit_kl
from ..conditional import Conditional
from ..errors import AbilityError
from ..families import Normal, Pixels, gradients_of
from ..models import StandardNormal
from ..networks import NormalisedMean, SkipMLP
from ..networks.skip_decoder import SkipDecoder
from ..posteriors import Borrowed
from ..processes import current
from .goals import has_own_goals, takes_price

FEW_STEPS = 200  # after which the KL of a q that began at the prior may still be on its way up


class Cure(NamedTuple):
    """One thing to try: the argument, and why here."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} ({self.why})"


def cures_for(model: nn.Module, learner: Any, steps: int) -> list[Cure]:
    """What helps against collapse, the most likely first; what is refused here, or in use already, is left out.

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
    q = encoder_of(model, learner.posterior)
    found = [*_first(model, learner, q, steps), *_of_the_price(model, learner, q, steps)]
    found += _of_networks(model, learner.posterior, q)
    names = {cure.what for cure in found}
    return [*found, *(cure for cure in _others(model, learner, q) if cure.what not in names)]


def cures_in_words(model: nn.Module, learner: Any, steps: int) -> str:
    """A sentence of the two cures most likely to help; empty where none is known."""
    found = " or ".join(map(str, cures_for(model, learner, steps)[:2])).replace(") or ", "), or ")
    return f"Most likely to help here: {found}." if found else ""


def explains_itself(model: nn.Module) -> bool:
    """Whether the likelihood is autoregressive, so that it can do without z."""
    return isinstance(getattr(_family_of(model), "network", None), nn.Module)


def encoder_of(model: Any, posterior: Any) -> Conditional | None:
    """What makes q's distribution: the encoder, the one that the model shares, or the free numbers' family; None if unknown."""
    if isinstance(posterior, Borrowed):
        return getattr(model, "shared", None)
    found = getattr(posterior, "encoder", None) or getattr(posterior, "conditional", None)
    return found if isinstance(found, Conditional) else None


def _family_of(model: Any) -> Any:
    return getattr(getattr(model, "conditional", None), "family", None)


def _first(model: nn.Module, learner: Any, q: Conditional | None, steps: int) -> Iterator[Cure]:
    """What is likely to be the cause."""
    family = _family_of(model)
    if takes_price(learner) and learner.objective.kl_weight > 1:
        weight = learner.objective.kl_weight
        yield Cure("kl_weight=1", f"it is {weight:g}, and a KL that costs more than its due is avoided")
    if steps < FEW_STEPS:
        yield Cure("more epochs", f"there were only {steps} steps, and q begins near the prior")
    if explains_itself(model):
        yield from _aggressive(
            model, learner, q, "the likelihood explains each cell by the cells before it, so the encoder lags"
        )
    if isinstance(family, Normal) and family.scale in ("one", "per-feature"):
        yield Cure("noise=0.1, or smaller", "a learnt noise that began wide takes over what z should explain")


def _of_the_price(model: nn.Module, learner: Any, q: Conditional | None, steps: int) -> Iterator[Cure]:
    if not takes_price(learner):
        return
    objective = learner.objective
    if not objective.warm_up:
        yield Cure(f"kl_warm_up={max(round(steps, -2), FEW_STEPS) // 4}", "z is found before its KL has its full price")
    if not objective.is_priced and not current().many:  # a batch's mean KL is in no single process's hands
        yield _free_bits(model, q)


def _free_bits(model: nn.Module, q: Conditional | None) -> Cure:
    if _has_units(model, q):
        return Cure("free_bits=0.5", "the first half nat of each unit costs nothing")
    return Cure("free_bits=0.5, free_bits_group=0", "the first half nat of all units together costs nothing")


def _of_networks(model: Any, posterior: Any, q: Conditional | None) -> Iterator[Cure]:
    if not isinstance(getattr(model, "conditional", None), Conditional) or isinstance(model, HasPosterior):
        return
    moved = getattr(posterior, "moves_rows", False)  # away from the means that a network says
    if q is not None and not moved and _is_standard(model, q) and not isinstance(q.network, NormalisedMean):
        yield Cure("batch_norm_mean=0.6", "the spread of the posterior means is fixed")
    if not isinstance(_family_of(model), Pixels) and not _skips(model):
        yield Cure("skip=True", "z enters every layer of the decoder")


def _others(model: Any, learner: Any, q: Conditional | None) -> Iterator[Cure]:
    """What helps elsewhere, and is next to be tried."""
    if isinstance(model, HasPosterior):
        yield Cure("exact EM", "the model knows its exact posterior, which an encoder can only follow")
        return
    if hasattr(learner, "objective") and not takes_price(learner) and not current().many:
        instead = "learner='amortized'" if has_own_goals(learner) else "bound='elbo'"
        yield Cure(f"{instead}, {_free_bits(model, q).what}", "the KL then has a price, of which a part is free")
    if q is not None and _is_standard(model, q) and q.family.ceiling == float("inf"):
        yield Cure("committed_rate=1", "no row's KL can fall below a nat")
    yield from _aggressive(model, learner, q, "the encoder catches up before each step of the model")


def _aggressive(model: nn.Module, learner: Any, q: Conditional | None, why: str) -> Iterator[Cure]:
    """Where q has parameters of its own, and a gradient through its draws, which needs no baselines."""
    if q is None or isinstance(learner.posterior, Borrowed) or learner.name == "aggressive":
        return
    if hasattr(learner, "objective") and "pathwise" in gradients_of(q.family):
        yield Cure("learner='aggressive'", why)


def _is_standard(model: Any, q: Conditional) -> bool:
    """Whether q is normal and p standard normal, which some guarantees are about."""
    return isinstance(q.family, Normal) and isinstance(getattr(model, "prior_module", None), StandardNormal)


def _skips(model: Any) -> bool:
    """Whether z enters every layer of the decoder as it is: it was asked for, or there is a single layer."""
    network = _family_of(model).network if explains_itself(model) else model.conditional.network
    parts = [*network.modules()]
    asked = any(isinstance(part, SkipMLP | SkipDecoder) or getattr(part, "ways", None) is not None for part in parts)
    return asked or sum(next(part.parameters(recurse=False), None) is not None for part in parts) < 2


@torch.no_grad()
def _has_units(model: Any, q: Conditional | None) -> bool:
    """Whether the KL of single units is known, which free bits of single units need."""
    if q is None:
        return True
    like = next(model.parameters())
    try:
        unit_kl(q.distribution(like.new_zeros(1, q.family.n_outputs)), model.prior())
    except AbilityError:
        return False
    return True
