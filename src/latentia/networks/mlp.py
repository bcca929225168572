"""The multi-layer perceptron."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..errors import ParameterError
from .activations import activation as make_activation


class MLP(nn.Module):
    """y = W_n h_{n-1} + b_n, h_i = activation(W_i h_{i-1} + b_i).

    Arguments:
        n_in, n_out: sizes of input and output.
        hidden: sizes of the hidden layers; empty for a linear map.
        activation: name of the activation.

    >>> MLP(4, 2, hidden=(8,))(__import__("torch").zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(self, n_in: int, n_out: int, hidden: Sequence[int] = (256, 256), activation: str = "relu") -> None:
        super().__init__()
        sizes = [n_in, *hidden, n_out]
        if any(int(size) < 1 for size in sizes):
            raise ParameterError(f"A layer needs at least one unit; the sizes are {sizes}.")
        layers: list[nn.Module] = []
        for before, after in zip(sizes[:-2], sizes[1:-1]):
            layers += [nn.Linear(before, after), make_activation(activation)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
