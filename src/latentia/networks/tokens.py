"""What blocks over tokens agree on: numbers that stand for words, and the parts that every such block shares.

A row of tokens is `(rows, width)`: 0 pads, 1 is a word that the vocabulary does not know, 2 ends a sentence, words begin at
3. As an input 0 also says "nothing yet", before the first token; it is never an output, so that output k stands for token
k + 1.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

PAD, UNKNOWN, END, FIRST_WORD = 0, 1, 2, 3
State = tuple[Tensor, ...]  # whatever a decoder remembers of the tokens so far; axis 0 is the rows


class SequenceDecoder(nn.Module, ABC):
    """Context and the tokens so far -> logits of the next token.

    `forward` does it for all positions of rows that are known, `begin` and `advance` token by token; both agree.

    Attributes:
        n_tokens: size of the vocabulary, the three special tokens included.
        n_context: numbers in the context of a row.
    """

    n_tokens: int
    n_context: int

    @abstractmethod
    def forward(self, context: Tensor, inputs: Tensor) -> Tensor:
        """Logits `(rows, width, n_tokens - 1)` from context `(rows, n_context)` and the tokens before, `(rows, width)`."""

    @abstractmethod
    def begin(self, context: Tensor) -> State:
        """What is known before the first token."""

    @abstractmethod
    def advance(self, state: State, token: Tensor) -> tuple[Tensor, State]:
        """Logits `(rows, n_tokens - 1)` after one more input token `(rows,)`, and the state then."""


class WordDropout(nn.Module):
    """While learning, each input word becomes the unknown word with probability `rate`: a decoder that cannot copy the
    last words must ask the latent.

    Source: Bowman et al., "Generating sentences from a continuous space", 2016, section 3.1.

    >>> WordDropout(1.0)(torch.tensor([[0, 2, 5]]))
    tensor([[0, 2, 1]])
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.keep = nn.Dropout(rate)  # a dropout that several processes know how to share

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.keep.p == 0:
            return inputs
        kept = self.keep(torch.ones(inputs.shape, device=inputs.device)) > 0
        return torch.where(kept | (inputs < FIRST_WORD), inputs, UNKNOWN)


def last_place(tokens: Tensor) -> Tensor:
    """Index of each row's last token that is no padding, `(rows,)`; 0 for a row of padding alone.

    >>> last_place(torch.tensor([[5, 2, 0], [0, 0, 0]])).tolist()
    [1, 0]
    """
    return ((tokens != PAD).sum(-1) - 1).clamp_min(0)
