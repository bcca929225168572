"""From terms per row to the scalar that a learner descends."""

from dataclasses import dataclass

from torch import Tensor

from ..batch import Batch
from ..bounds import Bound, Terms
from ..errors import AbilityError, ParameterError


@dataclass(frozen=True)
class Objective:
    """loss = -sum_i weight_i (surrogate_i + (1 - w) kl_i) / (batch size x mean weight), w the KL weight.

    A weighted KL is a training objective and no bound: reports always carry the true bound beside it.

    Arguments:
        kl_weight: w after the warm-up (the beta of beta-VAE); 1 gives the bound itself.
        warm_up: steps (not epochs: those never end on large data) in which w rises linearly from 0.

    Source: Bowman et al., "Generating sentences from a continuous space", 2016, section 3.1 (annealing);
    Higgins et al., "beta-VAE", 2017, equation 4.

    >>> Objective(kl_weight=2.0, warm_up=4).weight_at(2)
    1.0
    """

    kl_weight: float = 1.0
    warm_up: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.kl_weight < float("inf"):
            raise ParameterError(f"kl_weight={self.kl_weight} cannot be used. Use a number of at least 0.")
        if self.warm_up < 0:
            raise ParameterError(f"warm_up={self.warm_up} cannot be used. Use a number of steps, at least 0.")

    @property
    def is_bound(self) -> bool:
        """Whether the objective is the bound itself, from the first step on."""
        return self.kl_weight == 1 and self.warm_up == 0

    def check(self, bound: Bound) -> None:
        """Raise `AbilityError` where the bound has no KL to weight."""
        if not self.is_bound and "kl" not in bound.names:
            raise AbilityError(
                f"A KL weight needs a bound with a KL part; {type(bound).__name__} has none, and weighting a part of it "
                "would leave no bound at all. Use bounds.Elbo, or kl_weight=1 without warm-up."
            )

    def weight_at(self, step: int) -> float:
        """The KL weight at a step, counted from 0."""
        return self.kl_weight if step >= self.warm_up else self.kl_weight * step / self.warm_up

    def __call__(self, terms: Terms, batch: Batch, kl_weight: Tensor, mean_weight: float) -> Tensor:
        """The loss, 0-dimensional; `kl_weight` is `weight_at` the step, as a tensor on the device."""
        value = terms.surrogate if self.is_bound else terms.surrogate + (1 - kl_weight) * terms.parts["kl"]
        return -batch.weighted_sum(value) / (batch.n_together * mean_weight)

    def status(self, step: int) -> str:
        """A sentence for the fit's status where the objective is not the bound at the last step; else empty."""
        if step < self.warm_up:
            return (
                f"The KL warm-up had not finished: its weight was {self.weight_at(step):.3g} of {self.kl_weight:g} after "
                f"{step} of {self.warm_up} steps."
            )
        return "" if self.kl_weight == 1 else f"The KL was weighted by {self.kl_weight:g}, which is no bound."
