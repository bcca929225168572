"""A q for each row, of the encoder's own family, whatever family that is."""

from typing import Any

from torch import Tensor
from torch.distributions import Distribution

from ..batch import Batch
from .amortized import Amortized, as_read
from .base import Posterior
from .local import Local


class RefinedFamily(Posterior):
    """q(z|x) = family(raw), raw started at the encoder's and moved up the ELBO of its own row by Adam, p held.

    What the encoder could have said at best. `Refined` does the same for a normal q in its own units, which takes fewer steps.

    Arguments:
        start: whose encoder says where the steps begin.
        n_steps, learning_rate, n_samples, seed: as of `Local`.

    Raises: `AbilityError`, in `check`, for a family without raw numbers, such as a flow.

    Source: Cremer, Li, Duvenaud, "Inference suboptimality in variational autoencoders", 2018, section 3.

    >>> import torch
    >>> from latentia.conditional import Conditional
    >>> from latentia.families import Laplace
    >>> from latentia.models import ProbabilisticPCA
    >>> q = Amortized(Conditional(torch.nn.Linear(3, 4), Laplace((2,)), (3,), joint=True)).double()
    >>> rows = Batch(torch.zeros(5, 3, dtype=torch.float64), torch.arange(5))
    >>> RefinedFamily(q, n_steps=5)(rows, ProbabilisticPCA(3, 2)).batch_shape
    torch.Size([5])
    """

    moves_rows = True

    def __init__(
        self,
        start: Amortized,
        *,
        n_steps: int = 300,
        learning_rate: float = 0.05,
        n_samples: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.start = start
        options: dict[str, Any] = {"n_steps": n_steps, "learning_rate": learning_rate}
        self.steps = Local(start.encoder.family, n_samples=n_samples, seed=seed, **options)

    def check(self) -> None:
        """Raise `AbilityError` where the family cannot be moved row by row."""
        self.steps.check()

    def forward(self, batch: Batch, model: Any) -> Distribution:
        raw: Tensor = self.start.encoder.raw(as_read(batch, model))
        return self.start.encoder.distribution(self.steps.infer(batch, model, raw))
