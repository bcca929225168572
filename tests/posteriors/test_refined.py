"""Refined proposals, on linear-Gaussian models where the best factorised q is known."""

import pytest
import torch
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

from latentia import evidence
from latentia.batch import Batch
from latentia.errors import AbilityError, ParameterError
from latentia.models import ProbabilisticPCA
from latentia.posteriors import Posterior, Refined

D = torch.float64


class Wrong(Posterior):
    """Far from the posterior, and too wide."""

    def forward(self, batch: Batch, model: object) -> Independent:
        return Independent(
            Normal(torch.full((len(batch), 2), 1.5, dtype=D), torch.full((len(batch), 2), 2.0, dtype=D)), 1
        )


class Full(Posterior):
    def forward(self, batch: Batch, model: object) -> Distribution:
        return MultivariateNormal(torch.zeros(len(batch), 2), torch.eye(2))


class Square(Posterior):
    def forward(self, batch: Batch, model: object) -> Distribution:
        return Independent(Normal(torch.zeros(len(batch), 2, 2), torch.ones(len(batch), 2, 2)), 2)


def model_and_rows(seed: int = 0) -> tuple[ProbabilisticPCA, torch.Tensor]:
    torch.manual_seed(seed)
    model = ProbabilisticPCA(5, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn_like(parameter))
    return model, model.sample(12)


def batch(x: torch.Tensor) -> Batch:
    return Batch(x, torch.arange(len(x)))


@pytest.mark.parametrize("seed", range(3))
def test_it_reaches_the_best_factorised_q(seed: int) -> None:
    model, x = model_and_rows(seed)
    q = Refined(Wrong(), n_steps=400, n_samples=32)(batch(x), model)
    exact = model.posterior(x)
    best = torch.linalg.inv(exact.covariance_matrix).diagonal(dim1=-2, dim2=-1).rsqrt()
    reached, least = (kl_divergence(wide(m, s), exact) for m, s in ((q.mean, q.stddev), (exact.mean, best)))
    assert float((reached - least).detach().max()) < 0.02  # nats; the start is off by about ten


@pytest.mark.parametrize("seed", range(3))
def test_with_full_covariance_it_reaches_the_exact_posterior(seed: int) -> None:
    model, x = model_and_rows(seed)
    q = Refined(Wrong(), n_steps=800, full=True)(batch(x), model)
    assert float(kl_divergence(q, model.posterior(x)).detach().max()) < 1e-3


def wide(mean: torch.Tensor, sd: torch.Tensor) -> MultivariateNormal:
    return MultivariateNormal(mean, scale_tril=torch.diag_embed(sd.expand_as(mean)))


def test_rows_do_not_depend_on_their_neighbours() -> None:
    model, x = model_and_rows()
    together = Refined(Wrong(), n_steps=20)(batch(x), model)
    alone = Refined(Wrong(), n_steps=20)(batch(x[[7, 2]]), model)
    assert torch.allclose(together.mean[[7, 2]], alone.mean, rtol=1e-9, atol=1e-9)


def test_a_refined_proposal_gives_better_evidence_and_touches_no_gradient() -> None:
    model, x = model_and_rows()
    exact = evidence.exact(model, x)
    start = evidence.importance(model, Wrong(), x, n_samples=300)
    better = evidence.importance(model, Refined(Wrong()), x, n_samples=300)
    assert start.ess is not None
    assert better.ess is not None
    assert float(better.ess.mean()) > 3 * float(start.ess.mean())
    assert abs(better.mean - exact.mean) < 5 * better.mc_error + 1e-6
    assert all(parameter.grad is None for parameter in model.parameters())


def test_refusals() -> None:
    model, x = model_and_rows()
    with pytest.raises(AbilityError, match="Only a Normal q is refined"):
        Refined(Full())(batch(x), model)
    with pytest.raises(ParameterError, match="n_steps=0"):
        Refined(Wrong(), n_steps=0)
    with pytest.raises(AbilityError, match="flat z"):
        Refined(Square(), full=True)(batch(x), model)
