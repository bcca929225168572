"""Reweighted wake-sleep: the guesses are weighted by how well they explain the row."""

from typing import Any

from torch import nn

from ..bounds import ImportanceWeighted, ReweightedGoals
from .amortized import AmortizedVI
from .around import Around, require_dreams, require_own_parameters


class ReweightedWakeSleep(Around):
    """p up sum_i v_i log p(x, z_i), q up sum_i v_i log q(z_i|x); k draws of q, weighted by p(x, z) / q(z|x).

    p climbs the importance-weighted bound of k samples. q comes nearer to the exact posterior in KL(p(z|x) || q(z|x)),
    on the rows themselves. No gradient goes through a draw, so that any z will do. As k grows the weights become those of
    exact EM.

    Arguments:
        posterior: q(z|x) with parameters of its own, usually `posteriors.Amortized`.
        n_samples: k, draws of z per row.
        fit: what q is fitted to: "wake" (the weighted draws), "sleep" (the model's dreams) or "both".
        optimizer, learning_rate, schedule, gradient_clip, execution: see `AmortizedVI`.

    Raises: `AbilityError`, in `check`, where q has no parameters of its own, or dreams are asked of a model without draws.

    Source: Bornschein and Bengio, "Reweighted wake-sleep", 2015.

    >>> from latentia.posteriors import Exact
    >>> ReweightedWakeSleep(Exact(), n_samples=5).bound.n_samples
    5
    """

    name = "reweighted-wake-sleep"

    def __init__(self, posterior: nn.Module, *, n_samples: int = 10, fit: str = "wake", **options: Any) -> None:
        inner = AmortizedVI(posterior, bound=ReweightedGoals(n_samples, fit), **options)
        super().__init__(inner, ImportanceWeighted(n_samples))
        self.fit = fit

    def check(self, model: Any) -> None:
        super().check(model)
        require_own_parameters(self.posterior, "ReweightedWakeSleep")
        if self.fit != "wake":
            require_dreams(model, "ReweightedWakeSleep")
