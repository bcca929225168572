"""Priors: Conditionals of nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent

from .. import distributions
from ..errors import ParameterError


class StandardNormal(nn.Module):
    """p(z) = N(0, I).

    Arguments:
        shape: of one z, or the number of its units.

    >>> StandardNormal(2)().log_prob(torch.zeros(2)).item()
    -1.837877...
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, shape: int | Sequence[int]) -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if any(size < 1 for size in self.shape):
            raise ParameterError(f"n_latent={shape} is too small. At least one latent unit is needed.")
        self.register_buffer("loc", torch.zeros(self.shape), persistent=False)
        self.register_buffer("scale", torch.ones(self.shape), persistent=False)

    def forward(self) -> Distribution:
        base = distributions.StandardNormal(self.loc, self.scale, validate_args=False)
        return Independent(base, len(self.shape), validate_args=False)


class CategoricalPrior(nn.Module):
    """p(z = k) = softmax(logits)[k], learnt or fixed at 1 / n_components.

    Arguments:
        n_components: number of values of z.
        learnt: whether the logits are parameters.

    >>> CategoricalPrior(4)().probs
    tensor([0.2500, 0.2500, 0.2500, 0.2500], grad_fn=...)
    """

    logits: Tensor

    def __init__(self, n_components: int, *, learnt: bool = True) -> None:
        super().__init__()
        if n_components < 1:
            raise ParameterError(f"n_components={n_components} is too small. At least one is needed.")
        self.shape = ()
        logits = torch.zeros(n_components)
        if learnt:
            self.logits = nn.Parameter(logits)
        else:
            self.register_buffer("logits", logits)

    def forward(self) -> Categorical:
        return Categorical(logits=self.logits, validate_args=False)
