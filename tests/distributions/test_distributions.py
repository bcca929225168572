"""The distributions that torch lacks, against quadrature, mpmath and torch's own."""

import mpmath
import numpy as np
import pytest
import torch
from torch.distributions import Normal

from latentia.distributions import ContinuousBernoulli, CrossEntropy, Discretised, Rescaled, log_interval
from latentia.errors import AbilityError

LOGITS = [-900.0, -40.0, -3.0, -1e-3, 0.0, 1e-6, 0.04, 2.0, 17.0, 300.0]
D = torch.float64


@pytest.mark.parametrize("logits", LOGITS)
def test_continuous_bernoulli_against_mpmath(logits: float) -> None:
    mpmath.mp.dps = 50
    a = mpmath.mpf(logits)
    q = ContinuousBernoulli(torch.tensor(logits, dtype=D))
    constant = mpmath.log(a / mpmath.expm1(a)) if logits else mpmath.mpf(0)
    for x in (0.0, 0.2, 0.5, 0.93, 1.0):
        assert float(q.log_prob(torch.tensor(x, dtype=D))) == pytest.approx(float(a * x + constant), rel=1e-9, abs=1e-9)
        cdf = mpmath.expm1(a * x) / mpmath.expm1(a) if logits else mpmath.mpf(x)
        assert float(q.cdf(torch.tensor(x, dtype=D))) == pytest.approx(float(cdf), rel=1e-6, abs=1e-9)
    mean = 1 / (1 - mpmath.exp(-a)) - 1 / a if logits else mpmath.mpf(1) / 2
    variance = 1 / a**2 - mpmath.exp(a) / mpmath.expm1(a) ** 2 if logits else mpmath.mpf(1) / 12
    assert float(q.mean) == pytest.approx(float(mean), rel=1e-7)
    assert float(q.variance) == pytest.approx(float(variance), rel=1e-5)


@pytest.mark.parametrize("logits", LOGITS)
def test_continuous_bernoulli_icdf_inverts_cdf(logits: float) -> None:
    q = ContinuousBernoulli(torch.tensor(logits, dtype=D))
    u = torch.tensor([1e-6, 0.1, 0.5, 0.9, 1 - 1e-6], dtype=D)
    assert torch.allclose(q.cdf(q.icdf(u)), u, atol=1e-7)


def test_continuous_bernoulli_agrees_with_torch_where_torch_follows() -> None:
    logits = torch.linspace(-12, 12, 50, dtype=D)
    x = torch.rand(50, dtype=D, generator=torch.Generator().manual_seed(0))
    theirs = torch.distributions.ContinuousBernoulli(logits=logits).log_prob(x)
    assert torch.allclose(ContinuousBernoulli(logits).log_prob(x), theirs, atol=1e-6)


def interval_by_mpmath(a: float, b: float) -> float:
    mpmath.mp.dps = 60
    a, b = (a, b) if a + b <= 0 else (-b, -a)
    cdf = lambda t: mpmath.erfc(-mpmath.mpf(t) / mpmath.sqrt(2)) / 2  # noqa: E731
    return float(mpmath.log(cdf(b) - cdf(a)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 5e-6)])
def test_mass_of_an_interval_against_mpmath(dtype: torch.dtype, tolerance: float) -> None:
    generator = np.random.default_rng(0)
    unit = Normal(torch.tensor(0.0, dtype=dtype), torch.tensor(1.0, dtype=dtype))
    for _ in range(400):
        centre = 10 ** generator.uniform(-2, 4) * generator.choice([-1, 1])
        half = 10 ** generator.uniform(-4, 2)
        a, b = (torch.tensor(centre + side * half, dtype=dtype) for side in (-1, 1))
        if a < b:
            truth = interval_by_mpmath(float(a), float(b))
            a, b = a.requires_grad_(), b.requires_grad_()
            value = log_interval(unit, a, b)
            assert value.item() == pytest.approx(truth, rel=tolerance, abs=tolerance)
            value.backward()
            for end, sign in ((a, -1), (b, 1)):
                slope = float(sign * mpmath.npdf(mpmath.mpf(end.item())) / mpmath.exp(mpmath.mpf(truth)))
                assert end.grad is not None
                assert end.grad.item() == pytest.approx(slope, rel=300 * tolerance, abs=300 * tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_mass_of_an_interval_has_finite_gradients(dtype: torch.dtype) -> None:
    loc, raw, k = torch.meshgrid(
        torch.tensor([0.0, 0.5, -3.0, 40.0, 1000.0, -1e4], dtype=dtype),
        torch.tensor([-11.0, -6.9, -3.0, 0.0, 3.0, 11.0], dtype=dtype),
        torch.tensor([0.0, 1.0, 8.0, 16.0], dtype=dtype),
        indexing="ij",
    )
    loc, raw = loc.clone().requires_grad_(), raw.clone().requires_grad_()
    one = torch.ones((), dtype=dtype)
    q = Discretised(Normal(loc, raw.exp(), validate_args=False), 0 * one, 16 * one, low=0, high=16)
    value = q.log_prob(k)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert (value <= 1e-6).all()
    for t in (loc, raw):
        assert t.grad is not None
        assert torch.isfinite(t.grad).all()


@pytest.mark.parametrize("kind", ["normal", "continuous-bernoulli"])
@pytest.mark.parametrize("parameter", [-5.0, -0.3, 0.0, 0.7, 30.0])
def test_levels_sum_to_one(kind: str, parameter: float) -> None:
    p = torch.tensor(parameter, dtype=D)
    if kind == "normal":
        base, loc, scale, closed = Normal(p, torch.tensor(0.1, dtype=D)), 0.0, 255.0, False
    else:
        base, loc, scale, closed = ContinuousBernoulli(p * 20), -0.5, 256.0, True
    q = Discretised(base, torch.tensor(loc, dtype=D), torch.tensor(scale, dtype=D), low=0, high=255, closed=closed)
    total = torch.logsumexp(q.log_prob(torch.arange(256, dtype=D)), 0)
    assert abs(float(total)) < 1e-6


def test_levels_are_the_integral_that_dequantisation_estimates() -> None:
    base = Normal(torch.tensor(0.4, dtype=D), torch.tensor(0.05, dtype=D))
    loc, scale = torch.tensor(0.0, dtype=D), torch.tensor(16.0, dtype=D)
    q, density = Discretised(base, loc, scale, low=-100, high=100), Rescaled(base, loc, scale)
    u = torch.linspace(-0.5, 0.5, 20_001, dtype=D)
    for k in (3.0, 6.0, 8.0):
        integral = torch.trapezoid(density.log_prob(k + u).exp(), u).log()
        assert float(q.log_prob(torch.tensor(k, dtype=D))) == pytest.approx(float(integral), abs=1e-7)


def test_rescaled_density_integrates_to_one_and_has_its_moments() -> None:
    q = Rescaled(Normal(torch.tensor(0.3, dtype=D), torch.tensor(0.5, dtype=D)), torch.tensor(10.0), torch.tensor(4.0))
    y = torch.linspace(-20, 40, 100_001, dtype=D)
    p = q.log_prob(y).exp()
    assert float(torch.trapezoid(p, y)) == pytest.approx(1, abs=1e-6)
    assert float(torch.trapezoid(p * y, y)) == pytest.approx(float(q.mean), abs=1e-6)
    assert float(torch.trapezoid(p * (y - q.mean) ** 2, y)) == pytest.approx(float(q.variance), abs=1e-5)
    assert float(q.cdf(q.icdf(torch.tensor(0.2, dtype=D)))) == pytest.approx(0.2)


def test_cross_entropy_is_no_density() -> None:
    y = torch.linspace(0, 1, 10_001, dtype=D)
    mass = torch.trapezoid(CrossEntropy(torch.tensor(0.3, dtype=D)).log_prob(y).exp(), y)
    assert abs(float(mass) - 1) > 0.1


def test_an_interval_of_an_unknown_distribution_is_refused() -> None:
    with pytest.raises(AbilityError, match="Laplace"):
        log_interval(torch.distributions.Laplace(0.0, 1.0), torch.tensor(0.0), torch.tensor(1.0))
