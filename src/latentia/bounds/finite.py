"""What may be summed over."""

from torch.distributions import Distribution

from ..distributions.finite import count_values
from ..errors import AbilityError

MOST = 4096  # values of z that a sum goes over


def check_values(q: Distribution) -> None:
    """Raise `AbilityError` where z is not finite, or has too many values to be summed over."""
    count = count_values(q)
    if count == float("inf"):
        base = getattr(q, "base_dist", q)
        raise AbilityError(
            f"gradient='enumeration' sums over a finite z and q is {type(base).__name__}. Use posterior='categorical' or "
            "'bernoulli', or another gradient."
        )
    if count > MOST:
        raise AbilityError(
            f"gradient='enumeration' would sum over more than {MOST} values of z, which is the most. Use "
            "gradient='leave-one-out' with n_samples=2."
        )
