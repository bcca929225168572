"""Semi-amortised variational inference: the encoder proposes, a few steps per row refine."""

from typing import Any

from torch import nn

from ..conditional import Conditional
from ..errors import AbilityError
from ..posteriors import SemiAmortized
from .amortized import AmortizedVI
from .around import Around


class SemiAmortizedVI(Around):
    """Tighten: the encoder's proposal, moved K steps up the ELBO of its own row. Improve: one gradient step through both.

    Arguments:
        posterior: `posteriors.SemiAmortized`; or an encoder's posterior (`posteriors.Amortized`, a Conditional), to be
            refined as the next arguments say.
        n_steps, step_rate, step_samples, max_norm, through: K, the rate of the steps, draws per step, the longest gradient of
            a step, and whether gradients flow through the steps; see `posteriors.SemiAmortized`.
        options: bound, objective, optimizer, learning_rate, schedule, gradient_clip, execution: see `AmortizedVI`.

    Raises: `AbilityError` for a posterior without an encoder.

    Source: Kim et al., "Semi-amortized variational autoencoders", 2018.

    >>> from latentia.families import Normal
    >>> encoder = Conditional(nn.Linear(3, 4), Normal((2,)), (3,), joint=True)
    >>> SemiAmortizedVI(encoder, n_steps=5).posterior.n_steps
    5
    """

    name = "semi-amortized"

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
            steps: dict[str, Any] = {"learning_rate": step_rate, "n_samples": step_samples, "max_norm": max_norm}
            posterior = SemiAmortized(encoder, n_steps=n_steps, through=through, **steps)
        super().__init__(AmortizedVI(posterior, **options))
