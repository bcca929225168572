"""Pictures pixel by pixel: causal by gradient, all pictures enumerated, the loop over pixels, draws."""

from itertools import product

import pytest
import torch
from torch import Tensor

from latentia.distributions import CellSequence, centre
from latentia.errors import ParameterError
from latentia.families import Bernoulli, Categorical, Pixels
from latentia.networks import GatedPixelCNN, ResidualEncoder

SHAPES = {"grey": (4, 5), "coloured": (3, 4, 2)}


def network(shape: tuple[int, ...], n_raw: int = 1, n_layers: int = 3) -> GatedPixelCNN:
    torch.manual_seed(1)
    made = GatedPixelCNN(shape, n_raw, n_context=2, n_channels=6, n_layers=n_layers, reach=2).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.5)
    return made


def pictures(height: int, width: int) -> Tensor:
    return torch.tensor(list(product([0.0, 1.0], repeat=height * width)), dtype=torch.float64)


@pytest.fixture(scope="module")
def p() -> CellSequence:
    made = network((2, 3)).requires_grad_(False)
    return Pixels(made, Bernoulli((6,)))(torch.randn(2, 12, dtype=torch.float64))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("n_layers", [1, 3])
def test_a_pixel_sees_what_comes_before_it_and_all_of_that(name: str, n_layers: int) -> None:
    shape = SHAPES[name]
    height, width, depth = (*shape, 1)[:3]
    made, n = network(shape, n_layers=6 if n_layers == 3 else 1), height * width * depth
    x = torch.randn(1, n, dtype=torch.float64, requires_grad=True)
    raw = made(torch.randn(1, made.n_outputs, dtype=torch.float64), x)
    for cell in range(n):
        (gradient,) = torch.autograd.grad(raw[0, cell], x, retain_graph=True)
        pixel = cell // depth
        seen = (gradient[0].abs() > 0).reshape(-1, depth).any(-1)
        assert not seen[pixel:].any()  # neither itself nor any later pixel
        if n_layers == 3:
            assert seen[:pixel].all()  # and no blind spot


def test_every_pixel_sees_its_context() -> None:
    made = network((4, 5))
    context = torch.randn(1, 40, dtype=torch.float64, requires_grad=True)
    raw = made(context, torch.zeros(1, 20, dtype=torch.float64))
    for cell in range(20):
        (gradient,) = torch.autograd.grad(raw[0, cell], context, retain_graph=True)
        assert (gradient.reshape(2, 20)[:, cell].abs() > 0).all()


def test_all_pictures_sum_to_one(p: CellSequence) -> None:
    every = p.log_prob(pictures(2, 3).unsqueeze(1))
    assert torch.allclose(every.exp().sum(0), torch.ones(2, dtype=torch.float64), atol=1e-12)


def test_all_pictures_of_categories_sum_to_one() -> None:
    made = network((2, 2), n_raw=3)
    p = Pixels(made, Categorical((4,), 3))(torch.randn(1, 8, dtype=torch.float64))
    every = torch.tensor(list(product([0.0, 1.0, 2.0], repeat=4)), dtype=torch.float64)
    assert torch.allclose(p.log_prob(every).exp().sum(), torch.ones((), dtype=torch.float64), atol=1e-12)


def test_log_prob_is_the_loop_over_pixels(p: CellSequence) -> None:
    for x in pictures(2, 3)[::9]:
        for i, context in enumerate(p.context):
            total, before = 0.0, torch.zeros(1, 6, dtype=torch.float64)
            for cell in range(6):
                share = torch.sigmoid(p.network(context[None], before)[0, cell])
                total += float(torch.log(share if x[cell] else 1 - share))
                before[0, cell] = x[cell]
            assert float(p.log_prob(x)[i]) == pytest.approx(total, abs=1e-12)


def test_in_pieces_without_gradient(p: CellSequence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.distributions.cell_sequence.CELLS_AT_ONCE", 20)
    rows = pictures(2, 3).unsqueeze(1)
    with torch.no_grad():
        pieces = p.log_prob(rows)
    assert torch.allclose(pieces, p.log_prob(rows), atol=1e-12)


def test_draws_have_the_probabilities(p: CellSequence) -> None:
    torch.manual_seed(0)
    n, rows = 4_000, pictures(2, 3)
    drawn = p.sample(torch.Size((n,)))
    code = (drawn * 2.0 ** torch.arange(5, -1, -1)).sum(-1).long()
    for i in range(2):
        share = torch.bincount(code[:, i], minlength=64).double() / n
        wanted = p.log_prob(rows.unsqueeze(1))[:, i].exp()
        assert ((share - wanted).abs() < 6 * (wanted * (1 - wanted) / n).sqrt() + 5 / n).all()


def test_greedy_takes_the_likelier_pixel(p: CellSequence) -> None:
    found = p.greedy()
    assert torch.equal(found, centre(p))
    for i, context in enumerate(p.context):
        x = torch.zeros(1, 6, dtype=torch.float64)
        for cell in range(6):
            x[0, cell] = float(p.network(context[None], x)[0, cell] > 0)
        assert torch.equal(found[i], x[0])


def test_a_network_for_other_pictures_is_told() -> None:
    with pytest.raises(ParameterError, match="raw numbers"):
        Pixels(network((4, 5)), Bernoulli((21,)))
    with pytest.raises(ParameterError, match="n_layers=0"):
        GatedPixelCNN((4, 5), n_layers=0)


def test_residual_encoder_takes_any_picture() -> None:
    for shape in ((5, 7), (8, 8, 3)):
        cells = int(torch.tensor(shape).prod())
        assert ResidualEncoder(shape, 4, (3, 3))(torch.zeros(2, cells)).shape == (2, 4)
