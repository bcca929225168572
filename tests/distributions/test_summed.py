"""Log-densities of rows in few passes, against the formula written out in float64."""

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from latentia.distributions import StandardNormal, joint_log_prob, summed_log_prob


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


NORMALS = {
    "of each row": (Independent(Normal(torch.randn(5, 3).double(), torch.rand(5, 3).double() + 0.5), 1), (4, 5, 3)),
    "one for all": (Independent(StandardNormal(torch.zeros(3).double(), torch.ones(3).double()), 1), (4, 5, 3)),
    "for more rows than z": (Independent(StandardNormal(torch.zeros(5, 3), torch.ones(5, 3)), 1), (4, 1, 3)),
    "two axes": (Independent(Normal(torch.randn(5, 2, 3), torch.rand(5, 2, 3) + 0.5), 2), (4, 5, 2, 3)),
    "cells that stay": (Independent(Normal(torch.randn(5, 2, 3), torch.rand(5, 2, 3) + 0.5), 1), (4, 5, 2, 3)),
    "single cells": (Independent(Normal(torch.randn(5), torch.rand(5) + 0.5), 0), (4, 5)),
    "coins": (Independent(Bernoulli(logits=torch.randn(5, 3)), 1), (4, 5, 3)),
}


@pytest.mark.parametrize("name", NORMALS)
@pytest.mark.parametrize("learning", [True, False])
def test_normal_rows(name: str, learning: bool) -> None:
    p, shape = NORMALS[name]
    z = torch.randn(shape, dtype=p.mean.dtype)
    z, kept = (z > 0).to(z) if name == "coins" else z, z.clone()
    with torch.set_grad_enabled(learning):
        found = joint_log_prob(p, z)
    assert found.shape == p.log_prob(z).shape
    assert torch.allclose(found, p.log_prob(z), rtol=1e-5)
    assert name == "coins" or torch.equal(z, kept)


def test_certain_coins() -> None:
    logits = torch.tensor([[[200.0, -200.0, 0.0]]])
    right, wrong = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    p = Bernoulli(logits=logits, validate_args=False)
    assert summed_log_prob(p, right, 1).item() == pytest.approx(-0.6931472)
    assert summed_log_prob(p, wrong, 1).item() == pytest.approx(-400.6931472)
