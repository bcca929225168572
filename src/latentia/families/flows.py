"""Normalising flows as families, by zuko (the extra `flows`)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from ..distributions import FlowDistribution
from ..errors import AbilityError, ParameterError
from .base import RowFamily, bounded

CONTEXT_BOUND = 100.0


def _zuko() -> Any:
    """zuko, whose import switches off validation for the whole process: it is switched back."""
    before = Distribution._validate_args
    try:
        import zuko
    except ImportError:
        raise AbilityError(
            "Flows need the package zuko, which is not installed. Use pip install 'latentia[flows]'."
        ) from None
    finally:
        Distribution.set_default_validate_args(before)
    return zuko


class Flow(RowFamily):
    """Noise pushed through a learnt invertible map, whose parameters belong to the family; raw output is its context.

    Arguments:
        event_shape: `(size,)`, at least two.
        n_context: raw numbers that condition the map; 0 for a flow that stands by itself, as a prior does.
        n_transforms: maps in a chain.
        hidden: sizes of the hidden layers in each map's network.

    Source: Papamakarios et al., "Normalizing flows for probabilistic modeling and inference", JMLR 2021.
    """

    least_size = 2
    bounded_above = False
    options: dict[str, Any] = {}
    maker: str

    def __init__(
        self, event_shape: Sequence[int], n_context: int = 0, n_transforms: int = 3, hidden: Sequence[int] = (64, 64)
    ) -> None:
        super().__init__(event_shape)
        if n_context < 0 or n_transforms < 1:
            raise ParameterError(
                f"n_context={n_context} with n_transforms={n_transforms} cannot be used. Use n_context of at least 0 and "
                "n_transforms of at least 1."
            )
        self.n_context = int(n_context)
        make = getattr(_zuko().flows, self.maker)
        self.flow = make(
            features=self.size,
            context=self.n_context,
            transforms=n_transforms,
            hidden_features=tuple(hidden),
            **self.options,
        )

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return (self.n_context,)

    def forward(self, raw: Tensor) -> FlowDistribution:
        self._check_raw(raw)
        context = bounded(raw, CONTEXT_BOUND) if self.n_context else None
        transform = self.flow.transform(context)
        zero = torch.zeros(self.size, dtype=raw.dtype, device=raw.device)
        base = Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)
        return FlowDistribution(transform, base, raw.shape[:-1], self.name)


class AutoregressiveFlow(Flow):
    """Affine maps in which a cell depends on those before it; quick densities, draws in `size` passes.

    Source: Papamakarios, Pavlakou, Murray, "Masked autoregressive flow for density estimation", NeurIPS 2017.

    >>> AutoregressiveFlow((3,), n_context=2)(torch.zeros(5, 2)).rsample().shape
    torch.Size([5, 3])
    """

    name = "autoregressive-flow"
    maker = "MAF"


class CouplingFlow(Flow):
    """Affine maps of one half of the cells that depend on the other half; densities and draws alike in one pass.

    Source: Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", ICLR 2017.

    >>> CouplingFlow((4,), n_context=2)(torch.zeros(5, 2)).log_prob(torch.zeros(5, 4)).shape
    torch.Size([5])
    """

    name = "coupling-flow"
    maker = "NICE"


class SplineFlow(Flow):
    """Autoregressive maps by monotone rational-quadratic splines on [-5, 5], the identity beyond.

    Source: Durkan et al., "Neural spline flows", NeurIPS 2019.

    >>> SplineFlow((2,))(torch.zeros(5, 0)).log_prob(torch.zeros(5, 2)).shape
    torch.Size([5])
    """

    name = "spline-flow"
    maker = "NSF"
