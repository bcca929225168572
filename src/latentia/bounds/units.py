"""KL(q || p) unit by unit."""

from torch import Tensor
from torch.distributions import Distribution, Independent

from ..distributions import kl
from ..errors import AbilityError


def unit_kl(q: Distribution, p: Distribution) -> Tensor:
    """KL(q(z_u|x) || p(z_u)) of each latent unit, nats, `(batch, units)`; their sum is the KL of the row.

    Arguments:
        q, p: of independent units, `Independent`, whose pair has a closed form.

    Raises: `AbilityError` where the units are tied together or the pair has no closed form.

    >>> import torch
    >>> from torch.distributions import Normal
    >>> unit = torch.ones(2)
    >>> q, p = Independent(Normal(torch.tensor([[0.0, 2.0]]), unit), 1), Independent(Normal(0 * unit, unit), 1)
    >>> unit_kl(q, p)
    tensor([[0., 2.]])
    """
    if isinstance(q, Independent) and isinstance(p, Independent):
        try:
            each = kl(q.base_dist, p.base_dist)
        except NotImplementedError:
            pass
        else:
            return each.flatten(1)
    raise AbilityError(
        f"The KL of {type(q).__name__} and {type(p).__name__} has no closed form unit by unit. Use group=0 (free bits of all "
        "units together), or a posterior and a prior of independent units such as the normals."
    )
