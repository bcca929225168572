"""The gated PixelCNN: raw numbers for each pixel from the pixels above it and to its left, and from a context."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..errors import ParameterError
from .activations import tanh


class GatedLayer(nn.Module):
    """Two stacks: `down` has seen the rows above a pixel, `right` also the pixels to its left in its own row.

    Each is a gate, tanh(a) sigmoid(b), of a convolution and of a linear map of the context. `down` tells `right` what it knows, so that
    with layers enough there is no blind spot.

    Arguments:
        n_channels: of both stacks.
        n_context: channels of the context.
        reach: pixels that a layer looks back, up and to the left.
        first: whether the pixel itself is still unknown: the first layer sees only what comes before it.
    """

    def __init__(self, n_in: int, n_channels: int, n_context: int, reach: int, *, first: bool = False) -> None:
        super().__init__()
        self.reach, self.first = reach, first
        self.down = nn.Conv2d(n_in, 2 * n_channels, (reach if first else reach + 1, 2 * reach + 1))
        self.right = nn.Conv2d(n_in, 2 * n_channels, (1, reach if first else reach + 1))
        self.over = nn.Conv2d(2 * n_channels, 2 * n_channels, 1)
        self.context = nn.Conv2d(n_context, 4 * n_channels, 1)
        self.out = nn.Conv2d(n_channels, n_channels, 1)

    def forward(self, down: Tensor, right: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        told_down, told_right = self.context(context).chunk(2, 1)
        above = self._above(down)
        beside = self.right(self._left(right)) + self.over(above) + told_right
        step = self.out(gate(beside))
        return gate(above + told_down), step if self.first else right + step

    def _above(self, down: Tensor) -> Tensor:
        """What the rows above say at each pixel: of x itself up to the row above, of what has seen no more up to this one."""
        reach = self.reach
        shift = pad(down, (reach, reach, reach, 0))
        return self.down(shift[:, :, :-1] if self.first else shift)

    def _left(self, right: Tensor) -> Tensor:
        shift = pad(right, (self.reach, 0, 0, 0))
        return shift[..., :-1] if self.first else shift


def gate(x: Tensor) -> Tensor:
    """tanh of the first half of the channels times sigmoid of the second."""
    a, b = x.chunk(2, 1)
    return tanh(a) * torch.sigmoid(b)


class GatedPixelCNN(nn.Module):
    """Raw numbers of every pixel from the pixels before it, row by row, and from a context that all pixels may see.

    A pixel's channels are predicted together from the pixels before.

    Arguments:
        image_shape: (height, width) or (height, width, channels); pixels come flat in this order.
        n_raw: raw numbers per pixel and channel.
        n_context: channels of the context, a picture of the same height and width.
        n_channels: of each layer.
        n_layers: at least one.
        reach: pixels that a layer looks back.
        high: largest value of a pixel, by which pixels are divided before the network sees them.

    Source: van den Oord et al., "Conditional image generation with PixelCNN decoders", 2016, section 2.

    >>> network = GatedPixelCNN((4, 5), 1, n_context=2, n_channels=8, n_layers=2)
    >>> network(torch.zeros(3, 40), torch.zeros(3, 20)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        n_raw: int = 1,
        n_context: int = 4,
        n_channels: int = 32,
        n_layers: int = 5,
        reach: int = 3,
        high: float = 1.0,
    ) -> None:
        super().__init__()
        if min(n_raw, n_context, n_channels, n_layers, reach) < 1:
            raise ParameterError(
                f"n_raw={n_raw}, n_context={n_context}, n_channels={n_channels}, n_layers={n_layers}, reach={reach} cannot be "
                "used. Use at least 1 of each."
            )
        self.height, self.width, self.depth = (int(size) for size in (*image_shape, 1)[:3])
        self.n_raw, self.n_context, self.high = n_raw, n_context, max(1.0, float(high))
        layers = [GatedLayer(self.depth, n_channels, n_context, reach, first=True)]
        layers += [GatedLayer(n_channels, n_channels, n_context, reach) for _ in range(n_layers - 1)]
        self.layers = nn.ModuleList(layers)
        self.read = nn.Sequential(nn.ReLU(), nn.Conv2d(n_channels, n_channels, 1), nn.ReLU())
        self.last = nn.Conv2d(n_channels, n_raw * self.depth, 1)

    @property
    def n_outputs(self) -> int:
        """Numbers in the context of a row."""
        return self.n_context * self.height * self.width

    def forward(self, context: Tensor, x: Tensor) -> Tensor:
        """Raw `(rows, n_raw x cells)` from context `(rows, n_context x pixels)` and flat x `(rows, cells)`."""
        down = right = (x / self.high).reshape(-1, self.height, self.width, self.depth).movedim(-1, 1)
        told = context.reshape(-1, self.n_context, self.height, self.width)
        for layer in self.layers:
            down, right = layer(down, right, told)
        raw = self.last(self.read(right))
        raw = raw.reshape(-1, self.n_raw, self.depth, self.height, self.width).movedim(2, -1)
        return raw.reshape(len(raw), -1)
