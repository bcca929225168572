"""Activations by name."""

from torch import nn

from ..errors import choose

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}


def activation(name: str) -> nn.Module:
    """A new activation module.

    >>> activation("tanh")
    Tanh()
    """
    return ACTIVATIONS[choose("activation", name, tuple(ACTIVATIONS))]()
