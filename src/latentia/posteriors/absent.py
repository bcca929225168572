"""No posterior: what a model that is learnt by a game alone has."""

from typing import Any, NoReturn

from ..batch import Batch
from ..errors import AbilityError
from .base import Posterior


class Absent(Posterior):
    """No q(z|x); whatever asks for one is refused.

    Raises: `AbilityError` when called.

    >>> list(Absent().parameters())
    []
    """

    def forward(self, batch: Batch, model: Any) -> NoReturn:
        raise AbilityError(
            "This model was learnt by a game, without a q(z|x), so that there is no z for a row. Learn it with a posterior "
            "(learn.Adversarial(..., posterior=, bound=)), or use a VAE."
        )
