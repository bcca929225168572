"""A decoder made of the encoder's own weights, transposed."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .activations import activation as make_activation


class Bias(nn.Module):
    """x + b, b learnt.

    >>> Bias(3)(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class Transposed(nn.Module):
    """The layers of an encoder backwards, with the same weights and biases of their own: h_{i-1} = activation(W_i^T h_i + c_i).

    Arguments:
        layers: the encoder's, first to last; they are held, not copied.
        activation: name of the activation.
        ends: whether the last output, that of the first layer, is left as it is.

    >>> from latentia.networks import MLP
    >>> encoder = MLP(5, 2, hidden=(4,))
    >>> decoder = Transposed(linears(encoder), "relu")
    >>> decoder(encoder(torch.zeros(3, 5))).shape
    torch.Size([3, 5])
    """

    def __init__(self, layers: Sequence[nn.Linear], activation: str = "relu", ends: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.activation, self.ends = make_activation(activation), ends
        self.biases = nn.ModuleList(Bias(layer.in_features) for layer in reversed(layers))

    def forward(self, z: Tensor) -> Tensor:
        for i, (layer, bias) in enumerate(zip(reversed(self.layers), self.biases)):
            z = bias(linear(z, layer.weight.T))  # type: ignore[union-attr,arg-type]
            if i + 1 < len(self.layers) or not self.ends:
                z = self.activation(z)
        return z


def linears(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network, first to last.

    >>> from latentia.networks import MLP
    >>> [layer.out_features for layer in linears(MLP(5, 2, hidden=(4,)))]
    [4, 2]
    """
    return [part for part in network.modules() if isinstance(part, nn.Linear)]
