"""A flow as the richer family of q, where quadrature knows log p(x) and the density of a flow."""

import numpy as np
import pytest
import torch
from oracle_problems import curved

from latentia import evidence
from latentia.batch import Batch
from latentia.distributions.row_flow import RowFlow
from latentia.errors import AbilityError, ParameterError
from latentia.posteriors import Exact, RefinedFlow

D = torch.float64


@pytest.mark.parametrize(("seed", "n_latent"), [(1, 1), (0, 2)])
def test_a_flow_closes_what_no_normal_q_can(seed: int, n_latent: int) -> None:
    """Latents through sines: log p(x) by quadrature, which no ELBO exceeds; the posterior is far from normal."""
    found = curved(seed, n_latent, 12)
    gaps = evidence.gaps(found.model, found.posterior, found.x, n_samples=1000, richer="flow")
    full = evidence.gaps(found.model, found.posterior, found.x, n_samples=1000)
    truth = found.truth.mean()
    normal, flow = truth - full.richer.mean, truth - gaps.richer.mean
    assert normal > 0.02
    assert -5 * gaps.richer.mc_error < flow < 0.55 * normal
    error = gaps.richer.row_mc_error
    assert error is not None
    assert (found.truth - gaps.richer.values.numpy() > -5 * error.numpy() - 1e-3).all()
    assert gaps.log_prob.mean == pytest.approx(truth, abs=5 * gaps.log_prob.mc_error + 1e-3)
    assert gaps.richer_approximation.mean == pytest.approx(flow, abs=5 * gaps.log_prob.mc_error + 1e-3)
    assert "with a flow" in str(gaps)
    assert full.richer_family == "full covariance"


def random_flow(rows: int, d: int, dtype: torch.dtype = D) -> RowFlow:
    g = torch.Generator().manual_seed(d)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=D).to(dtype)  # noqa: E731
    tril = torch.diag_embed(0.5 + draw(rows, d).exp()) + torch.tril(draw(rows, d, d), -1)
    halves = [(d // 2, d - d // 2), (d - d // 2, d // 2), (d // 2, d - d // 2)]
    couplings = [(draw(rows, 5, led + 1), 0.5 * draw(rows, 2 * follow, 6)) for led, follow in halves]
    return RowFlow(draw(rows, d), tril, 0.4 * draw(rows, d, 2), couplings if d > 1 else ())


@pytest.mark.parametrize("d", [1, 2, 5])
def test_density_is_that_of_the_draws(d: int) -> None:
    """log q(z) = log N(e) - log|det dz/de|, the determinant by automatic differentiation."""
    q, e = random_flow(4, d), torch.randn(3, 4, d, dtype=D, generator=torch.Generator().manual_seed(1))
    z = q.from_noise(e)
    for s, b in ((0, 0), (1, 2), (2, 3)):

        def one(noise: torch.Tensor, s: int = s, b: int = b) -> torch.Tensor:
            whole = e.clone()
            whole[s, b] = noise
            return q.from_noise(whole)[s, b]

        jacobian = torch.autograd.functional.jacobian(one, e[s, b])
        log_normal = -0.5 * e[s, b].square().sum() - d / 2 * np.log(2 * np.pi)
        expected = log_normal - torch.linalg.slogdet(jacobian).logabsdet  # type: ignore[arg-type]
        assert float(q.log_prob(z)[s, b]) == pytest.approx(float(expected), abs=1e-9)


def test_density_integrates_to_one() -> None:
    q = random_flow(1, 2)
    axes = [q.from_noise(torch.randn(4000, 1, 2, dtype=D))[:, 0, i] for i in range(2)]
    low, high = (torch.stack([edge(axis) - side for axis in axes]) for edge, side in ((torch.min, 3), (torch.max, -3)))
    grid = torch.cartesian_prod(*(torch.linspace(float(a), float(b), 1500, dtype=D) for a, b in zip(low, high)))
    cell = float(((high - low) / 1499).prod())
    assert float(q.log_prob(grid.unsqueeze(1)).exp().sum()) * cell == pytest.approx(1, abs=2e-3)


def test_far_away_there_is_no_nan() -> None:
    """A defensive mixture asks for the density of the prior's draws, wherever they lie."""
    far, q = torch.tensor([1e4, -1e8, 0.0]).reshape(3, 1, 1).expand(3, 2, 3), random_flow(2, 3, torch.float32)
    light = RowFlow(q.loc, q.scale_tril, torch.full_like(q.bend, -3.0), q.couplings)
    assert not torch.isnan(torch.stack([q.log_prob(far), light.log_prob(far)])).any()


def test_where_q_is_exact_it_stays() -> None:
    """The gradient goes through the draws alone, and vanishes where the start is the posterior."""
    from latentia.models import ProbabilisticPCA

    torch.manual_seed(0)
    model = ProbabilisticPCA(5, 2)
    x = model.sample(6)
    found, truth = evidence.elbo(model, RefinedFlow(Exact()), x, n_samples=2000), evidence.exact(model, x)
    assert 0 <= truth.mean - found.mean < 0.003
    batch = Batch(x, torch.arange(6))
    z, first = model.posterior(x).sample(torch.Size((50,))), RefinedFlow(Exact(), n_steps=1)(batch, model)
    assert torch.allclose(first.log_prob(z), model.posterior(x).log_prob(z), atol=1e-6)


def test_refusals_of_flows() -> None:
    from latentia.models import ProbabilisticPCA
    from latentia.posteriors import Posterior

    class Coins(Posterior):
        def forward(self, batch: Batch, model: object) -> torch.distributions.Distribution:
            return torch.distributions.Independent(torch.distributions.Bernoulli(torch.full((len(batch), 2), 0.5)), 1)

    batch = Batch(torch.zeros(2, 3, dtype=D), torch.arange(2))
    with pytest.raises(AbilityError, match="begins at a normal q"):
        RefinedFlow(Coins())(batch, ProbabilisticPCA(3, 2))
    with pytest.raises(ParameterError, match="n_steps=0"):
        RefinedFlow(Exact(), n_steps=0)
