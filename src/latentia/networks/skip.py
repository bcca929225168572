"""A perceptron that shows its input to every layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ParameterError
from .activations import activation as make_activation


class SkipMLP(nn.Module):
    """y = W_n [h_{n-1}, x] + b_n, h_i = activation(W_i [h_{i-1}, x] + b_i), h_0 = x: x enters every layer.

    As a decoder it keeps a short way from z to each layer, so that z is harder to ignore.

    Arguments:
        n_in, n_out: sizes of input and output.
        hidden: sizes of the hidden layers; empty for a linear map.
        activation: name of the activation.

    Source: Dieng, Kim, Rush and Blei, "Avoiding latent variable collapse with generative skip models", 2019, section 3.

    >>> SkipMLP(4, 2, hidden=(8, 8))(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(self, n_in: int, n_out: int, hidden: Sequence[int] = (256, 256), activation: str = "relu") -> None:
        super().__init__()
        sizes = [n_in, *hidden, n_out]
        if any(int(size) < 1 for size in sizes):
            raise ParameterError(f"A layer needs at least one unit; the sizes are {sizes}.")
        self.activation = make_activation(activation)
        before = [n_in, *(size + n_in for size in hidden)]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(before, sizes[1:]))

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for i, layer in enumerate(self.layers):
            h = layer(torch.cat([self.activation(h), x], -1) if i else h)
        return h
