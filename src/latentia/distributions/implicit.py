"""x = G(z) and nothing else: a value that can be drawn, and has no density."""

from typing import NoReturn

from torch import Tensor

from ..errors import AbilityError
from .point import PointMass


class Implicit(PointMass):
    """x = G(z) with certainty, cell by cell: draws are the value itself, with its gradient.

    Arguments:
        value: any shape.

    Raises: `AbilityError` where a density is asked for.

    >>> Implicit(torch.tensor([1.0, 2.0])).rsample()
    tensor([1., 2.])
    """

    def __init__(self, value: Tensor) -> None:
        super().__init__(value, event_dims=0)

    def log_prob(self, value: Tensor) -> NoReturn:
        raise AbilityError(NO_DENSITY)


NO_DENSITY = (
    "x = G(z) is a function of z: its samples fill no volume, so that p(x) is no density and log p(x) cannot be evaluated. "
    "Add noise of a stated scale to x (models.with_noise) and use evidence='annealed'."
)
