"""Parts of a batch, drawn by processes of their own, are the rows of the whole batch as one process draws it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Cauchy,
    Distribution,
    Exponential,
    Gamma,
    Gumbel,
    Independent,
    Laplace,
    LogNormal,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    Uniform,
)

from latentia.distributions import draw
from latentia.randomness import Stream, part_noise

LOC = torch.linspace(-1, 1, 28).reshape(7, 4)
TRIL = torch.eye(4) + 0.1 * torch.ones(4, 4).tril()
MAKE: dict[str, Callable[[Tensor], Distribution]] = {
    "normal": lambda m: Independent(Normal(m, 0.5), 1),
    "laplace": lambda m: Laplace(m, 0.5),
    "lognormal": lambda m: LogNormal(m, 0.5),
    "cauchy": lambda m: Cauchy(m, 0.5),
    "gumbel": lambda m: Gumbel(m, 0.5),
    "uniform": lambda m: Uniform(m, m + 1),
    "exponential": lambda m: Exponential(m.exp()),
    "multivariate": lambda m: MultivariateNormal(m, scale_tril=TRIL),
    "low rank": lambda m: LowRankMultivariateNormal(m, torch.ones(len(m), 4, 2), torch.ones(len(m), 4)),
}


def parts(make: Callable[[Tensor], Distribution], n_samples: int) -> tuple[Tensor, list[Tensor]]:
    """Three parts, and what each process draws next."""
    drawn, after = [], []
    for start, stop in ((0, 2), (2, 4), (4, 7)):
        with Stream(0), part_noise(start, stop, 7):
            drawn.append(draw(make(LOC[start:stop]), n_samples))
            after.append(torch.rand(3))
    return torch.cat(drawn, 1), after


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("n_samples", [1, 3])
def test_parts_are_the_rows_of_the_whole(name: str, n_samples: int) -> None:
    with Stream(0):
        whole, next_one = draw(MAKE[name](LOC), n_samples), torch.rand(3)
    found, after = parts(MAKE[name], n_samples)
    torch.testing.assert_close(found, whole, rtol=1e-6, atol=1e-6)
    assert all(torch.equal(following, next_one) for following in after)


def test_what_is_drawn_by_rejection_is_other_noise_from_streams_that_stay_alike() -> None:
    found, after = parts(lambda m: Gamma(torch.full_like(m, 2.0), torch.ones_like(m)), 2000)
    assert all(torch.equal(following, after[0]) for following in after)
    assert not torch.equal(found[:, 0], found[:, 2])  # each part has noise of its own
    error = (2 / 2000) ** 0.5  # the variance of a Gamma of rate one is its mean
    assert bool(((found.mean(0) - 2).abs() < 6.5 * error).all())  # 28 cells, one failure in 10^8


def test_gradients_reach_the_parameters_through_a_part() -> None:
    loc = LOC[:3].clone().requires_grad_()
    with part_noise(0, 3, 7):
        draw(Normal(loc, 1.0), 1).sum().backward()
    assert loc.grad is not None
    assert bool((loc.grad == 1).all())
