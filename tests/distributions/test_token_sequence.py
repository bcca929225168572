"""Sentences: every row enumerated, every step in a loop, every beam against brute force."""

from itertools import product

import pytest
import torch
from torch import Tensor

from latentia.distributions import TokenSequence, centre
from latentia.families import Tokens
from latentia.networks import LSTMDecoder, LSTMEncoder, SequenceDecoder, TransformerDecoder, TransformerEncoder

N_TOKENS, N_CONTEXT, WIDTH = 6, 3, 4
END = 2


def lstm(n_tokens: int = N_TOKENS, **options: float) -> SequenceDecoder:
    return LSTMDecoder(n_tokens, N_CONTEXT, 5, 7, **options)


def transformer(n_tokens: int = N_TOKENS, **options: float) -> SequenceDecoder:
    return TransformerDecoder(n_tokens, N_CONTEXT, 8, 2, 2, **options)


DECODERS = {"lstm": lstm, "transformer": transformer}


@pytest.fixture(params=DECODERS)
def p(request: pytest.FixtureRequest) -> TokenSequence:
    torch.manual_seed(3)
    network = DECODERS[request.param]().double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3).requires_grad_(False)  # sharp conditionals, which no uniform guess would pass for
    return Tokens(network, WIDTH)(torch.randn(2, N_CONTEXT, dtype=torch.float64))


def rows_of(width: int) -> Tensor:
    """Every row of that width that a sentence, or the beginning of one, may fill."""
    words = [token for token in range(1, N_TOKENS) if token != END]
    out = [(*body, END, *[0] * (width - n - 1)) for n in range(width) for body in product(words, repeat=n)]
    return torch.tensor([*out, *product(words, repeat=width)], dtype=torch.float64)


def stepwise(p: TokenSequence, context: Tensor, row: Tensor) -> float:
    """log p of one row by a loop over its tokens."""
    state, token, total = p.network.begin(context[None]), torch.tensor([0]), 0.0
    for target in row.long().tolist():
        logits, state = p.network.advance(state, token)
        total += float(logits.log_softmax(-1)[0, target - 1])
        token = torch.tensor([target])
        if target == END:
            break
    return total


def test_all_rows_sum_to_one(p: TokenSequence) -> None:
    for width in (1, 2, WIDTH):
        rows = rows_of(width)
        log_prob = p.log_prob(rows.unsqueeze(1))  # (rows, 2)
        assert torch.allclose(log_prob.exp().sum(0), torch.ones(2, dtype=torch.float64), atol=1e-12)


def test_log_prob_is_the_loop(p: TokenSequence) -> None:
    rows = rows_of(3)[::7]
    found = p.log_prob(rows.unsqueeze(1))
    wanted = [[stepwise(p, context, row) for context in p.context] for row in rows]
    assert torch.allclose(found, torch.tensor(wanted, dtype=torch.float64), atol=1e-12)


def test_with_and_without_gradient_is_one_number(p: TokenSequence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.distributions.token_sequence.CELLS_AT_ONCE", 40)  # two or three rows at once
    rows = rows_of(WIDTH)[::11].unsqueeze(1)
    with torch.no_grad():
        pieces = p.log_prob(rows)
    assert torch.allclose(pieces, p.log_prob(rows), atol=1e-12)


def test_padding_counts_for_nothing(p: TokenSequence) -> None:
    short, ended = torch.tensor([[3.0, 4.0, END], [5.0, END, 0.0]]), torch.zeros(2, 5)
    wide = torch.cat([short, ended], 1)
    assert torch.allclose(p.log_prob(wide), p.log_prob(short), atol=1e-12)
    each = p.token_log_prob(wide)
    assert (each[:, 3:] == 0).all()
    assert each[1, 2] == 0
    assert torch.allclose(each.sum(-1), p.log_prob(short), atol=1e-12)


@pytest.mark.parametrize("make", [LSTMEncoder, TransformerEncoder])
def test_encoders_do_not_see_padding(make: type) -> None:
    torch.manual_seed(0)
    sizes = (5, 7) if make is LSTMEncoder else (8, 2, 2)
    encoder = make(N_TOKENS, 4, *sizes).double()
    rows = torch.tensor([[3.0, 4.0, 2.0], [5.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    wide = torch.cat([rows, torch.zeros(3, 4)], 1)
    assert torch.allclose(encoder(rows), encoder(wide), atol=1e-12)
    assert torch.allclose(encoder(rows)[1:2], encoder(rows[1:2, :2]), atol=1e-12)
    assert torch.isfinite(encoder(rows)).all()


@pytest.mark.parametrize("make", DECODERS.values())
def test_no_logit_sees_its_own_or_a_later_token(make: object) -> None:
    torch.manual_seed(0)
    network = make().double()  # type: ignore[operator]
    embedded: list[Tensor] = []
    network.embed.register_forward_hook(lambda module, args, out: embedded.append(out.requires_grad_()) or out)
    logits = network(torch.zeros(1, N_CONTEXT, dtype=torch.float64), torch.tensor([[0, 3, 4, 5]]))
    for place in range(4):
        (gradient,) = torch.autograd.grad(logits[0, place].square().sum(), embedded[0], retain_graph=True)
        seen = gradient[0].abs().sum(-1) > 0
        assert seen.tolist() == [k <= place for k in range(4)]  # inputs are the tokens before


def test_draws_have_the_probabilities(p: TokenSequence) -> None:
    torch.manual_seed(0)
    n, rows = 20_000, rows_of(2)
    drawn = TokenSequence(p.network, p.context, 2).sample(torch.Size((n,)))
    for i in range(2):
        share = (drawn[:, i].unsqueeze(1) == rows).all(-1).double().mean(0)
        wanted = p.log_prob(rows.unsqueeze(1))[:, i].detach().exp()
        assert float(share.sum()) == pytest.approx(1, abs=1e-12)
        error = (wanted * (1 - wanted) / n).sqrt()
        assert ((share - wanted).abs() < 6 * error + 5 / n).all()


def test_beam_finds_the_most_probable_row(p: TokenSequence) -> None:
    rows = rows_of(WIDTH)
    every = p.log_prob(rows.unsqueeze(1)).detach()
    best, where = every.max(0)
    tokens, log_prob = p.beam(len(rows))
    assert torch.allclose(log_prob, best, atol=1e-12)
    assert torch.equal(tokens, rows[where])
    for n_beams in (1, 2, 5):
        tokens, log_prob = p.beam(n_beams)
        assert torch.allclose(log_prob, p.log_prob(tokens).detach(), atol=1e-12)
        assert (log_prob <= best + 1e-12).all()


def test_greedy_takes_the_best_next_token(p: TokenSequence) -> None:
    tokens = p.greedy()
    assert torch.equal(tokens, p.beam(1)[0])
    assert torch.equal(tokens, centre(p))
    for row, context in zip(tokens.long().tolist(), p.context):
        before: list[int] = []
        for token in row[: row.index(END) + 1 if END in row else None]:
            ahead = [torch.tensor([*before, k]) for k in range(1, N_TOKENS)]
            alone = TokenSequence(p.network, context, WIDTH)
            scores = [float(alone.log_prob(tokens)) for tokens in ahead]
            assert 1 + scores.index(max(scores)) == token
            before.append(token)


@pytest.mark.parametrize("make", DECODERS.values())
def test_word_dropout_hides_words_while_learning_only(make: object) -> None:
    torch.manual_seed(0)
    network = make(word_dropout=1.0).double()  # type: ignore[operator]
    context, inputs = torch.zeros(1, N_CONTEXT, dtype=torch.float64), torch.tensor([[0, 3, 4]])
    hidden, unknown = network(context, inputs), torch.tensor([[0, 1, 1]])
    assert torch.allclose(hidden, network.eval()(context, unknown), atol=1e-12)
    assert not torch.allclose(hidden, network(context, inputs))


def test_samples_of_z_and_rows_of_x(p: TokenSequence) -> None:
    z, x = torch.randn(5, 2, N_CONTEXT, dtype=torch.float64), torch.tensor([[3.0, END], [4.0, END]])
    found = TokenSequence(p.network, z, WIDTH).log_prob(x)
    assert found.shape == (5, 2)
    for s in range(5):
        assert torch.allclose(found[s], TokenSequence(p.network, z[s], WIDTH).log_prob(x), atol=1e-12)
