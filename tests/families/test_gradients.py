"""Gradients of every family: finite for any raw output, right against the exact expectation, and under vmap."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from families_made import CASES, DTYPES, MAKERS, ROWS, array, quantile_nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from latentia import families as f
from latentia.distributions import RelaxedBernoulli, RelaxedCategorical, from_noise
from latentia.families import Family, StraightThroughBernoulli, StraightThroughCategorical, row_of
from latentia.randomness import RowNoise

SIZE = 3
MOVING = {"uniform", "triangular", "pareto", "reciprocal"}


def value_at(name: str, d: Any, dtype: torch.dtype = torch.float32) -> Tensor:
    """A row in the support of d."""
    if name in MOVING:
        return d.icdf(torch.tensor(0.37, dtype=dtype)).detach()
    if name in CASES:
        return torch.full((SIZE,), CASES[name].point, dtype=dtype)
    return torch.tensor(ROWS[name].value, dtype=dtype)


BUILT = {name: make((SIZE,)) for name, make in MAKERS.items()}
MOST = max(family.n_outputs for family in BUILT.values())


def assert_finite(name: str, family: Any, raw: torch.Tensor) -> None:
    d = family(raw)
    value = d.log_prob(value_at(name, d))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=25, deadline=None)
@given(numbers=st.lists(st.floats(-1e4, 1e4, width=32), min_size=MOST, max_size=MOST))
def test_value_and_gradient_are_finite(name: str, numbers: list[float]) -> None:
    family = BUILT[name]
    raw = torch.tensor(numbers[: family.n_outputs]).reshape(1, *family.raw_shape).requires_grad_()
    assert_finite(name, family, raw)


def test_far_out_the_gradient_still_leads_back() -> None:
    raw = torch.tensor([[[1e4], [0.0]]], requires_grad=True)
    f.Gumbel((1,))(raw).log_prob(torch.tensor([0.7])).sum().backward()
    assert raw.grad is not None
    assert raw.grad[0, 0, 0] < -1e10


CORNERS = [-1e4, -300.0, -20.0, 0.0, 20.0, 300.0, 1e4]
FAR = [sign * 10.0**power for sign in (-1, 1) for power in (6, 10, 20, 30, 38)]


@pytest.mark.parametrize("name", MAKERS)
def test_value_and_gradient_are_finite_in_the_corners(name: str) -> None:
    family = BUILT[name]
    generator = np.random.default_rng(0)
    raw = torch.tensor(generator.choice(CORNERS, size=(400, *family.raw_shape)), dtype=torch.float32).requires_grad_()
    assert_finite(name, family, raw)


def assert_no_nan(name: str, raw: Tensor) -> None:
    raw.requires_grad_()
    d = BUILT[name](raw)
    density = d.log_prob(value_at(name, d))
    density.sum().backward()
    assert not torch.isnan(density).any()
    assert raw.grad is not None
    assert not torch.isnan(raw.grad).any()


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=25, deadline=None)
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=MOST, max_size=MOST))
def test_never_nan(name: str, numbers: list[float]) -> None:
    """A scale that is saturated hands no gradient back, however steep the density is in it: not zero times infinity."""
    family = BUILT[name]
    assert_no_nan(name, torch.tensor(numbers[: family.n_outputs]).reshape(1, *family.raw_shape))


@pytest.mark.parametrize("name", MAKERS)
def test_never_nan_in_the_farthest_corners(name: str) -> None:
    generator = np.random.default_rng(0)
    raw = generator.choice(CORNERS + FAR, size=(400, *BUILT[name].raw_shape))
    assert_no_nan(name, torch.tensor(raw, dtype=torch.float32))


@pytest.mark.parametrize("size", [2, 8, 64])
@pytest.mark.parametrize("name", ["full-normal", "low-rank-normal", "multivariate-student-t"])
def test_matrices_that_let_all_through_have_finite_slopes(name: str, size: int) -> None:
    """Values far from the centre in units of the least scales, which the inverse of L carries from cell to cell."""
    family = MAKERS[name]((size,))
    generator = np.random.default_rng(0)
    for steep in (0.1, 1.0, 30.0, 1e4):
        raw = -steep * np.ones((20, *family.raw_shape))
        raw[10:, 2 * size :] *= generator.choice([-1, 1], size=raw[10:, 2 * size :].shape)
        raw[:, :size] = generator.choice([-1e4, 1e4], size=(20, size))
        raw[:, size : 2 * size] = np.where(generator.random((20, size)) < 0.8, -1e4, 1e4)
        leaf = torch.tensor(raw, dtype=torch.float32, requires_grad=True)
        density = family(leaf).log_prob(torch.full((size,), 0.3))
        density.sum().backward()
        assert torch.isfinite(density).all()
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
        assert (leaf.grad[:, :size] != 0).any()


@pytest.mark.parametrize("name", MAKERS)
def test_log_prob_under_vmap(name: str) -> None:
    torch.manual_seed(0)
    family = BUILT[name]
    raw = torch.randn(4, *family.raw_shape)
    x = torch.stack([value_at(name, family(row)) for row in raw])
    together = torch.func.vmap(lambda row, value: family(row).log_prob(value))(raw, x)
    assert torch.allclose(together, family(raw).log_prob(x), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "coupling-flow"])  # zuko asks where its mask is
def test_nothing_is_read_back_from_the_device(name: str) -> None:
    """On tensors without values a hidden validation, a branch on a value or a tensor left on the CPU raises."""
    family = MAKERS[name]((SIZE,)).to("meta")
    d = family(torch.zeros(4, *family.raw_shape, device="meta"))
    if name not in ("beta", "dirichlet"):  # torch's draws of these have no kernel for such tensors
        z = d.rsample() if d.has_rsample else d.sample()
        assert z.device.type == "meta"
    assert d.log_prob(torch.zeros(4, SIZE, device="meta")).device.type == "meta"


@pytest.mark.parametrize("how", ["process", "rows"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", [name for name in MAKERS if not name.endswith("-flow")])
def test_draws_and_their_gradients_are_finite(name: str, dtype: torch.dtype, how: str) -> None:
    """A gamma that rounds to zero, a quantile that overflows: the draw is held, and hands no gradient back."""
    family = MAKERS[name]((SIZE,)).to(dtype)
    raw = np.random.default_rng(0).choice([*CORNERS, -8.0, -3.0, 3.0, 8.0], size=(300, *family.raw_shape))
    leaf = torch.tensor(raw, dtype=dtype, requires_grad=True)
    d = family(leaf)
    if not d.has_rsample:
        return
    torch.manual_seed(0)
    z = d.rsample(torch.Size((30,))) if how == "process" else from_noise(d, RowNoise(torch.arange(300), seed=0), 30)
    z.sum().backward()
    assert torch.isfinite(z).all()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("name", ["student-t", "multivariate-student-t"])
def test_a_t_of_very_many_degrees_of_freedom_is_normal(name: str) -> None:
    """In float32 the two logarithms of gammas have no digits left to differ in."""
    x = torch.tensor([0.0, 0.3, -2.0])
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(x)
    for df in (1e4, 1e8, 1e12):
        family = f.family(name, (3,), df=df)
        found = family(torch.zeros(1, *family.raw_shape)).log_prob(x).squeeze(0)
        wanted = normal.sum() if name.startswith("multi") else normal
        assert torch.allclose(found, wanted, atol=2e-3 if df == 1e4 else 1e-5), df


# --- the gradient of E[f(z)] ---------------------------------------------------------------------------------------

REPARAMETERISED = [
    name for name in CASES if {"pathwise", "implicit", "relaxed"} & set(row_of(name.split(" ")[0]).gradients)
]
DRAWS, LIMIT = 40_000, 6.0  # standard errors: with some 200 comparisons this fails less than once in a million runs


def expectation(name: str, raw: Tensor) -> float:
    """E[arctan z] by the quantiles of SciPy."""
    oracle = CASES[name].oracle(CASES[name].make((1,)).double()(raw))
    u, weight = quantile_nodes()
    return float((weight * np.arctan(oracle.ppf(u.reshape(-1, 1, 1)))[:, 0, 0]).sum())


def difference(f: Callable[[Tensor], float], raw: Tensor, h: float = 1e-4) -> np.ndarray:
    """The central difference of f in each raw number."""
    out = []
    for i in range(raw.numel()):
        step = torch.zeros_like(raw).reshape(-1)
        step[i] = h
        out.append((f(raw + step.reshape(raw.shape)) - f(raw - step.reshape(raw.shape))) / (2 * h))
    return np.array(out)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", REPARAMETERISED)
def test_pathwise_gradient_is_that_of_the_expectation(name: str, dtype: torch.dtype) -> None:
    family = CASES[name].make((1,)).double()
    torch.manual_seed(1)
    raw = 0.5 * torch.randn(1, *family.raw_shape, dtype=torch.float64)
    exact = difference(lambda r: expectation(name, r), raw)
    torch.manual_seed(2)
    each = raw.to(dtype).expand(DRAWS, *family.raw_shape).clone().requires_grad_()
    family.to(dtype)(each).rsample().arctan().sum().backward()
    assert each.grad is not None
    gradient = array(each.grad).reshape(DRAWS, -1)
    error = gradient.std(0) / np.sqrt(DRAWS)
    assert (np.abs(gradient.mean(0) - exact) < LIMIT * error + 1e-5).all()


@pytest.mark.parametrize("kind", ["bernoulli", "categorical"])
def test_straight_through_is_hard_forward_and_relaxed_backward(kind: str) -> None:
    torch.manual_seed(0)
    raw = torch.randn(200, 1, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, dtype=torch.float64)
    hard: Family = StraightThroughBernoulli((3,)) if kind == "bernoulli" else StraightThroughCategorical((3,))
    torch.manual_seed(5)
    z = hard(raw).rsample()
    assert torch.allclose(z, z.round())
    (by_hard,) = torch.autograd.grad((weight * z).sum(), raw)
    torch.manual_seed(5)
    logits = raw.squeeze(1) if kind == "bernoulli" else torch.log_softmax(raw.squeeze(1), -1)
    soft = RelaxedBernoulli(0.67, logits) if kind == "bernoulli" else RelaxedCategorical(0.67, logits)
    (by_soft,) = torch.autograd.grad((weight * soft.rsample()).sum(), raw)
    assert torch.allclose(by_hard, by_soft)
