"""A recurrent encoder and decoder of sentences."""

import torch
from torch import Tensor, nn

from .activations import tanh
from .tokens import SequenceDecoder, State, WordDropout, last_place


class LSTMEncoder(nn.Module):
    """Tokens -> an LSTM, forwards -> its state after the last token -> n_out numbers.

    Arguments:
        n_tokens: size of the vocabulary.
        n_out: size of the output.
        n_embed, n_hidden: sizes of a word's vector and of the LSTM's state.

    >>> LSTMEncoder(10, 4, 8, 8)(torch.tensor([[5.0, 2.0, 0.0]])).shape
    torch.Size([1, 4])
    """

    def __init__(self, n_tokens: int, n_out: int, n_embed: int = 256, n_hidden: int = 256) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_tokens, n_embed)
        self.lstm = nn.LSTM(n_embed, n_hidden, batch_first=True)
        self.out = nn.Linear(n_hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.long()
        states, _ = self.lstm(self.embed(tokens))  # (rows, width, n_hidden)
        last = last_place(tokens)[:, None, None].expand(-1, 1, states.shape[-1])
        return self.out(states.gather(1, last).squeeze(1))


class LSTMDecoder(SequenceDecoder):
    """logits_t = W h_t, h_t = LSTM(h_{t-1}, [embedding of token t - 1, context]); h_0 = tanh of the cell that the context gives.

    Arguments:
        n_tokens: size of the vocabulary.
        n_context: numbers in the context.
        n_embed, n_hidden: sizes of a word's vector and of the LSTM's state.
        dropout: share of embeddings' and states' cells set to zero while learning.
        word_dropout: share of input words hidden while learning, see `WordDropout`.

    Source: He et al., "Lagging inference networks and posterior collapse in variational autoencoders", 2019, appendix B.3.

    >>> LSTMDecoder(10, 3, 8, 8)(torch.zeros(2, 3), torch.tensor([[0, 5], [0, 2]])).shape
    torch.Size([2, 2, 9])
    """

    def __init__(
        self,
        n_tokens: int,
        n_context: int,
        n_embed: int = 256,
        n_hidden: int = 256,
        *,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_tokens, self.n_context = n_tokens, n_context
        self.hide = WordDropout(word_dropout)
        self.embed = nn.Embedding(n_tokens, n_embed)
        self.dropout = nn.Dropout(dropout)
        self.cell = nn.Linear(n_context, n_hidden)
        self.lstm = nn.LSTM(n_embed + n_context, n_hidden, batch_first=True)
        self.out = nn.Linear(n_hidden, n_tokens - 1)

    def forward(self, context: Tensor, inputs: Tensor) -> Tensor:
        return self._run(context, self.hide(inputs), *self._first(context))[0]

    def begin(self, context: Tensor) -> State:
        return (context, *self._first(context))

    def advance(self, state: State, token: Tensor) -> tuple[Tensor, State]:
        context, hidden, cell = state
        logits, hidden, cell = self._run(context, token.unsqueeze(1), hidden, cell)
        return logits.squeeze(1), (context, hidden, cell)

    def _first(self, context: Tensor) -> tuple[Tensor, Tensor]:
        cell = self.cell(context)
        return tanh(cell), cell

    def _run(self, context: Tensor, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        words = self.dropout(self.embed(inputs))
        each = context.unsqueeze(1).expand(-1, inputs.shape[1], -1)
        start = (hidden.unsqueeze(0), cell.unsqueeze(0))
        states, (hidden, cell) = self.lstm(torch.cat([words, each], -1), start)
        return self.out(self.dropout(states)), hidden.squeeze(0), cell.squeeze(0)
