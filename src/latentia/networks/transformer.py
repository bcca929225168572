"""A transformer that reads sentences and one that writes them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ..errors import ParameterError
from .tokens import PAD, SequenceDecoder, State, WordDropout


def positions(first: int, width: int, size: int, like: Tensor) -> Tensor:
    """Sines and cosines of each place, `(width, size)`: any width has them, whatever was learnt from.

    Source: Vaswani et al., "Attention is all you need", 2017, section 3.5.

    >>> positions(0, 1, 4, torch.zeros(1))
    tensor([[0., 1., 0., 1.]])
    """
    place = torch.arange(first, first + width, dtype=like.dtype, device=like.device)
    pair = torch.arange(0, size, 2, dtype=like.dtype, device=like.device)
    angle = place[:, None] * torch.exp(pair * (-9.210340371976184 / size))  # 10000^(-pair / size)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)[:, :size]


class Block(nn.Module):
    """x + attention(norm x), then x + MLP(norm x).

    Arguments:
        size: numbers per token.
        n_heads: of the attention; divides the size.
        dropout: of what both parts add.
    """

    def __init__(self, size: int, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if n_heads < 1 or size % (2 * n_heads):
            raise ParameterError(f"n_heads={n_heads} does not divide half of n_hidden={size}. Use 256 and 4, say.")
        self.n_heads = n_heads
        self.norm, self.norm_2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.ask = nn.Linear(size, 3 * size)
        self.answer = nn.Linear(size, size)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, past: Tensor | None, mask: Tensor | None, causal: bool) -> tuple[Tensor, Tensor]:
        """The tokens `(rows, width, size)` and all keys and values so far, `(rows, 2, heads, width so far, size / heads)`."""
        query, key, value = self.ask(self.norm(x)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        known = torch.stack([key, value], 1)
        known = known if past is None else torch.cat([past, known], 3)
        seen = scaled_dot_product_attention(query, known[:, 0], known[:, 1], attn_mask=mask, is_causal=causal)
        x = x + self.dropout(self.answer(seen.transpose(1, 2).flatten(-2)))
        return x + self.dropout(self.mlp(self.norm_2(x))), known


class TransformerEncoder(nn.Module):
    """Tokens -> blocks in which every token sees all that are no padding -> their mean -> n_out numbers.

    Arguments:
        n_tokens: size of the vocabulary.
        n_out: size of the output.
        n_hidden: numbers per token.
        n_layers, n_heads: blocks, and heads of each.
        dropout: while learning.

    >>> TransformerEncoder(10, 4, 8, 1, 2)(torch.tensor([[5.0, 2.0, 0.0]])).shape
    torch.Size([1, 4])
    """

    def __init__(
        self, n_tokens: int, n_out: int, n_hidden: int = 256, n_layers: int = 2, n_heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_tokens, n_hidden)
        self.blocks = nn.ModuleList(Block(n_hidden, n_heads, dropout) for _ in range(n_layers))
        self.norm, self.out = nn.LayerNorm(n_hidden), nn.Linear(n_hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.long()
        there = tokens != PAD
        there = there | (~there.any(-1, keepdim=True) & (torch.arange(x.shape[-1], device=x.device) == 0))
        h = self.embed(tokens)
        h = h + positions(0, h.shape[1], h.shape[2], h)
        for block in self.blocks:
            h, _ = block(h, None, there[:, None, None, :], False)
        weight = there.to(h.dtype).unsqueeze(-1)
        return self.out((self.norm(h) * weight).sum(1) / weight.sum(1))


class TransformerDecoder(SequenceDecoder):
    """Token t from the context and from the tokens before t, by causal attention.

    Arguments:
        n_tokens: size of the vocabulary.
        n_context: numbers in the context, a linear map of which is added to every input.
        n_hidden: numbers per token.
        n_layers, n_heads: blocks, and heads of each.
        dropout, word_dropout: while learning, see `LSTMDecoder`.

    Source: Vaswani et al., "Attention is all you need", 2017, with the norms before the blocks.

    >>> TransformerDecoder(10, 3, 8, 1, 2)(torch.zeros(2, 3), torch.tensor([[0, 5], [0, 2]])).shape
    torch.Size([2, 2, 9])
    """

    def __init__(
        self,
        n_tokens: int,
        n_context: int,
        n_hidden: int = 256,
        n_layers: int = 2,
        n_heads: int = 4,
        *,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_tokens, self.n_context = n_tokens, n_context
        self.hide = WordDropout(word_dropout)
        self.embed, self.tell = nn.Embedding(n_tokens, n_hidden), nn.Linear(n_context, n_hidden)
        self.blocks = nn.ModuleList(Block(n_hidden, n_heads, dropout) for _ in range(n_layers))
        self.norm, self.out = nn.LayerNorm(n_hidden), nn.Linear(n_hidden, n_tokens - 1)

    def forward(self, context: Tensor, inputs: Tensor) -> Tensor:
        h = self._inputs(context, self.hide(inputs), 0)
        for block in self.blocks:
            h, _ = block(h, None, None, True)
        return self.out(self.norm(h))

    def begin(self, context: Tensor) -> State:
        heads = [block.n_heads for block in self.blocks if isinstance(block, Block)]
        size = self.embed.embedding_dim // heads[0]
        none = context.new_zeros(len(context), 2, heads[0], 0, size)
        return (context, *(none for _ in heads))

    def advance(self, state: State, token: Tensor) -> tuple[Tensor, State]:
        context, *past = state
        h = self._inputs(context, token.unsqueeze(1), past[0].shape[3])
        known = []
        for block, before in zip(self.blocks, past):
            h, now = block(h, before, None, False)
            known.append(now)
        return self.out(self.norm(h)).squeeze(1), (context, *known)

    def _inputs(self, context: Tensor, inputs: Tensor, first: int) -> Tensor:
        h = self.embed(inputs) + self.tell(context).unsqueeze(1)
        return h + positions(first, h.shape[1], h.shape[2], h)
