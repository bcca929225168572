"""From a vector to a picture by doubling: the generator of a DCGAN."""

from collections.abc import Sequence
from math import ceil, floor, log2

from torch import Tensor, nn

from ..errors import ParameterError
from .activations import activation as make_activation
from .conv import parts

LEAST = 7  # pixels of the coarsest picture at most: 28 is halved twice, 64 four times


class ConvGenerator(nn.Module):
    """n_in numbers -> a coarse picture of many channels -> transposed convolutions that double it -> flat pixels.

    Arguments:
        n_in: size of the input.
        image_shape: (height, width) or (height, width, channels) of the output, flat in this order.
        n_raw: raw numbers per pixel and channel; the output is `(rows, n_raw x pixels)`.
        channels: before the last doubling; they halve at every doubling.
        activation: name of the activation.
        batch_norm: after each layer but the last.

    Source: Radford et al., "Unsupervised representation learning with deep convolutional generative adversarial
    networks", 2016.

    >>> ConvGenerator(3, (28, 20), channels=4)(__import__("torch").zeros(5, 3)).shape
    torch.Size([5, 560])
    """

    def __init__(
        self,
        n_in: int,
        image_shape: Sequence[int],
        n_raw: int = 1,
        channels: int = 32,
        activation: str = "relu",
        *,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        refuse_no_channels(channels)
        self.height, self.width, self.depth = parts(image_shape)
        self.n_raw = n_raw
        n = n_halvings(self.height, self.width)
        self.grid = ceil(self.height / 2**n), ceil(self.width / 2**n)
        widest = channels << (n - 1)
        norm = lambda size: [nn.BatchNorm2d(size)] if batch_norm else []  # noqa: E731
        self.dense = nn.Linear(n_in, widest * self.grid[0] * self.grid[1])
        layers: list[nn.Module] = [*norm(widest), make_activation(activation)]
        for i in range(n - 1):
            size = widest >> i
            layers += [nn.ConvTranspose2d(size, size // 2, 4, 2, 1), *norm(size // 2), make_activation(activation)]
        self.up = nn.Sequential(*layers, nn.ConvTranspose2d(channels, n_raw * self.depth, 4, 2, 1))

    def forward(self, z: Tensor) -> Tensor:
        picture = self.up(self.dense(z).reshape(len(z), -1, *self.grid))[..., : self.height, : self.width]
        picture = picture.reshape(len(z), self.n_raw, self.depth, self.height, self.width).movedim(2, -1)
        return picture.reshape(len(z), -1)


def refuse_no_channels(channels: int) -> None:
    """Raise `ParameterError` where a convolution would have no channel."""
    if int(channels) < 1:
        raise ParameterError(f"channels={channels} is too small. A convolution needs at least one channel.")


def n_halvings(height: int, width: int) -> int:
    """How often a picture is halved until its larger side has seven pixels or fewer, or its smaller side has one.

    >>> n_halvings(28, 28), n_halvings(64, 64), n_halvings(8, 8), n_halvings(5, 30)
    (2, 4, 1, 2)
    """
    if min(height, width) < 4:
        raise ParameterError(
            f"Pictures of {height} x {width} pixels are too small for convolutions. Use network='mlp'."
        )
    wanted = ceil(log2(max(height, width) / LEAST))
    return max(1, min(wanted, floor(log2(min(height, width)))))
