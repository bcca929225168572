"""A convolutional encoder and decoder that mirror each other."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .activations import activation as make_activation


def _grid(size: int) -> int:
    return -(-size // 4)  # two strides of two


class ConvEncoder(nn.Module):
    """Flat pixels -> two strided convolutions -> a dense layer -> n_out numbers.

    Arguments:
        image_shape: (height, width) or (height, width, channels); pixels come flat in this order.
        n_out: size of the output.
        channels: of the two convolutions.
        n_hidden: units of the dense layer.
        activation: name of the activation.

    >>> ConvEncoder((28, 20), 3)(__import__("torch").zeros(5, 560)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        n_out: int,
        channels: Sequence[int] = (32, 64),
        n_hidden: int = 256,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.height, self.width, self.depth = parts(image_shape)
        first, second = channels
        flat = second * _grid(self.height) * _grid(self.width)
        self.layers = nn.Sequential(
            nn.Conv2d(self.depth, first, 3, stride=2, padding=1),
            make_activation(activation),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            make_activation(activation),
            nn.Flatten(),
            nn.Linear(flat, n_hidden),
            make_activation(activation),
            nn.Linear(n_hidden, n_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        image = x.reshape(-1, self.height, self.width, self.depth).movedim(-1, 1)
        return self.layers(image)


class ConvDecoder(nn.Module):
    """n_in numbers -> a dense layer -> two transposed convolutions -> `n_raw` raw numbers for each flat pixel.

    Arguments:
        n_in: size of the input.
        image_shape: (height, width) or (height, width, channels) of the output.
        n_raw: raw numbers per pixel and channel; the output is `(rows, n_raw x pixels)`.
        channels, n_hidden, activation: as for `ConvEncoder`.
        skip: whether the input enters every layer, as z does in generative skip models: the second dense layer beside the
            first one's output, the convolutions as a number added to each channel.

    >>> ConvDecoder(3, (28, 20), n_raw=2)(__import__("torch").zeros(5, 3)).shape
    torch.Size([5, 1120])
    """

    def __init__(
        self,
        n_in: int,
        image_shape: Sequence[int],
        n_raw: int = 1,
        channels: Sequence[int] = (32, 64),
        n_hidden: int = 256,
        activation: str = "relu",
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.height, self.width, self.depth = parts(image_shape)
        self.n_raw = n_raw
        first, second = channels
        self.grid = (_grid(self.height), _grid(self.width))
        self.dense = nn.Sequential(
            nn.Linear(n_in, n_hidden),
            make_activation(activation),
            nn.Linear(n_hidden, second * self.grid[0] * self.grid[1]),
            make_activation(activation),
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(second, first, 4, stride=2, padding=1),
            make_activation(activation),
            nn.ConvTranspose2d(first, n_raw * self.depth, 4, stride=2, padding=1, bias=False),
        )
        self.ways = None if not skip else self._ways(n_in, n_hidden, (first, n_raw * self.depth))
        self.pixels = PixelBias(n_raw * self.height * self.width * self.depth)

    def _ways(self, n_in: int, n_hidden: int, channels: Sequence[int]) -> nn.ModuleList:
        """The short ways from the input: into the second dense layer, and to the channels of each convolution."""
        second = self.dense[2]
        assert isinstance(second, nn.Linear)
        self.dense[2] = nn.Linear(n_hidden + n_in, second.out_features)
        return nn.ModuleList(nn.Linear(n_in, size, bias=False) for size in channels)

    def _drawn(self, z: Tensor) -> Tensor:
        if self.ways is None:
            return self.up(self.dense(z).reshape(len(z), -1, *self.grid))
        hidden = torch.cat([self.dense[:2](z), z], 1)
        h = self.dense[2:](hidden).reshape(len(z), -1, *self.grid)
        first, act, last = self.up
        h = act(first(h) + self.ways[0](z)[..., None, None])
        return last(h) + self.ways[1](z)[..., None, None]

    def forward(self, z: Tensor) -> Tensor:
        image = self._drawn(z)[..., : self.height, : self.width]
        image = image.reshape(len(z), self.n_raw, self.depth, self.height, self.width).movedim(2, -1)
        return self.pixels(image.reshape(len(z), -1))


class PixelBias(nn.Module):
    """A bias of its own for each output cell, where the marginal fit of the pixels begins."""

    def __init__(self, n_cells: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_cells))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def parts(image_shape: Sequence[int]) -> tuple[int, int, int]:
    """(height, width, channels) of a shape with or without channels."""
    height, width, depth = (*image_shape, 1)[:3]
    return int(height), int(width), int(depth)
