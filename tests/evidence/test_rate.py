"""Rate, distortion, total correlation and holes of linear-Gaussian models, where all of them are closed."""

from math import log, pi
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from latentia import evidence
from latentia.batch import Batch, TensorBatches
from latentia.bounds import mutual_information
from latentia.errors import AbilityError, ParameterError
from latentia.models import GaussianMixture, ProbabilisticPCA
from latentia.posteriors import Exact, Posterior


def linear(k: int = 2, seed: int = 0) -> ProbabilisticPCA:
    model = ProbabilisticPCA(4, k)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return model.double()


def rows_of(model: Any, n: int = 40, seed: int = 1) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return model.sample(n).double()


class Factorised(Posterior):
    """The exact mean with spreads of its own: independent units."""

    def __init__(self, widen: float = 1.0) -> None:
        super().__init__()
        self.widen = widen

    def forward(self, batch: Batch, model: Any) -> Independent:
        q = model.posterior(batch.x)
        return Independent(Normal(q.mean, self.widen * q.stddev), 1)


# --- rate and distortion ---------------------------------------------------------------------------------------------


def test_rate_and_distortion_make_the_elbo() -> None:
    model = linear()
    x = rows_of(model)
    point = evidence.rate_distortion(model, Exact(), x, n_samples=64)
    q, p = model.posterior(x), MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    kl = kl_divergence(q, p).detach()
    assert point.rate == pytest.approx(float(kl.mean()), rel=1e-9)
    assert point.rate_error == pytest.approx(float(kl.std()) / len(x) ** 0.5, rel=1e-9)
    assert point.elbo == pytest.approx(evidence.elbo(model, Exact(), x).mean, rel=1e-12)


def tempered(model: ProbabilisticPCA, x: Tensor, beta: float) -> tuple[float, float]:
    """Rate and distortion under p(z) N(x; loc + W z, s^2)^beta in closed form."""
    w, loc = model.loading.detach(), model.loc.detach()
    noise = model.scale.detach().reshape(-1)[0].square()
    precision = torch.eye(w.shape[1]).double() + beta * w.T @ w / noise
    covariance = torch.linalg.inv(precision)
    mean = beta / noise * (x - loc) @ w @ covariance
    prior = MultivariateNormal(torch.zeros(w.shape[1]).double(), torch.eye(w.shape[1]).double())
    rate = kl_divergence(MultivariateNormal(mean, covariance.expand(len(x), -1, -1)), prior)
    error = (x - loc - mean @ w.T).square().sum(1) + (w @ covariance @ w.T).trace()
    distortion = 0.5 * error / noise + 0.5 * x.shape[1] * torch.log(2 * pi * noise)
    return float(rate.mean()), float(distortion.mean())


@pytest.mark.parametrize("widen", [1.0, 1.5])
def test_the_curve_is_the_closed_one(widen: float) -> None:
    model = linear(1)
    x = rows_of(model, 30)
    weights = (8.0, 2.0, 1.0, 0.5)
    points = evidence.rate_distortion_curve(model, Factorised(widen), x, kl_weights=weights, n_samples=20_000)
    for b, point in zip(weights, points):
        wanted = tempered(model, x, 1 / b)
        assert (point.rate, point.distortion) == pytest.approx(wanted, abs=0.02), b
        assert not point.warning
    assert points[2].elbo == pytest.approx(evidence.exact(model, x).mean, abs=0.01)


def test_a_curve_of_a_finite_latent_is_a_sum() -> None:
    model = GaussianMixture(3, 4).double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.randn(20, 3).double()
        model.initialise(TensorBatches(x, dtype=torch.float64), "random", 0)
    (point,) = evidence.rate_distortion_curve(model, Exact(), x, kl_weights=(1.0,))
    assert point.elbo == pytest.approx(evidence.exact(model, x).mean, rel=1e-9)
    other = evidence.rate_distortion(model, Exact(), x)
    assert (point.rate, point.distortion) == pytest.approx((other.rate, other.distortion), rel=1e-9)


def test_a_q_far_away_is_warned_of() -> None:
    class Far(Posterior):
        def forward(self, batch: Batch, model: Any) -> Independent:
            q = model.posterior(batch.x)
            return Independent(Normal(q.mean + 5, 0.1 * q.stddev), 1)

    model = linear()
    with torch.no_grad():
        model.loading.mul_(50)
    (point,) = evidence.rate_distortion_curve(model, Far(), rows_of(model), kl_weights=(1.0,), n_samples=50)
    assert "effective sample size" in point.warning


# --- decomposition ---------------------------------------------------------------------------------------------------


class Given(Posterior):
    """N(A x, s^2) with independent units; with x standard normal q(z) is N(0, A A' + s^2)."""

    def __init__(self, a: Tensor, scale: float) -> None:
        super().__init__()
        self.a, self.scale = a, scale

    def forward(self, batch: Batch, model: Any) -> Independent:
        mean = batch.x @ self.a.T
        return Independent(Normal(mean, torch.full_like(mean, self.scale)), 1)


def test_the_parts_of_the_kl_are_those_of_normals() -> None:
    a, scale = torch.tensor([[1.0, 0.3], [0.8, -0.5]]).double(), 0.7
    with torch.random.fork_rng():
        torch.manual_seed(3)
        x = torch.randn(6000, 2).double()
    model = ProbabilisticPCA(2, 2).double()
    parts = evidence.decompose(model, Given(a, scale), x, n_reference=6000, n_probes=3000)
    cov = a @ a.T + scale**2 * torch.eye(2).double()
    diagonal = cov.diagonal()
    wanted_mi = 0.5 * float(torch.logdet(cov) - 2 * log(scale**2))
    wanted_tc = 0.5 * float(diagonal.log().sum() - torch.logdet(cov))
    wanted_kl = 0.5 * (diagonal - 1 - diagonal.log())
    assert parts.information == pytest.approx(wanted_mi, abs=5 * parts.information_error + 0.01)
    assert parts.total_correlation == pytest.approx(wanted_tc, abs=5 * parts.total_correlation_error + 0.01)
    torch.testing.assert_close(parts.unit_kl, wanted_kl, atol=0.1, rtol=0)
    assert parts.information_error < 0.03


def test_the_parts_add_up_and_agree_with_the_mutual_information() -> None:
    model = linear()
    x = rows_of(model, 200)
    parts = evidence.decompose(model, Factorised(), x, n_probes=200, n_samples=50)
    kl = evidence.rate_distortion(model, Factorised(), x).rate
    batches = TensorBatches(x, dtype=torch.float64)
    other = mutual_information(model, Factorised(), batches, n_probes=200, n_samples=50)
    assert parts.kl == pytest.approx(other.kl, rel=1e-9)  # the same draws
    assert parts.information == pytest.approx(other.value, rel=1e-9)
    assert parts.kl == pytest.approx(kl, abs=0.1)
    assert parts.information <= parts.ceiling == pytest.approx(log(200))


def test_a_normal_q_has_marginals_and_a_mixture_has_not() -> None:
    model = linear()
    parts = evidence.decompose(model, Exact(), rows_of(model))
    assert parts.total_correlation >= -5 * parts.total_correlation_error
    with pytest.raises(AbilityError, match="no densities of their own"):
        evidence.decompose(GaussianMixture(4, 3).double(), Exact(), rows_of(model))


@pytest.mark.parametrize("batch_size", [2, 5, 12])
def test_stratified_weights_are_unbiased_over_all_batches(batch_size: int) -> None:
    n = 12
    with torch.random.fork_rng():
        torch.manual_seed(0)
        density = torch.rand(n).double()  # q(z_0 | x_j) of a fixed z_0 drawn from row 0
        weight = evidence.stratified_log_weights(batch_size, n).exp().double()
        found = [
            (weight[0] * density[torch.cat([torch.tensor([0]), 1 + torch.randperm(n - 1)[: batch_size - 1]])]).sum()
            for _ in range(4000)
        ]
    values = torch.stack(found)
    assert float(values.mean()) == pytest.approx(float(density.mean()), abs=5 * float(values.std()) / 4000**0.5 + 1e-6)


# --- holes -----------------------------------------------------------------------------------------------------------


def test_holes_of_a_narrow_mixture_are_the_tails() -> None:
    model = ProbabilisticPCA(1, 1).double()
    q = Given(torch.zeros(1, 1).double(), 0.5)  # q(z) = N(0, 0.25) against N(0, 1)
    found = evidence.prior_holes(model, q, torch.zeros(3, 1).double(), threshold=0.1, n_draws=40_000)
    # q/p = 2 exp(-1.5 z^2) < 0.1  <=>  z^2 > log(20) / 1.5
    edge = (log(20) / 1.5) ** 0.5
    wanted = float(2 * (1 - Normal(0.0, 1.0).cdf(torch.tensor(edge))))
    assert found.share == pytest.approx(wanted, abs=5 * found.error)
    wanted_kl = float(kl_divergence(Normal(0.0, 1.0), Normal(0.0, 0.5)))
    assert found.log_ratio == pytest.approx(wanted_kl, abs=5 * found.log_ratio_error)


def test_a_q_that_is_the_prior_leaves_no_holes() -> None:
    model = ProbabilisticPCA(2, 2).double()
    found = evidence.prior_holes(model, Given(torch.zeros(2, 2).double(), 1.0), torch.zeros(3, 2).double())
    assert (found.share, found.log_ratio) == pytest.approx((0.0, 0.0), abs=1e-9)


BAD = [
    (lambda m, x: evidence.rate_distortion(m, Exact(), x, n_samples=0), "n_samples=0"),
    (lambda m, x: evidence.rate_distortion_curve(m, Exact(), x, n_samples=1), "n_samples=1"),
    (lambda m, x: evidence.rate_distortion_curve(m, Exact(), x, kl_weights=(1, 0)), "above zero"),
    (lambda m, x: evidence.decompose(m, Exact(), x, n_probes=0), "n_probes=0"),
    (lambda m, x: evidence.prior_holes(m, Exact(), x, threshold=0), "threshold=0"),
    (lambda m, x: evidence.stratified_log_weights(1, 5), "batch_size=1"),
]


@pytest.mark.parametrize(("call", "text"), BAD)
def test_bad_input_is_told(call: Any, text: str) -> None:
    model = linear()
    with pytest.raises(ParameterError, match=text):
        call(model, rows_of(model, 4))
