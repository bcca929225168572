"""Wake-sleep: the model learns from the recognition network's guesses, and that from the model's dreams."""

from typing import Any

from torch import nn

from ..bounds import Elbo, WakeSleepGoals
from ..errors import AbilityError
from .amortized import AmortizedVI
from .around import Around, require_dreams, require_own_parameters


class WakeSleep(Around):
    """Wake: p up E_q[log p(x, z)], q held. Sleep: q up E_p[log q(z|x)] on rows that the model dreams, p held.

    No gradient goes through a draw, so that any z will do, bits and categories too. The two moves do not climb one
    number: sleep makes KL(p(z|x) || q(z|x)) smaller, on dreams, where the ELBO's gap is the other KL, on data. The ELBO
    is what is reported.

    Arguments:
        posterior: q(z|x) with parameters of its own, usually `posteriors.Amortized`.
        n_samples: draws of z per row while awake.
        optimizer, learning_rate, schedule, gradient_clip, execution: see `AmortizedVI`.

    Raises: `AbilityError` for an objective that prices the KL; in `check`, where q has no parameters of its own, or rows
    cannot be drawn from the model.

    Source: Hinton, Dayan, Frey and Neal, "The wake-sleep algorithm for unsupervised neural networks", 1995.

    >>> from latentia.posteriors import Exact
    >>> WakeSleep(Exact()).name
    'wake-sleep'
    """

    name = "wake-sleep"

    def __init__(self, posterior: nn.Module, *, n_samples: int = 1, **options: Any) -> None:
        super().__init__(AmortizedVI(posterior, bound=WakeSleepGoals(n_samples), **options), Elbo(n_samples))
        if not self.objective.is_bound:
            raise AbilityError(
                f"WakeSleep has goals of its own, in which no price of the KL has a place, and {self.objective} came. Use "
                "AmortizedVI, SemiAmortizedVI, Aggressive or SVI, or leave the objective out."
            )

    def check(self, model: Any) -> None:
        super().check(model)
        require_own_parameters(self.posterior, "WakeSleep")
        require_dreams(model, "WakeSleep")
