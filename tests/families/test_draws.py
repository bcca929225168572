"""Draws of q have a density under q: none rounds onto an end of the support, to zero or to infinity."""

import pytest
import torch

from latentia.distributions import centre, from_noise
from latentia.families import FAMILIES, TABLE
from latentia.randomness import RowNoise

DRAWN = [row.name for row in TABLE if "posterior" in row.stands]
SIZES = (0.3, 3.0, 100.0)  # of raw output: near zero, as networks begin; far from it; saturated


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", DRAWN)
def test_own_draws_have_a_density(name: str, dtype: torch.dtype) -> None:
    family = FAMILIES[name]((3,)).to(dtype)
    torch.manual_seed(0)
    for size in SIZES:
        q = family(size * torch.randn(100, *family.raw_shape, dtype=dtype))
        for z in (q.sample(torch.Size((500,))), from_noise(q, RowNoise(torch.arange(100), seed=0), 100).to(dtype)):
            density = q.log_prob(z)
            assert torch.isfinite(density).all(), (
                size,
                z[~torch.isfinite(density)][:3] if z.shape == density.shape else "",
            )


def test_ends_of_the_float_line_are_inside() -> None:
    """What `sample` of a torch distribution with transforms used to give: 1 from a Kumaraswamy, 0 from a Weibull."""
    for name in ("kumaraswamy", "weibull", "pareto", "lognormal", "fisher-snedecor"):
        family = FAMILIES[name]((1,))
        low, high = -1e4 * torch.ones(1, *family.raw_shape), 1e4 * torch.ones(1, *family.raw_shape)
        for raw in (low, high):
            q = family(raw)
            assert torch.isfinite(q.log_prob(q.sample(torch.Size((10_000,))))).all(), name


@pytest.mark.parametrize("name", [row.name for row in TABLE if "likelihood" in row.stands])
def test_what_is_shown_of_a_likelihood_is_a_number(name: str) -> None:
    family = FAMILIES[name]((3,))
    torch.manual_seed(0)
    for size in SIZES:
        assert torch.isfinite(centre(family(size * torch.randn(100, *family.raw_shape)))).all(), size


def test_an_f_is_shown_where_its_mean_does_not_exist() -> None:
    """exp(E log x), against draws; with two degrees of freedom below or fewer there is no mean."""
    q = FAMILIES["fisher-snedecor"]((1,)).double()(torch.tensor([[[1.0], [0.2]]], dtype=torch.float64))
    torch.manual_seed(0)
    logs = torch.log(q.sample(torch.Size((200_000,))))
    assert q.df2.item() < 2
    assert abs(torch.log(centre(q)) - logs.mean()).item() < 5.5 * (logs.std() / 200_000**0.5).item()
