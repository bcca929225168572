"""Scaling: the map between the user's units and the model's, as a part of the model."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from .distributions import ContinuousBernoulli, Discretised, Rescaled


class Scaling(nn.Module):
    """user = loc + scale x model; whatever density the model has is a density of the user's units.

    log p_user(x) = log p_model((x - loc) / scale) - sum log scale; for integers, with `levels`, the mass of the
    interval of width one around each level, which needs no Jacobian.

    Arguments:
        loc, scale: numbers or `(cells,)`, user's units; scale > 0.
        levels: the first and last integer level, where the data are integers; else None.
        text: the same in words, for reports.

    >>> scaling = Scaling(torch.tensor(1.0), torch.tensor(2.0))
    >>> scaling.to_model(torch.tensor([5.0]))
    tensor([2.])
    """

    loc: Tensor
    scale: Tensor

    def __init__(
        self,
        loc: Any = 0.0,
        scale: Any = 1.0,
        *,
        levels: tuple[float, float] | None = None,
        text: str = "none",
    ) -> None:
        super().__init__()
        self.register_buffer("loc", torch.as_tensor(loc, dtype=torch.float64).clone())
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float64).clone())
        self.levels, self.text = levels, text
        self.identity = bool((self.loc == 0).all() and (self.scale == 1).all())

    def _apply(self, fn: Any, recurse: bool = True) -> "Scaling":
        """Follow the module to another device, but stay in float64: a rounded unit is another unit."""
        loc, scale = self.loc, self.scale
        super()._apply(fn, recurse)
        if self.loc.device.type != "mps":
            self.loc, self.scale = loc.to(self.loc.device), scale.to(self.loc.device)
        return self

    def to_model(self, x: Tensor) -> Tensor:
        """From the user's units to the model's."""
        if self.identity:
            return x
        return (x - self.loc.to(x.dtype)) / self.scale.to(x.dtype)

    def to_user(self, x: Tensor) -> Tensor:
        """From the model's units to the user's."""
        return x if self.identity else self.loc.to(x.dtype) + self.scale.to(x.dtype) * x

    def log_jacobian(self, n_cells: int) -> Tensor:
        """sum of log(model units per user unit) over the cells: what a density gains on its way to the user."""
        return -torch.log(self.scale).expand(n_cells).sum()

    def wrap(self, base: Distribution) -> Distribution:
        """The likelihood in the user's units, from the one in the model's units."""
        if self.identity and self.levels is None:
            return base
        loc, scale = self.loc.to(_dtype(base)), self.scale.to(_dtype(base))
        if self.levels is None:
            return Rescaled(base, loc, scale)
        low, high = self.levels
        closed = isinstance(base, ContinuousBernoulli)
        return Discretised(base, loc, scale, low=low, high=high, closed=closed)


def _dtype(base: Distribution) -> torch.dtype:
    for name in ("loc", "logits", "mean"):
        value = getattr(base, name, None)
        if isinstance(value, Tensor) and value.is_floating_point():
            return value.dtype
    return torch.get_default_dtype()
