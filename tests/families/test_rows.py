"""Families of whole rows against SciPy, NumPy and quadrature: densities, moments, draws, gradients."""

from typing import Any

import numpy as np
import pytest
import scipy.stats as st
import torch
from families_made import DTYPES, ROWS, array, dirichlet, multivariate_t, quantile_nodes, spread
from torch import Tensor
from torch.distributions import RelaxedOneHotCategorical

from latentia.conditional import Conditional
from latentia.distributions import from_noise
from latentia.randomness import row_noise

D = torch.float64
NEAR = {"float64": 1e-7, "float32": 2e-3}
ELLIPTICAL = [name for name, case in ROWS.items() if case.line]
KNOWN = [name for name, case in ROWS.items() if case.oracle]
FLOWS = [name for name in ROWS if name.endswith("flow")]
WEIGHT = np.array([0.6, -0.9, 0.4])
LIMIT = 6.0  # standard errors


def made(name: str, size: int = 3, n: int = 4, dtype: torch.dtype = D, seed: int = 0) -> tuple[Any, Tensor]:
    torch.manual_seed(seed)
    family = ROWS[name].make((size,)).to(dtype)
    return family, (0.8 * torch.randn(n, *family.raw_shape, dtype=D)).to(dtype)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_log_prob_and_moments(name: str, kind: str) -> None:
    case, dtype, tolerance = ROWS[name], DTYPES[kind], NEAR[kind]
    family, raw = made(name, dtype=dtype)
    d = family(raw)
    assert d.batch_shape == (4,)
    assert d.event_shape == (3,)
    x = d.sample((50,)).to(dtype)
    for i in range(4):
        assert case.oracle is not None
        expected = case.oracle(d, i).logpdf(case.points(array(x[:, i])))
        assert np.allclose(array(d.log_prob(x)[:, i]), expected, rtol=tolerance, atol=tolerance)
    if name == "dirichlet":
        moments = [(dirichlet(d, i).mean(), dirichlet(d, i).var()) for i in range(4)]
        assert np.allclose(array(d.mean), [m for m, _ in moments], atol=tolerance)
        assert np.allclose(array(d.variance), [v for _, v in moments], atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", [name for name in KNOWN if name != "multivariate-student-t"])
def test_moments_against_draws(name: str, dtype: torch.dtype) -> None:
    family, raw = made(name, dtype=dtype, seed=1)
    d = family(raw)
    torch.manual_seed(2)
    z = d.sample((20_000,))
    error = z.std(0) / 20_000**0.5
    assert ((z.mean(0) - d.mean).abs() < LIMIT * error).all()
    squares = (z - d.mean).square()
    assert ((squares.mean(0) - d.variance).abs() < LIMIT * squares.std(0) / 20_000**0.5).all()


@pytest.mark.parametrize("kind", DTYPES)
def test_moments_of_the_multivariate_t(kind: str) -> None:
    family, raw = made("multivariate-student-t", dtype=DTYPES[kind])
    d = family(raw)
    for i in range(4):
        df = float(d.df[i])
        covariance = spread(d, i) * df / (df - 2) if df > 2 else None
        if covariance is None:
            assert torch.isinf(d.variance[i]).all() or torch.isnan(d.variance[i]).all()
        else:
            assert np.allclose(array(d.variance[i]), np.diag(covariance), rtol=NEAR[kind])
            assert np.allclose(array(d.covariance_matrix[i]), covariance, rtol=NEAR[kind], atol=NEAR[kind])
        assert bool(torch.isnan(d.mean[i]).all()) == (df <= 1)
        assert float(d.entropy()[i]) == pytest.approx(multivariate_t(d, i).entropy(), rel=NEAR[kind])


@pytest.mark.parametrize("kind", ["process", "rows"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", ELLIPTICAL)
def test_draws_of_elliptical_families_follow_their_projection(name: str, dtype: torch.dtype, kind: str) -> None:
    family, raw = made(name, dtype=dtype, seed=3)
    d = family(raw)
    z = drawn(d, kind, 4000)
    for i in range(4):
        deviation = np.sqrt(WEIGHT @ spread(d, i) @ WEIGHT)
        unit = (array(z[:, i]) - array(d.loc[i])) @ WEIGHT / deviation
        assert st.kstest(unit, projected(name, d, i).cdf).statistic < 3.5 / 4000**0.5


def projected(name: str, d: Any, i: int) -> Any:
    """The distribution of w . (z - loc), in units of its spread."""
    line = ROWS[name].line
    assert line is not None
    return line(d, i)


def drawn(d: Any, kind: str, n: int) -> Tensor:
    torch.manual_seed(4)
    if kind == "process":
        return d.sample((n,))
    with row_noise(torch.arange(4.0).reshape(4, 1), seed=5) as noise:
        return from_noise(d, noise, n)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("kind", ["process", "rows"])
def test_draws_of_dirichlets_have_beta_cells(kind: str, dtype: torch.dtype) -> None:
    family, raw = made("dirichlet", dtype=dtype, seed=3)
    d = family(raw)
    z = drawn(d, kind, 4000)
    assert torch.allclose(z.sum(-1), torch.ones(4000, 4, dtype=dtype))
    for i in range(4):
        a = array(d.concentration[i])
        for k in range(3):
            line = st.beta(a[k], a.sum() - a[k])
            assert st.kstest(array(z[:, i, k]), line.cdf).statistic < 3.5 / 4000**0.5


@pytest.mark.parametrize("kind", ["process", "rows"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("size", [2, 3, 7])
def test_draws_on_the_sphere(kind: str, size: int, dtype: torch.dtype) -> None:
    family, raw = made("von-mises-fisher", size, dtype=dtype, seed=3)
    raw[:, -1] = torch.tensor([-3.0, 0.0, 2.0, 6.0])
    d = family(raw)
    z = drawn(d, kind, 4000)
    assert torch.allclose(torch.linalg.vector_norm(z, dim=-1), torch.ones(4000, 4, dtype=dtype))
    t = np.linspace(0, np.pi, 200_001)
    for i in range(4):
        k = float(d.concentration[i])
        density = np.sin(t) ** (size - 2) * np.exp(k * (np.cos(t) - 1))
        cdf = np.cumsum(density) / density.sum()
        angle = np.arccos(np.clip(array((z[:, i] * d.loc[i]).sum(-1)), -1, 1))
        assert st.kstest(angle, lambda a, cdf=cdf: np.interp(a, t, cdf)).statistic < 3.5 / 4000**0.5
        across = array(z[:, i] - (z[:, i] * d.loc[i]).sum(-1, keepdim=True) * d.loc[i])
        assert (np.abs(across.mean(0)) < LIMIT * across.std(0) / 4000**0.5 + 1e-9).all()


def line(name: str) -> Tensor:
    """A grid fine enough for the density's kinks; beyond 5 a spline is the identity, and its density normal."""
    return torch.linspace(-6.5, 6.5, 300, dtype=D) if name == "spline-flow" else torch.linspace(-22, 22, 500, dtype=D)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_integrates_to_one(name: str, dtype: torch.dtype) -> None:
    family, raw = made(name, 2, 2, dtype)
    x = line(name)
    grid = torch.stack(torch.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 1, 2)
    with torch.no_grad():
        mass = family(raw).log_prob(grid.to(dtype)).double().exp().sum(0) * float(x[1] - x[0]) ** 2
    assert torch.allclose(mass, torch.ones(2, dtype=D), atol=2e-3)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", FLOWS)
def test_draws_of_a_flow_undo_its_map(name: str, kind: str) -> None:
    family, raw = made(name, 3, dtype=DTYPES[kind])
    d = family(raw)
    z = drawn(d, "rows", 1500)
    noise = d.transform(z)
    assert torch.allclose(d.from_noise(noise), z, atol=max(1e-6, NEAR[kind]), rtol=NEAR[kind])
    for i in range(4):
        assert st.kstest(array(noise[:, i]).ravel(), st.norm.cdf).statistic < 3.5 / 4500**0.5
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: family(raw[0]).transform(x)))(z[:5, 0])
    base = torch.distributions.Normal(torch.zeros(3, dtype=D), torch.ones(3, dtype=D))
    expected = base.log_prob(noise[:5, 0]).sum(-1) + torch.linalg.slogdet(jacobian).logabsdet
    assert torch.allclose(d.log_prob(z)[:5, 0], expected.to(z.dtype), atol=max(1e-6, NEAR[kind]), rtol=NEAR[kind])


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("categories", [2, 3])
def test_relaxed_categories(categories: int, kind: str) -> None:
    family, raw = made("relaxed-categorical", categories, dtype=DTYPES[kind])
    d = family(raw)
    x = d.sample((30,))
    theirs = RelaxedOneHotCategorical(torch.tensor(0.67, dtype=D), logits=raw.squeeze(1).double(), validate_args=False)
    assert torch.allclose(d.log_prob(x).double(), theirs.log_prob(x.double()), atol=NEAR[kind], rtol=NEAR[kind])
    z = drawn(d, "rows", 4000)
    winner = torch.nn.functional.one_hot(z.argmax(-1), categories).double().mean(0)
    p = torch.softmax(raw.squeeze(1), -1)
    assert ((winner - p).abs() < LIMIT * torch.sqrt(p * (1 - p) / 4000)).all()


# --- gradients -----------------------------------------------------------------------------------------------------


def of_projection(name: str, d: Any) -> float:
    """E[arctan(weight . z)] of the first row, by the quantiles of the projection on a line."""
    u, weight = quantile_nodes()
    deviation = np.sqrt(WEIGHT @ spread(d, 0) @ WEIGHT)
    return (weight * np.arctan(WEIGHT @ array(d.loc[0]) + deviation * projected(name, d, 0).ppf(u))).sum()


def of_pairs(name: str, d: Any) -> float:
    """E[weight . z + z_0 z_1] in closed form: a Dirichlet's, or on the sphere by the ratio of Bessel functions."""
    if name == "dirichlet":
        a = array(d.concentration[0])
        return WEIGHT @ a / a.sum() + a[0] * a[1] / (a.sum() * (a.sum() + 1))
    k, loc = float(d.concentration[0]), array(d.loc[0])
    mean = 1 / np.tanh(k) - 1 / k  # in three dimensions
    return WEIGHT @ loc * mean + loc[0] * loc[1] * (1 - 3 * mean / k)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_pathwise_gradient_is_that_of_the_expectation(name: str, dtype: torch.dtype) -> None:
    family, raw = made(name, n=1, seed=6)
    exact_value = of_projection if name in ELLIPTICAL else of_pairs
    exact = np.zeros(raw.numel())
    for i in range(raw.numel()):
        step = torch.zeros_like(raw)
        step[0, i] = 1e-4
        exact[i] = (exact_value(name, family(raw + step)) - exact_value(name, family(raw - step))) / 2e-4
    torch.manual_seed(7)
    each = raw.to(dtype).expand(20_000, -1).clone().requires_grad_()
    z = family(each).rsample()
    weight = torch.as_tensor(WEIGHT, dtype=dtype)
    f = (z @ weight).arctan() if name in ELLIPTICAL else z @ weight + z[:, 0] * z[:, 1]
    f.sum().backward()
    assert each.grad is not None
    gradient = array(each.grad)
    assert (np.abs(gradient.mean(0) - exact) < LIMIT * gradient.std(0) / 20_000**0.5 + 1e-5).all()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("name", FLOWS)
def test_pathwise_gradient_of_a_flow(name: str, dtype: torch.dtype) -> None:
    family, raw = made(name, 2, 1)
    x = line(name)
    grid = torch.stack(torch.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)

    def exact_value(r: Tensor) -> float:
        with torch.no_grad():
            return float((family(r[0]).log_prob(grid).exp() * grid.sum(-1).arctan()).sum() * (x[1] - x[0]) ** 2)

    step = 1e-3 * torch.eye(2, dtype=D)
    exact = np.array([(exact_value(raw + s) - exact_value(raw - s)) / 2e-3 for s in step])
    torch.manual_seed(7)
    each = raw.to(dtype).expand(20_000, -1).clone().requires_grad_()
    family.to(dtype)(each).rsample().sum(-1).arctan().sum().backward()
    assert each.grad is not None
    gradient = array(each.grad)
    assert (np.abs(gradient.mean(0) - exact) < LIMIT * gradient.std(0) / 20_000**0.5 + 1e-3).all()


# --- the contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_a_conditional_of_rows(name: str) -> None:
    torch.manual_seed(0)
    family = ROWS[name].make((3,))
    q = Conditional(torch.nn.Linear(5, family.n_outputs), family, (5,), joint=True)(torch.randn(6, 2, 5))
    assert q.batch_shape == (6, 2)
    assert q.event_shape == (3,)
    z = q.rsample()
    assert z.shape == (6, 2, 3)
    assert q.log_prob(z).shape == (6, 2)


@pytest.mark.parametrize("name", ROWS)
def test_draws_belong_to_rows(name: str) -> None:
    family, raw = made(name)
    x = torch.arange(4.0).reshape(4, 1)
    with row_noise(x, seed=4) as noise:
        together = from_noise(family(raw), noise, 4)
    with row_noise(x[2:], seed=4, first=1) as noise:
        apart = from_noise(family(raw[2:]), noise, 3)
    assert torch.allclose(together[1:, 2:], apart, rtol=1e-9, atol=1e-12)
