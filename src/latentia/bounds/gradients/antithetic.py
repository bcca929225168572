"""Binary latents: two draws that disagree, and what f makes of the difference."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Uniform

from ...distributions import draw
from ...errors import AbilityError, ParameterError
from .base import Drawn, Gradient, LogMean, over_event, over_samples


@dataclass(frozen=True)
class Antithetic(Gradient):
    """Shared by ARM and DisARM: pairs b = 1[u > sigmoid(-l)], b' = 1[u < sigmoid(l)] from one uniform u per unit.

    Each of the two is a fair draw of q, so that samples come in pairs: the first half of z are the b, the second the b'.
    """

    bounds: ClassVar[tuple[str, ...]] = ("elbo",)

    def check(self, n_samples: int) -> None:
        if n_samples % 2:
            raise ParameterError(
                f"gradient={self.name!r} draws in pairs and n_samples={n_samples} is odd. Use n_samples=2 or another even "
                "number."
            )

    def draw(self, q: Distribution, n_samples: int) -> tuple[Tensor, Tensor | None]:
        p = _coins(q, self.name).probs.detach()
        zero = torch.zeros_like(p)
        u = draw(Uniform(zero, zero + 1, validate_args=False), n_samples // 2)
        return torch.cat([(u > 1 - p).to(p.dtype), (u < p).to(p.dtype)]), u

    @abstractmethod
    def slope(self, logits: Tensor, b: Tensor, other: Tensor, u: Tensor) -> Tensor:
        """What f(b) - f(b') is multiplied by for the gradient by each logit."""

    def average(self, drawn: Drawn, values: Tensor) -> Tensor:
        logits = _coins(drawn.q, self.name).logits
        assert drawn.noise is not None
        first, second = values.detach().chunk(2)
        gap = (first - second).reshape(*first.shape, *[1] * (drawn.z.ndim - first.ndim))
        b, other = drawn.z.chunk(2)
        slope = self.slope(logits.detach(), b, other, drawn.noise)
        return over_samples(values) + over_samples(over_event(gap * slope * logits, drawn.q))

    def combine(self, drawn: Drawn, log_weight: Tensor, reduce: LogMean) -> Tensor:
        raise AssertionError("refused by the bound")


@dataclass(frozen=True)
class Arm(Antithetic):
    """(f(b) - f(b')) (u - 1/2) for each logit.

    Source: Yin and Zhou, "ARM: augment-REINFORCE-merge gradient for stochastic binary networks", ICLR 2019, theorem 1.

    >>> Arm().name
    'arm'
    """

    name: ClassVar[str] = "arm"

    def slope(self, logits: Tensor, b: Tensor, other: Tensor, u: Tensor) -> Tensor:
        return u - 0.5


@dataclass(frozen=True)
class Disarm(Antithetic):
    """1/2 (f(b) - f(b')) (b_i - b'_i) sigmoid(|l_i|) for each logit l_i: ARM, with u integrated out.

    Source: Dong, Mnih, Tucker, "DisARM: an antithetic gradient estimator for binary latent variables", NeurIPS 2020,
    equation 6; Yin et al., "Unbiased gradient estimation with binary latents", 2020 (U2G).

    >>> Disarm().name
    'disarm'
    """

    name: ClassVar[str] = "disarm"

    def slope(self, logits: Tensor, b: Tensor, other: Tensor, u: Tensor) -> Tensor:
        return (b - other) * torch.sigmoid(logits.abs()) / 2


def _coins(q: Distribution, name: str) -> Bernoulli:
    base = q.base_dist if isinstance(q, Independent) else q
    if isinstance(base, Bernoulli):
        return base
    raise AbilityError(
        f"gradient={name!r} is for coins and q is {type(base).__name__}. Use posterior='bernoulli', or "
        "gradient='leave-one-out'."
    )
