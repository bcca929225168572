"""Evidence: the closed form on linear-Gaussian models, order, invariance, errors, honest refusals."""

from math import log, pi

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

import latentia.evidence.rows as implementation
from latentia import evidence, families
from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError
from latentia.estimate import Estimate
from latentia.models import FactorAnalysis, LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized, Exact, Posterior


class Shifted(Posterior):
    """The exact posterior's mean and spread, shifted and widened."""

    def __init__(self, shift: float, widen: float) -> None:
        super().__init__()
        self.shift, self.widen = shift, widen

    def forward(self, batch: Batch, model: ProbabilisticPCA) -> Independent:
        q = model.posterior(batch.x)
        return Independent(Normal(q.mean + self.shift * q.stddev, self.widen * q.stddev), 1)


def random_model(seed: int, dtype: torch.dtype = torch.float64) -> tuple[ProbabilisticPCA, torch.Tensor]:
    torch.manual_seed(seed)
    model = ProbabilisticPCA(6, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.6 * torch.randn_like(parameter))
    x = model.sample(20)
    return model.to(dtype), x.to(dtype)


def naive_log_prob(model: ProbabilisticPCA, x: torch.Tensor) -> np.ndarray:
    from scipy.stats import multivariate_normal

    mean, covariance = model.mean().detach().double().numpy(), model.covariance().detach().double().numpy()
    return multivariate_normal(mean, covariance).logpdf(x.double().numpy())


def test_exact_is_the_closed_form() -> None:
    model, x = random_model(0)
    estimate = evidence.exact(model, x)
    assert estimate.values.numpy() == pytest.approx(naive_log_prob(model, x), abs=1e-9)
    assert estimate.kind == "exact"
    assert estimate.mc_error == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_importance_is_within_its_error_of_the_closed_form(dtype: torch.dtype) -> None:
    inside = total = 0
    for seed in range(100):
        model, x = random_model(seed, dtype)
        estimate = evidence.importance(model, Shifted(0.4, 1.3), x[:1], n_samples=400, seed=seed)
        assert estimate.ess is not None
        assert estimate.row_mc_error is not None
        if float(estimate.ess) > 40:
            total += 1
            gap = abs(float(estimate.values) - naive_log_prob(model, x[:1]).item())
            inside += gap <= 3 * float(estimate.row_mc_error) + (1e-4 if dtype == torch.float32 else 1e-9)
        else:
            assert "effective sample size" in estimate.warning
    assert total > 60
    assert inside >= 0.99 * total


def test_a_poor_proposal_is_warned_of() -> None:
    model, x = random_model(1)
    estimate = evidence.importance(model, Shifted(6.0, 0.3), x, n_samples=200)
    assert "Use more samples" in estimate.warning
    assert "Use more samples" in str(estimate)


def test_order_of_the_bounds() -> None:
    model, x = random_model(2)
    q = Shifted(0.5, 1.5)
    low = evidence.elbo(model, q, x, n_samples=2000)
    middle = evidence.importance(model, q, x, n_samples=10)
    high = evidence.importance(model, q, x, n_samples=5000)
    truth = evidence.exact(model, x).mean
    assert low.mean < middle.mean + 4 * (low.mc_error + middle.mc_error)
    assert middle.mean < high.mean + 4 * (middle.mc_error + high.mc_error)
    assert abs(high.mean - truth) < 4 * high.mc_error + 1e-3


def test_elbo_is_the_log_evidence_less_the_kl() -> None:
    model, x = random_model(3)
    q = Shifted(0.5, 1.2)
    estimate = evidence.elbo(model, q, x, n_samples=4000)
    batch = Batch(x, torch.arange(len(x)))
    exact_q = model.posterior(x)
    z_cov, mean = exact_q.covariance_matrix, exact_q.mean
    mine = q(batch, model)
    diagonal = torch.diag_embed(mine.variance)
    gap = mine.mean - mean
    kl = 0.5 * (
        torch.einsum("nij,nji->n", torch.linalg.inv(z_cov), diagonal)
        + torch.einsum("ni,nij,nj->n", gap, torch.linalg.inv(z_cov), gap)
        - 2
        + torch.logdet(z_cov)
        - torch.logdet(diagonal)
    )
    truth = evidence.exact(model, x).values - kl.detach()
    assert estimate.row_mc_error is not None
    assert ((estimate.values - truth).abs() < 6 * estimate.row_mc_error).all()


@pytest.mark.parametrize("method", ["elbo", "importance"])
def test_any_chunking_any_order_the_same_rows(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = random_model(4)
    q = Shifted(0.4, 1.3)
    whole = evidence.estimate(method, model, q, x, n_samples=100, seed=5)
    monkeypatch.setattr(implementation, "CELLS_AT_ONCE", 50)
    parts = evidence.estimate(method, model, q, x.flip(0), n_samples=100, seed=5, chunk=3)
    alone = evidence.estimate(method, model, q, x[7:8], n_samples=100, seed=5)
    assert parts.values.flip(0).numpy() == pytest.approx(whole.values.numpy(), abs=1e-10)
    assert float(alone.values) == pytest.approx(float(whole.values[7]), abs=1e-10)
    assert parts.row_mc_error is not None
    assert whole.row_mc_error is not None
    assert parts.row_mc_error.flip(0).numpy() == pytest.approx(whole.row_mc_error.numpy(), rel=1e-6)
    other = evidence.estimate(method, model, q, x, n_samples=100, seed=6)
    assert not torch.equal(other.values, whole.values)


def test_evidence_leaves_the_process_random_state_alone() -> None:
    model, x = random_model(5)
    before = torch.get_rng_state()
    evidence.importance(model, Exact(), x, n_samples=10)
    assert torch.equal(torch.get_rng_state(), before)


def test_monte_carlo_error_is_the_spread_of_repeats() -> None:
    model, x = random_model(6)
    q = Shifted(0.3, 1.3)
    repeats = [evidence.importance(model, q, x, n_samples=200, seed=s) for s in range(60)]
    spread = torch.stack([r.values for r in repeats]).std(0)
    claimed = torch.stack([r.row_mc_error for r in repeats if r.row_mc_error is not None]).mean(0)
    assert ((spread / claimed - 1).abs() < 0.6).all()


def test_estimate_errors_against_numpy() -> None:
    values = torch.tensor([-1.0, -2.0, -6.0], dtype=torch.float64)
    error = torch.tensor([0.1, 0.2, 0.2], dtype=torch.float64)
    estimate = Estimate(values, "lower", "importance", 10, error)
    assert estimate.mean == pytest.approx(-3)
    assert estimate.mc_error == pytest.approx(np.sqrt(0.01 + 0.04 + 0.04) / 3)
    assert estimate.row_error == pytest.approx(np.std([-1, -2, -6], ddof=1) / np.sqrt(3))
    assert estimate.bits_per_dimension(4) == pytest.approx(3 / (4 * log(2)))
    weighted = Estimate(values, "exact", "closed form", weight=torch.tensor([2.0, 0.0, 2.0]))
    assert weighted.mean == pytest.approx(-3.5)
    assert weighted.total == pytest.approx(-14)
    assert ">=" in str(estimate)


def test_active_units_of_a_factor_model() -> None:
    model, x = random_model(7)
    units = evidence.active_units(model, Exact(), x)
    assert units.n_active == int((model.posterior(x).mean.var(0, correction=0) > 0.01).sum())


def vae(family: families.Family) -> tuple[LatentVariableModel, Amortized]:
    model = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 4, (5,)), family, (2,)))
    return model, Amortized(Conditional(MLP(4, 4, (5,)), families.Normal((2,)), (4,), joint=True))


def test_a_reconstruction_error_has_no_evidence() -> None:
    model, q = vae(families.CrossEntropy((4,)))
    for method in ("elbo", "importance", "exact"):
        with pytest.raises(AbilityError, match="no density"):
            evidence.estimate(method, model, q, torch.zeros(3, 4))


def test_refusals() -> None:
    model, q = vae(families.Bernoulli((4,)))
    with pytest.raises(AbilityError, match=r"evidence\.importance"):
        evidence.exact(model, torch.zeros(3, 4))
    with pytest.raises(ParameterError, match="n_samples=0"):
        evidence.importance(model, q, torch.zeros(3, 4), n_samples=0)
    with pytest.raises(ParameterError, match="evidence='magic'"):
        evidence.estimate("magic", model, q, torch.zeros(3, 4))
    with pytest.raises(AbilityError, match="exact posterior"):
        Exact()(Batch(torch.zeros(3, 4), torch.arange(3)), model)


def test_rows_that_the_model_gives_no_mass() -> None:
    model, _ = random_model(8)
    far = torch.full((2, 6), 1e200, dtype=torch.float64)
    estimate = evidence.importance(model, Shifted(0.0, 1.0), far, n_samples=20)
    assert not torch.isnan(estimate.values).any()


def test_constants_are_kept() -> None:
    model = FactorAnalysis(3, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    value = evidence.exact(model, torch.zeros(1, 3, dtype=torch.float64)).mean
    assert value == pytest.approx(-1.5 * log(2 * pi))
