"""A network and a family: the conditional distribution that encoders and decoders both are."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from .errors import ParameterError
from .families import Family

_MISFITS = ("mat1 and mat2", "Given groups", "size mismatch")  # what torch says where a layer meets another size


class Conditional(nn.Module):
    """p(y | x) = family(network(x)).

    Arguments:
        network: maps `(rows, *input_shape)` to `(rows, family.n_outputs)`, or any shape that holds as many.
        family: raw output -> distribution, of cells or of whole rows.
        input_shape: shape of one input; leading axes of any number are flattened for the network.
        joint: the cells of y belong together, as a latent does: its log_prob is one number per row.

    Raises: `ParameterError`, when called, where the network's sizes are not the input's or the family's.

    >>> from latentia.families import Normal
    >>> q = Conditional(nn.Linear(4, 6), Normal((3,)), input_shape=(4,), joint=True)(torch.zeros(5, 2, 4))
    >>> q.batch_shape, q.event_shape
    (torch.Size([5, 2]), torch.Size([3]))
    """

    def __init__(self, network: nn.Module, family: Family, input_shape: Sequence[int], *, joint: bool = False) -> None:
        super().__init__()
        self.network, self.family = network, family
        self.input_shape, self.joint = tuple(input_shape), joint

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one y."""
        return self.family.event_shape

    def forward(self, x: Tensor) -> Distribution:
        return self.distribution(self.raw(x))

    def raw(self, x: Tensor) -> Tensor:
        """What the network says, `(..., family.n_outputs)`; the leading axes of x stay."""
        n_axes = len(self.input_shape)
        lead = x.shape[: x.ndim - n_axes]
        raw = self._through(x.reshape(-1, *self.input_shape) if len(lead) != 1 else x)
        raw = raw.float() if raw.dtype in (torch.bfloat16, torch.float16) else raw  # densities stay in float32
        if raw.numel() != prod(lead) * self.family.n_outputs:
            raise ParameterError(
                f"The network gives {tuple(raw.shape[1:])} for each row; a {self.family.name} of event_shape={self.event_shape} "
                f"reads {self.family.n_outputs} numbers. Give its last layer as many."
            )
        return raw.reshape(*lead, self.family.n_outputs)

    def _through(self, x: Tensor) -> Tensor:
        try:
            return self.network(x)
        except RuntimeError as error:
            if not any(words in str(error) for words in _MISFITS):
                raise
            raise ParameterError(
                f"The network cannot read rows of shape {tuple(x.shape[1:])}: {str(error).splitlines()[0]}. Give its first layer "
                f"that size, or the Conditional another input_shape (now {self.input_shape})."
            ) from error

    def distribution(self, raw: Tensor) -> Distribution:
        """The distribution that the family makes of raw numbers `(..., family.n_outputs)`."""
        distribution = self.family(raw.unflatten(-1, self.family.raw_shape))
        if self.joint and len(distribution.event_shape) < len(self.event_shape):
            cells = len(self.event_shape) - len(distribution.event_shape)
            return Independent(distribution, cells, validate_args=False)
        return distribution

    def start_at(self, mean: Tensor, scale: Tensor) -> None:
        """Set the output bias, where the network has one, to the marginal fit of each cell (model units).

        The code of the IWAE paper begins so; without it the same schedule ends about half a nat lower.
        """
        raw = self.family.start(mean.float(), scale.float())
        bias = output_bias(self.network)
        if bias is not None and bias.numel() == raw.numel():
            with torch.no_grad():
                bias.copy_(raw.reshape(-1))


def output_bias(network: nn.Module) -> Tensor | None:
    """The bias of the last layer, or None where the last layer has none."""
    layers = [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None]
    bias = getattr(layers[-1], "bias", None) if layers else None
    return bias if isinstance(bias, Tensor) else None


def cells(shape: Sequence[int]) -> int:
    """Number of cells in one row.

    >>> cells((28, 28))
    784
    """
    return prod(shape)
