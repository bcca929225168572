"""Log-densities of rows in few passes, against the formula written out in float64."""

import pytest
import torch
from torch.distributions import Bernoulli

from latentia.distributions import summed_log_prob


@pytest.mark.parametrize("cells", [1, 2, 3, 7, 31, 32, 33, 97, 784, 1001])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.1, 5.0, 60.0])
def test_coins_of_a_row(cells: int, dtype: torch.dtype, spread: float) -> None:
    torch.manual_seed(cells)
    logits = (spread * torch.randn(4, 5, cells)).to(dtype)
    x = (torch.rand(5, cells) < 0.4).to(dtype)
    kept = logits.clone()
    p = Bernoulli(logits=logits, validate_args=False)
    found = summed_log_prob(p, x, 1)
    with torch.no_grad():
        assert torch.equal(summed_log_prob(p, x, 1), found)
    wide = logits.double()
    truth = (x.double() * wide - torch.nn.functional.softplus(wide, threshold=800)).sum(-1)
    scale = wide.abs().sum(-1)
    assert ((found.double() - truth).abs() <= 4 * torch.finfo(dtype).eps * (scale + cells)).all()
    assert torch.equal(logits, kept)


@pytest.mark.parametrize("learning", [True, False])
def test_one_latent_for_all_rows(learning: bool) -> None:
    torch.manual_seed(0)
    logits, x = torch.randn(4, 1, 9, dtype=torch.float64), torch.randint(2, (5, 9)).double()
    with torch.set_grad_enabled(learning):
        found = summed_log_prob(Bernoulli(logits=logits, validate_args=False), x, 1)
    assert torch.allclose(found, Bernoulli(logits=logits).log_prob(x).sum(-1))


def test_certain_coins() -> None:
    logits = torch.tensor([[[200.0, -200.0, 0.0]]])
    right, wrong = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    p = Bernoulli(logits=logits, validate_args=False)
    assert summed_log_prob(p, right, 1).item() == pytest.approx(-0.6931472)
    assert summed_log_prob(p, wrong, 1).item() == pytest.approx(-400.6931472)
