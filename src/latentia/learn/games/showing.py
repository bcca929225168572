"""Samples from the same z at some epochs, to be looked at: how a generator came to what it is."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...bounds.evaluate import evaluating
from ...randomness import Stream
from .players import samples

SHOWN = 64


def is_shown(epoch: int, before: int | None) -> bool:
    """Whether a power of two was reached since the epoch that was looked at before, if one was.

    >>> is_shown(0, None), is_shown(3, 2), is_shown(5, 3)
    (True, False, True)
    """
    return before is None or epoch.bit_length() > before.bit_length()


@torch.no_grad()
def shown(model: Any) -> Tensor:
    """Means of p(x|z) for the same z at every call, `(64, *event)`; the run's random stream is left alone."""
    with Stream(0, next(model.parameters()).device), evaluating(model):
        return samples(model, SHOWN, "means")


def shown_of(tensors: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """Those among a state's tensors, by epoch."""
    return {int(name.removeprefix("shown.")): x for name, x in tensors.items() if name.startswith("shown.")}
