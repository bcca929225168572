"""A residual convolutional encoder."""

from collections.abc import Sequence

from torch import Tensor, nn

from .activations import activation as make_activation


class ResidualBlock(nn.Module):
    """activation(x + f(x)), f two 3 x 3 convolutions with batch norms; a stride halves the picture on the way.

    Arguments:
        n_in, n_out: channels.
        stride: of the first convolution, and of the 1 x 1 one that x then goes through.
        activation: name of the activation.

    Source: He et al., "Deep residual learning for image recognition", 2016.
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1, activation: str = "elu") -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            make_activation(activation),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        same = stride == 1 and n_in == n_out
        self.skip = nn.Identity() if same else nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.skip(x) + self.inner(x))


class ResidualEncoder(nn.Module):
    """Flat pixels -> residual blocks, each halving the picture -> n_out numbers.

    Arguments:
        image_shape: (height, width) or (height, width, channels); pixels come flat in this order.
        n_out: size of the output.
        channels: of the blocks.
        activation: name of the activation.

    >>> ResidualEncoder((28, 20), 3, (8, 8))(__import__("torch").zeros(5, 560)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        n_out: int,
        channels: Sequence[int] = (64, 64, 64),
        activation: str = "elu",
    ) -> None:
        super().__init__()
        self.height, self.width, self.depth = (int(size) for size in (*image_shape, 1)[:3])
        sizes = (self.depth, *channels)
        blocks = [ResidualBlock(a, b, 2, activation) for a, b in zip(sizes, sizes[1:])]
        cells = sizes[-1]
        for size in (self.height, self.width):
            for _ in channels:
                size = -(-size // 2)
            cells *= size
        self.layers = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(cells, n_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.reshape(-1, self.height, self.width, self.depth).movedim(-1, 1))
