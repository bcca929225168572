"""What every bound returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from ..batch import Batch


@dataclass(frozen=True, slots=True)
class Terms:
    """A bound on log p(x) of each row, and what it is made of.

    Arguments:
        value: the bound, nats per row, higher is better, constants kept, never averaged, `(batch,)`.
        surrogate: what is differentiated, `(batch,)`; often the value itself.
        parts: named parts, `(batch,)` each; for an ELBO, value = reconstruction - kl. The gradient of an ELBO's kl is by
            the same kind of estimator as the surrogate's, so that an objective may weigh it.
        draws: for each sample the number whose mean (ELBO) or log-mean-exp (importance) is the value,
            `(samples, batch)`; None where the value is exact.
        shared: the part of global latents, counted once for the data set; None where there are none.
        units: gives the KL of each latent unit, `(batch, units)`, when it is called; None where nobody knows it.
    """

    value: Tensor
    surrogate: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    draws: Tensor | None = None
    shared: Tensor | None = None
    units: Callable[[], Tensor] | None = None


class Bound(Protocol):
    """A small frozen object, called as `bound(model, posterior, batch)`, with its auxiliaries as a fourth where it has some."""

    names: ClassVar[tuple[str, ...]]  # of the parts

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms: ...


def enumerable(q: Distribution) -> bool:
    """Whether the expectation under q is a short sum."""
    return isinstance(q, Categorical)


def auxiliaries_of(bound: Any, model: Any) -> nn.Module | None:
    """A new module of what the bound's gradient learns beside p and q; None where nothing is learnt."""
    make = getattr(bound, "auxiliaries", None)
    return None if make is None else make(model)
