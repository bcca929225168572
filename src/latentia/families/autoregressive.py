"""Families whose cells depend on the cells before them: raw output is a context, and the rest is the family's own network."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.distributions import Distribution

from ..distributions import CellSequence, TokenSequence
from ..errors import DataError, ParameterError
from ..networks import GatedPixelCNN, SequenceDecoder
from .base import Family, RowFamily


class Tokens(RowFamily):
    """Sentences: log p(x) = sum_t log p(x_t | x_1 .. x_{t-1}, context), see `distributions.TokenSequence`.

    Arguments:
        network: an `LSTMDecoder`, a `TransformerDecoder`, or another `SequenceDecoder`; its parameters are the family's.
        width: tokens in a row that is drawn, the one that ends the sentence included.

    >>> import torch
    >>> from latentia.networks import LSTMDecoder
    >>> p = Tokens(LSTMDecoder(10, 3, 8, 8), width=6)(torch.zeros(5, 3))
    >>> p.log_prob(torch.tensor([4.0, 2.0, 0.0])).shape
    torch.Size([5])
    """

    name = "tokens"
    values = "rows of tokens"
    hint = "Make rows with data.Vocabulary.encode."

    def __init__(self, network: SequenceDecoder, width: int) -> None:
        if width < 1:
            raise ParameterError(f"width={width} is too small. A row needs at least one token.")
        super().__init__((width,))
        self.network = network

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return (self.network.n_context,)

    def forward(self, raw: Tensor) -> TokenSequence:
        return TokenSequence(self.network, raw, self.size, validate_args=False)

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        wrong = (x < 0) | (x >= self.network.n_tokens) | (x != np.floor(x))
        after = np.maximum.accumulate((x == 0) | (x == 2), axis=1)
        wrong[:, 1:] |= after[:, :-1] & (x[:, 1:] != 0)  # padding trails, and nothing follows the end
        if wrong.any():
            row, place = (int(i[0]) for i in np.nonzero(wrong))
            raise DataError(
                f"A {self.name} likelihood needs {self.values} from 0 to {self.network.n_tokens - 1}, nothing but 0 after a "
                f"sentence's end; row {row}, place {place} holds {x[row, place]:g}. {self.hint}"
            )


class Pixels(RowFamily):
    """Pictures pixel by pixel: log p(x) = sum_i log p(x_i | x_1 .. x_{i-1}, context), see `distributions.CellSequence`.

    Arguments:
        network: a `GatedPixelCNN`; its parameters are the family's.
        cells: the family of single pixels, such as `Bernoulli((784,))`; the network makes its raw numbers.

    Source: van den Oord et al., "Conditional image generation with PixelCNN decoders", 2016.

    >>> import torch
    >>> from latentia.families import Bernoulli
    >>> from latentia.networks import GatedPixelCNN
    >>> p = Pixels(GatedPixelCNN((4, 5), 1, 2, 8, 2), Bernoulli((20,)))(torch.zeros(3, 40))
    >>> p.log_prob(torch.zeros(20)).shape
    torch.Size([3])
    """

    name = "pixels"

    def __init__(self, network: GatedPixelCNN, cells: Family) -> None:
        super().__init__(cells.event_shape)
        made, wanted = network.n_raw * network.height * network.width * network.depth, cells.n_outputs
        if made != wanted:
            raise ParameterError(
                f"The network makes {made} raw numbers for a picture and {cells.name} cells need {wanted}. Give both the same "
                f"picture, and the network n_raw={cells.n_raw}."
            )
        self.network, self.cells = network, cells

    @property
    def raw_shape(self) -> tuple[int, ...]:
        return (self.network.n_outputs,)

    def forward(self, raw: Tensor) -> CellSequence:
        family = self.cells

        def cells(raw: Tensor) -> Distribution:
            return family(raw.reshape(-1, *family.raw_shape))

        return CellSequence(self.network, cells, raw, self.size, self.network.depth, validate_args=False)

    def check(self, x: np.ndarray, columns: Sequence[str] | None = None) -> None:
        self.cells.check(x, columns)
