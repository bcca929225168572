"""Sentences, token by token, as one distribution of whole rows."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import cross_entropy

CELLS_AT_ONCE = 2**24  # logits at once where no gradient is kept: 64 MB in float32
PAD, END = 0, 2


class TokenSequence(Distribution):
    """log p(x) = sum_t log softmax(logits(x_1 .. x_{t-1}, context))[x_t], up to and with the token that ends the sentence.

    A row is `width` tokens, 0 after the end. Padding counts for nothing, so that a sentence has the same number in a row of
    any width. A row without an end is the beginning of a sentence, and its number the mass of all the sentences that begin
    so: over the rows of one width the probabilities sum to one.

    Arguments:
        network: a `networks.SequenceDecoder`.
        context: of each row, `(*batch, n_context)`.
        width: tokens in the rows that are drawn; rows whose density is asked for may have any width.
    """

    arg_constraints = {}  # type: ignore[assignment]
    support = constraints.independent(constraints.nonnegative_integer, 1)  # type: ignore[assignment]

    def __init__(self, network: Any, context: Tensor, width: int, validate_args: bool | None = None) -> None:
        self.network, self.context, self.width = network, context, width
        super().__init__(context.shape[:-1], torch.Size((width,)), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "TokenSequence":
        context = self.context.expand(*batch_shape, self.context.shape[-1])
        return TokenSequence(self.network, context, self.width, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of each row, `(*batch,)`, for tokens `(*batch, any width)`."""
        lead = torch.broadcast_shapes(self.context.shape[:-1], value.shape[:-1])
        context = self.context.expand(*lead, self.context.shape[-1]).reshape(-1, self.context.shape[-1])
        tokens = value.long().expand(*lead, value.shape[-1]).reshape(-1, value.shape[-1])
        dense = self._dense if torch.is_grad_enabled() else self._in_pieces
        return dense(context, tokens).reshape(lead)

    def token_log_prob(self, value: Tensor) -> Tensor:
        """Nats of each token, 0 for padding: `(rows, width)` for tokens of that shape and a batch of one axis."""
        return self._each(self.context, value.long())

    def _each(self, context: Tensor, tokens: Tensor) -> Tensor:
        inputs = torch.nn.functional.pad(tokens[:, :-1], (1, 0), value=PAD)
        logits = self.network(context, inputs)
        logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
        lost = cross_entropy(logits.flatten(0, 1), (tokens - 1).flatten(), ignore_index=PAD - 1, reduction="none")
        return -lost.reshape(tokens.shape)

    def _dense(self, context: Tensor, tokens: Tensor) -> Tensor:
        return self._each(context, tokens).sum(-1)

    def _in_pieces(self, context: Tensor, tokens: Tensor) -> Tensor:
        """The same from rows of like lengths together, cut to the longest, a few at a time."""
        length = (tokens != PAD).sum(-1)
        order = torch.argsort(length, stable=True)
        out = torch.zeros(len(tokens), dtype=context.dtype, device=context.device)
        stop = len(order)
        while stop > 0:
            width = max(1, int(length[order[stop - 1]]))
            start = max(0, stop - max(1, CELLS_AT_ONCE // (width * self.network.n_tokens)))
            rows = order[start:stop]
            out[rows] = self._dense(context[rows], tokens[rows, :width]).to(out.dtype)
            stop = start
        return out

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Sentences drawn token by token, `(*sample_shape, *batch, width)`."""
        shape = (*torch.Size(sample_shape), *self.context.shape)
        flat = self.context.expand(shape).reshape(-1, shape[-1])
        drawn = write(
            self.network, flat, self.width, lambda logits: torch.multinomial(logits.softmax(-1), 1).squeeze(-1)
        )
        return drawn.reshape(*shape[:-1], self.width).to(self.context.dtype)

    @torch.no_grad()
    def greedy(self) -> Tensor:
        """At each place the most probable token after those chosen before, `(*batch, width)`."""
        flat = self.context.reshape(-1, self.context.shape[-1])
        best = write(self.network, flat, self.width, lambda logits: logits.argmax(-1))
        return best.reshape(*self.context.shape[:-1], self.width).to(self.context.dtype)

    @torch.no_grad()
    def beam(self, n_beams: int = 5) -> tuple[Tensor, Tensor]:
        """The most probable sentences that a beam search finds: tokens `(*batch, width)`, and their log_prob."""
        flat = self.context.reshape(-1, self.context.shape[-1])
        tokens, log_prob = beam_search(self.network, flat, self.width, n_beams)
        lead = self.context.shape[:-1]
        return tokens.reshape(*lead, self.width).to(self.context.dtype), log_prob.reshape(lead)


def write(network: Any, context: Tensor, width: int, choose: Any) -> Tensor:
    """Tokens `(rows, width)`, each chosen from the logits after those before it; 0 after the end."""
    tokens = torch.full((len(context), width), PAD, device=context.device)
    token = tokens[:, 0]
    state, going = network.begin(context), torch.ones_like(token, dtype=torch.bool)
    for place in range(width):
        logits, state = network.advance(state, token)
        token = torch.where(going, choose(logits) + 1, PAD)
        tokens[:, place] = token
        going = going & (token != END)
        if not going.any():
            break
    return tokens


def beam_search(network: Any, context: Tensor, width: int, n_beams: int) -> tuple[Tensor, Tensor]:
    """The best of `n_beams` sentences kept at each place, tokens `(rows, width)`, with log_prob `(rows,)`.

    A sentence that has ended keeps its place in the beam at no further cost, so that with enough beams the answer is the
    most probable row of all.
    """
    rows, n_tokens = len(context), network.n_tokens
    state = network.begin(context.repeat_interleave(n_beams, 0))
    score = context.new_full((rows, n_beams), -torch.inf)
    score[:, 0] = 0
    tokens = torch.full((rows, n_beams, width), PAD, device=context.device)
    token, ended = tokens[..., 0], torch.zeros(rows, n_beams, dtype=torch.bool, device=context.device)
    first = torch.arange(rows, device=context.device).unsqueeze(1) * n_beams
    for place in range(width):
        logits, state = network.advance(state, token.flatten())
        gain = logits.log_softmax(-1).reshape(rows, n_beams, n_tokens - 1)
        gain = torch.where(ended.unsqueeze(-1), -torch.inf, gain)
        stay = torch.where(ended, 0.0, -torch.inf).to(gain.dtype).unsqueeze(-1)
        score, best = (score.unsqueeze(-1) + torch.cat([stay, gain], -1)).flatten(1).topk(n_beams)
        beam, token = best // n_tokens, best % n_tokens
        state = tuple(part[(first + beam).flatten()] for part in state)
        tokens, ended = tokens.gather(1, beam.unsqueeze(-1).expand_as(tokens)), ended.gather(1, beam)
        tokens[..., place] = token
        ended = ended | (token == END)
        if ended.all():
            break
    return tokens[:, 0], score[:, 0]
