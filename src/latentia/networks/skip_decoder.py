"""A decoder of sentences that shows the context to its last layer too."""

from torch import Tensor, nn

from .tokens import SequenceDecoder, State


class SkipDecoder(SequenceDecoder):
    """logits_t = network_t + V context: a short way from z to every word, past all that the network remembers.

    The decoders read the context at their first layer; with this way it enters the last one as well, which is the same as
    to set it beside the last layer's input.

    Arguments:
        network: an `LSTMDecoder`, a `TransformerDecoder`, or another `SequenceDecoder`.

    Source: Dieng, Kim, Rush and Blei, "Avoiding latent variable collapse with generative skip models", 2019, section 3.

    >>> from latentia.networks import LSTMDecoder
    >>> SkipDecoder(LSTMDecoder(10, 3, 8, 8))(torch.zeros(2, 3), torch.tensor([[0, 5], [0, 2]])).shape
    torch.Size([2, 2, 9])
    """

    def __init__(self, network: SequenceDecoder) -> None:
        super().__init__()
        self.n_tokens, self.n_context, self.network = network.n_tokens, network.n_context, network
        self.way = nn.Linear(network.n_context, network.n_tokens - 1, bias=False)

    def forward(self, context: Tensor, inputs: Tensor) -> Tensor:
        return self.network(context, inputs) + self.way(context).unsqueeze(1)

    def begin(self, context: Tensor) -> State:
        return (self.way(context), *self.network.begin(context))

    def advance(self, state: State, token: Tensor) -> tuple[Tensor, State]:
        way, *rest = state
        logits, after = self.network.advance(tuple(rest), token)
        return logits + way, (way, *after)
