"""Critics: a score for each row, and the features it was made from."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..errors import ParameterError
from .activations import activation as make_activation
from .conv import parts
from .upwards import n_halvings, refuse_no_channels


class _Scoring(nn.Module):
    """A critic that can be copied and pickled with spectral norms in it: as what it was made with, and its numbers."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __reduce__(self) -> Any:
        like = next(self.parameters())
        tensors = {name: value.detach().clone() for name, value in self.state_dict().items()}
        return _remade, (type(self), *self.made_with, tensors, like.dtype, like.device, self.training)


def _remade(cls: Any, given: Any, named: Any, tensors: Any, dtype: Any, device: Any, training: bool) -> nn.Module:
    critic = cls(*given, **named).to(device=device, dtype=dtype)
    critic.load_state_dict(tensors)
    return critic.train(training)


class Critic(_Scoring):
    """Flat rows -> hidden layers -> one score.

    Arguments:
        n_in: cells of a row, times the rows of a pack.
        hidden: sizes of the hidden layers.
        activation: name of the activation.
        spectral: divide each weight by its largest singular value, so that the slope is at most one.

    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018.

    >>> critic = Critic(4, (8,))
    >>> x = __import__("torch").zeros(3, 4)
    >>> critic(x).shape, critic.features(x).shape
    (torch.Size([3]), torch.Size([3, 8]))
    """

    def __init__(
        self,
        n_in: int,
        hidden: Sequence[int] = (256, 256),
        activation: str = "leaky-relu",
        *,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.made_with = (n_in, tuple(hidden), activation), {"spectral": spectral}
        sizes = [n_in, *hidden]
        if any(int(size) < 1 for size in sizes) or not hidden:
            raise ParameterError(f"A critic needs hidden layers of at least one unit; the sizes are {sizes}.")
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip(sizes, sizes[1:]):
            layers += [_normed(nn.Linear(before, after), spectral), make_activation(activation)]
        self.layers, self.head = nn.Sequential(*layers), _normed(nn.Linear(sizes[-1], 1), spectral)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer is shown, `(rows, units)`."""
        return self.layers(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x)).squeeze(1)


class ConvCritic(_Scoring):
    """Flat pixels -> strided convolutions down to a few pixels -> one score; the rows of a pack are channels.

    Arguments:
        image_shape: (height, width) or (height, width, channels); pixels come flat in this order.
        pack: rows side by side.
        channels: of the first convolution; they double at every halving of the picture.
        activation: name of the activation.
        spectral: see `Critic`.

    Source: Radford et al., "Unsupervised representation learning with deep convolutional generative adversarial
    networks", 2016, without batch norms.

    >>> ConvCritic((28, 28), pack=2, channels=4)(__import__("torch").zeros(3, 2 * 784)).shape
    torch.Size([3])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        pack: int = 1,
        channels: int = 32,
        activation: str = "leaky-relu",
        *,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.made_with = (tuple(image_shape), pack, channels, activation), {"spectral": spectral}
        refuse_no_channels(channels)
        (self.height, self.width, self.depth), self.pack = parts(image_shape), pack
        height, width, before, layers = self.height, self.width, pack * self.depth, []
        for i in range(n_halvings(self.height, self.width)):
            layers += [_normed(nn.Conv2d(before, channels << i, 4, 2, 1), spectral), make_activation(activation)]
            height, width, before = height // 2, width // 2, channels << i
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = _normed(nn.Linear(before * height * width, 1), spectral)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer is shown, `(rows, units)`."""
        pictures = x.reshape(-1, self.pack, self.height, self.width, self.depth).permute(0, 1, 4, 2, 3)
        return self.layers(pictures.flatten(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)).squeeze(1)


def _normed(layer: nn.Module, spectral: bool) -> nn.Module:
    return spectral_norm(layer) if spectral else layer
