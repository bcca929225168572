"""Activations by name."""

from torch import nn

from ..errors import choose


class LeakyReLU(nn.LeakyReLU):
    """x above zero, 0.2 x below: the slope that critics are given."""

    def __init__(self) -> None:
        super().__init__(0.2)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": LeakyReLU,
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
