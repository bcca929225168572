"""From terms per row to the scalar that a learner descends."""

from dataclasses import dataclass
from math import exp

import torch
from torch import Tensor

from ..batch import Batch
from ..bounds import Bound, Terms
from ..errors import AbilityError, ParameterError, choose

ANNEALINGS = ("linear", "sigmoid", "cyclical")


@dataclass(frozen=True)
class Objective:
    """loss = -sum_i weight_i (surrogate_i + kl_i - w price) / (batch size x mean weight), w the KL weight at the step.

    The price is kl_i itself; with `free_bits` l it is sum_g max(l, mean KL of group g over the batch), so that the first l
    nats of each group cost nothing more; with `target_rate` R it is |mean KL - R|. Whatever is not the bound itself is
    a training objective: reports always carry the true bound beside it.

    Arguments:
        kl_weight: w after the warm-up (the beta of beta-VAE); 1 gives the bound itself.
        warm_up: steps (not epochs: those never end on large data) in which w rises from 0.
        annealing: how it rises: "linear"; "sigmoid", by a logistic curve about the middle; "cyclical", in `cycles` equal
            parts, each rising linearly over its first half and staying there over its second.
        cycles: of the cyclical annealing.
        free_bits: l, nats for each group of latent units.
        group: units in a group, neighbours; 1 is every unit by itself, 0 all of them together.
        target_rate: R, nats per row; None where the KL has no target.

    Sources: Bowman et al., "Generating sentences from a continuous space", 2016, section 3.1 (annealing); Fu et al.,
    "Cyclical annealing schedule", 2019; Higgins et al., "beta-VAE", 2017, equation 4; Kingma et al., "Improved variational
    inference with inverse autoregressive flow", 2016, appendix C.8 (free bits); Burgess et al., "Understanding
    disentangling in beta-VAE", 2018, equation 8 (target rate).

    >>> Objective(kl_weight=2.0, warm_up=4).weight_at(2)
    1.0
    >>> [Objective(warm_up=8, annealing="cyclical", cycles=2).weight_at(step) for step in (0, 1, 2, 3, 4, 5)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]
    """

    kl_weight: float = 1.0
    warm_up: int = 0
    annealing: str = "linear"
    cycles: int = 4
    free_bits: float = 0.0
    group: int = 1
    target_rate: float | None = None

    def __post_init__(self) -> None:
        choose("annealing", self.annealing, ANNEALINGS)
        for name in ("kl_weight", "free_bits", "target_rate"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ParameterError(f"{name}={value} cannot be used. Use a number of at least 0.")
        for name, least in (("warm_up", 0), ("cycles", 1), ("group", 0)):
            if getattr(self, name) < least:
                raise ParameterError(
                    f"{name}={getattr(self, name)} cannot be used. Use a whole number, at least {least}."
                )
        if self.free_bits and self.target_rate is not None:
            raise ParameterError(
                f"free_bits={self.free_bits} and target_rate={self.target_rate} both say what the KL costs. Use one of them."
            )

    @property
    def is_bound(self) -> bool:
        """Whether the objective is the bound itself, from the first step on."""
        return self.kl_weight == 1 and self.warm_up == 0 and not self.is_priced

    @property
    def is_priced(self) -> bool:
        """Whether the mean KL of a batch is priced, and not each row's KL by itself."""
        return self.free_bits > 0 or self.target_rate is not None

    def check(self, bound: Bound) -> None:
        """Raise `AbilityError` where the bound has no KL to weight."""
        if not self.is_bound and "kl" not in bound.names:
            raise AbilityError(
                f"A KL weight needs a bound with a KL part; {type(bound).__name__} has none, and weighting a part of it "
                "would leave no bound at all. Use bounds.Elbo, or kl_weight=1 without warm-up."
            )

    def refuse_shares(self, many: bool) -> None:
        """Raise `AbilityError` where several processes hold a batch whose mean KL is priced."""
        if many and self.is_priced:
            raise AbilityError(
                "Free bits and target rates are of a batch's mean KL, and several processes hold parts of the batch. Use one "
                "process, or a kl_weight."
            )

    def weight_at(self, step: int) -> float:
        """The KL weight at a step, counted from 0."""
        if step >= self.warm_up:
            return self.kl_weight
        done = step / self.warm_up
        if self.annealing == "sigmoid":
            return self.kl_weight / (1 + exp(12 * (0.5 - done)))
        if self.annealing == "cyclical":
            done = min(1.0, 2 * (done * self.cycles % 1))
        return self.kl_weight * done

    def __call__(self, terms: Terms, batch: Batch, kl_weight: Tensor, mean_weight: float) -> Tensor:
        """The loss, 0-dimensional; `kl_weight` is `weight_at` the step, as a tensor on the device."""
        value = terms.surrogate
        if self.is_priced:
            value = value + terms.parts["kl"] - kl_weight * self._price(terms, batch)
        elif not self.is_bound:
            value = value + (1 - kl_weight) * terms.parts["kl"]
        return -batch.weighted_sum(value) / (batch.n_together * mean_weight)

    def _price(self, terms: Terms, batch: Batch) -> Tensor:
        """What the batch's KL costs, nats per row, 0-dimensional."""
        if self.target_rate is not None:
            return (_mean(terms.parts["kl"], batch) - self.target_rate).abs()
        if self.group == 0:
            return _mean(terms.parts["kl"], batch).clamp_min(self.free_bits)
        if terms.units is None:
            raise AbilityError(
                "Free bits of single units need a bound that knows the KL of each unit. Use bounds.Elbo."
            )
        units = _mean(terms.units(), batch)  # (units,)
        groups = torch.stack([part.sum() for part in units.split(self.group)])
        return groups.clamp_min(self.free_bits).sum()

    def status(self, step: int) -> str:
        """A sentence for the fit's status where the objective is not the bound at the last step; else empty."""
        if step < self.warm_up:
            return (
                f"The KL warm-up had not finished: its weight was {self.weight_at(step):.3g} of {self.kl_weight:g} after "
                f"{step} of {self.warm_up} steps."
            )
        if self.target_rate is not None:
            return f"The KL was drawn to {self.target_rate:g} nats with weight {self.kl_weight:g}, which is no bound."
        if self.free_bits:
            whose = "All units together" if self.group == 0 else f"Each {_group(self.group)}"
            weight = "" if self.kl_weight == 1 else f" and the KL was weighted by {self.kl_weight:g}"
            return f"{whose} had {self.free_bits:g} nats free{weight}, which is no bound."
        return "" if self.kl_weight == 1 else f"The KL was weighted by {self.kl_weight:g}, which is no bound."


def _group(size: int) -> str:
    return "unit" if size == 1 else f"group of {size} units"


def _mean(kl: Tensor, batch: Batch) -> Tensor:
    """Weighted mean over the rows, `(...)` from `(batch, ...)`."""
    if batch.weight is None:
        return kl.mean(0)
    weight = batch.weight.reshape(-1, *[1] * (kl.ndim - 1))
    return (weight * kl).sum(0) / batch.weight.sum().clamp_min(torch.finfo(kl.dtype).tiny)
