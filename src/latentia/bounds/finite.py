"""Every value of a finite latent, where there are few enough to be summed over."""

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent

from ..errors import AbilityError

MOST = 4096  # values of z that a sum goes over


def every_value(q: Distribution) -> Tensor:
    """All values of one z, `(values, *latent)`; of a group of coins or categories all combinations.

    Raises: `AbilityError` where q is not finite, or has too many values.

    >>> every_value(Independent(Bernoulli(logits=torch.zeros(5, 2)), 1)).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    base = q.base_dist if isinstance(q, Independent) else q
    if not isinstance(base, Bernoulli | Categorical):
        raise AbilityError(
            f"gradient='enumeration' sums over a finite z and q is {type(base).__name__}. Use posterior='categorical' or "
            "'bernoulli', or another gradient."
        )
    coins = isinstance(base, Bernoulli)
    n_values = 2 if coins else base.logits.shape[-1]
    shape = base.batch_shape[1:] if isinstance(q, Independent) else torch.Size()
    cells = shape.numel()
    if n_values**cells > MOST:
        raise AbilityError(
            f"gradient='enumeration' would sum over {n_values}^{cells} values of z; {MOST} is the most. Use "
            "gradient='leave-one-out' with n_samples=2."
        )
    one = torch.arange(n_values, device=base.logits.device)
    one = one.to(base.logits.dtype) if coins else one
    grid = torch.cartesian_prod(*[one] * cells).reshape(-1, *shape)
    return grid
