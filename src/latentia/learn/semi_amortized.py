"""Semi-amortised variational inference: the encoder proposes, a few steps per row refine."""

from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution

from ..batch import Batch, Batches
from ..bounds import Elbo, Terms
from ..bounds.units import unit_kl
from ..conditional import Conditional
from ..errors import AbilityError, ParameterError
from ..posteriors import SemiAmortized
from ..posteriors.row_bound import is_summed
from .amortized import AmortizedVI
from .around import Around
from .base import State


class SemiAmortizedVI(Around):
    """Tighten: the encoder's proposal, moved K steps up the objective of its own row. Improve: one gradient step through both.

    While it learns the steps climb what is learnt, with the KL's weight and price at that step; where the objective is the
    bound itself, and wherever q is used later, they climb the ELBO.

    Arguments:
        posterior: `posteriors.SemiAmortized`; or an encoder's posterior (`posteriors.Amortized`, a Conditional), to be
            refined as the next arguments say.
        n_steps, step_rate, step_samples, max_norm, through: K, the rate of the steps, draws per step, the longest gradient of
            a step, and whether gradients flow through the steps; see `posteriors.SemiAmortized`.
        options: bound, objective, optimizer, learning_rate, schedule, gradient_clip, execution: see `AmortizedVI`.

    Raises: `AbilityError` for a posterior without an encoder; `ParameterError` for settings that cannot be used.

    Source: Kim et al., "Semi-amortized variational autoencoders", 2018.

    >>> from latentia.families import Normal
    >>> encoder = Conditional(nn.Linear(3, 4), Normal((2,)), (3,), joint=True)
    >>> SemiAmortizedVI(encoder, n_steps=5).posterior.n_steps
    5
    """

    name = "semi-amortized"
    posterior: SemiAmortized

    def __init__(
        self,
        posterior: nn.Module,
        *,
        n_steps: int = 10,
        step_rate: float = 0.1,
        step_samples: int = 1,
        max_norm: float = 5.0,
        through: bool = True,
        **options: Any,
    ) -> None:
        if not isinstance(posterior, SemiAmortized):
            encoder = posterior if isinstance(posterior, Conditional) else getattr(posterior, "encoder", None)
            if not isinstance(encoder, Conditional):
                raise AbilityError(
                    f"SemiAmortizedVI refines an encoder's proposal, and {type(posterior).__name__} has no encoder. Use "
                    "posteriors.Amortized, or SVI, which needs none."
                )
            if step_samples < 1 or not step_rate > 0:  # by the names that the user wrote
                raise ParameterError(
                    f"step_samples={step_samples}, step_rate={step_rate} cannot be used. Use at least one sample and a positive "
                    "rate."
                )
            steps: dict[str, Any] = {"learning_rate": step_rate, "n_samples": step_samples, "max_norm": max_norm}
            posterior = SemiAmortized(encoder, n_steps=n_steps, through=through, **steps)
        super().__init__(AmortizedVI(posterior, **options))

    def init(self, model: Any, batches: Batches) -> State:
        state = super().init(model, batches)
        gradient = state.handles["gradient"]
        plain = gradient.evaluate

        def evaluate(batch: Batch, kl_weight: Tensor) -> tuple[Terms, Tensor]:
            with self.posterior.climbing(lambda q, rows, p: self._goal(q, rows, p, kl_weight)):
                return plain(batch, kl_weight)

        if not self.objective.is_bound:
            gradient.evaluate = evaluate
        return state

    def _goal(self, q: Distribution, batch: Batch, model: Any, kl_weight: Tensor) -> Tensor:
        """Sum over the rows, each times its weight, of the objective under q."""
        gradient = "enumeration" if is_summed(q) else "auto" if q.has_rsample else "leave-one-out"
        terms = Elbo(self.posterior.n_samples, gradient=gradient)(model, lambda *_: q, batch)
        terms = replace(terms, units=partial(unit_kl, q, model.prior()))  # a sum over all values does not say them
        return -self.objective(terms, batch, kl_weight, 1.0) * batch.n_together
