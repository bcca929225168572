"""Mutual information against enumeration, quadrature and the closed form of jointly normal x and z."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Normal

from latentia import families
from latentia.batch import Batch, TensorBatches
from latentia.bounds import mutual_information
from latentia.conditional import Conditional
from latentia.errors import ParameterError
from latentia.models import CategoricalPrior, FiniteLatentModel, LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP, OneHot
from latentia.posteriors import Exact, Posterior

D = torch.float64


class Given(Posterior):
    """q(z|x) = N(x_0, scale^2), one unit."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, batch: Batch, model: object) -> Distribution:
        loc = batch.x[:, :1]
        return Independent(Normal(loc, torch.full_like(loc, self.scale)), 1)


def model() -> LatentVariableModel:
    torch.manual_seed(0)
    return LatentVariableModel(StandardNormal(1), Conditional(MLP(1, 2, (4,)), families.Bernoulli((2,)), (1,))).double()


def by_quadrature(loc: np.ndarray, scale: float, weight: np.ndarray) -> tuple[float, float]:
    """I and KL(q(z) || p(z)) on a fine grid of z."""
    z = np.linspace(-30, 30, 60_001)
    share = weight / weight.sum()
    each = -0.5 * ((z - loc[:, None]) / scale) ** 2 - math.log(scale * math.sqrt(2 * math.pi))
    mixture = logsumexp(each, axis=0, b=share[:, None])
    prior = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    inside = np.exp(each) * (each - mixture)
    outside = np.exp(mixture) * (mixture - prior)
    step = z[1] - z[0]
    return float(share @ inside.sum(1) * step), float(outside.sum() * step)


@pytest.mark.parametrize(("scale", "weighted"), [(0.05, False), (0.5, False), (0.5, True), (3.0, False)])
def test_it_agrees_with_quadrature(scale: float, weighted: bool) -> None:
    rng = np.random.default_rng(1)
    x, weight = rng.normal(size=(40, 2)), rng.random(40) + 0.1 if weighted else np.ones(40)
    given = torch.from_numpy(weight) if weighted else None
    rows = TensorBatches(torch.from_numpy(x), batch_size=7, dtype=D, weight=given)
    found = mutual_information(model(), Given(scale), rows, n_samples=2000)
    value, marginal = by_quadrature(x[:, 0], scale, weight)
    assert found.value == pytest.approx(value, abs=5e-3)
    assert found.marginal_kl == pytest.approx(marginal, abs=0.05 * max(1, marginal))
    assert found.kl == pytest.approx(found.value + found.marginal_kl)
    entropy = -float((weight / weight.sum()) @ np.log(weight / weight.sum()))
    assert found.ceiling == pytest.approx(entropy)
    assert found.value <= found.ceiling + 1e-9


def test_jointly_normal_rows_have_the_closed_form() -> None:
    """I(x, z) = 1/2 log det(I + W^T W / s^2), many rows; and q(z) = p(z) where q is exact and the rows are the model's."""
    torch.manual_seed(0)
    p = ProbabilisticPCA(4, 2)
    with torch.no_grad():
        p.loading.copy_(torch.tensor([[1.0, 0.2], [0.5, -1.0], [0.3, 0.4], [-0.6, 0.1]]))
        p.log_scale.fill_(math.log(0.8))
    x = p.sample(10_000)
    found = mutual_information(p, Exact(), TensorBatches(x, batch_size=1000, dtype=D), n_probes=4000)
    loading = p.loading.detach().double()
    wanted = 0.5 * float(torch.logdet(torch.eye(2, dtype=D) + loading.T @ loading / 0.64))
    assert abs(found.value - wanted) < 5 * found.error + 0.01
    assert abs(found.marginal_kl) < 0.02


def test_a_finite_latent_is_summed() -> None:
    torch.manual_seed(0)
    network = Conditional(OneHot(3, MLP(3, 4, ())), families.Normal((4,), scale="one"), ())
    p = FiniteLatentModel(CategoricalPrior(3), network).double()
    x = torch.randn(30, 4, dtype=D)
    found = mutual_information(p, Exact(), TensorBatches(x, batch_size=8, dtype=D))
    q = p.posterior(x).probs.detach().numpy()
    mixture, prior = q.mean(0), p.prior().probs.detach().numpy()
    assert found.value == pytest.approx(float((q * np.log(q / mixture)).sum(1).mean()))
    assert found.marginal_kl == pytest.approx(float((mixture * np.log(mixture / prior)).sum()))


def test_few_reference_rows_give_a_low_ceiling_and_rows_are_evenly_spaced() -> None:
    x = torch.arange(100.0, dtype=D).reshape(-1, 1).expand(100, 2).contiguous()
    rows = TensorBatches(x, batch_size=30, dtype=D)
    next(rows)
    position = rows.position
    seen: list[Tensor] = []

    class Watched(Given):
        def forward(self, batch: Batch, model: object) -> Distribution:
            seen.append(batch.index)
            return super().forward(batch, model)

    found = mutual_information(model(), Watched(0.01), rows, n_reference=10, n_probes=10)
    assert (found.n_reference, found.n_probes) == (10, 10)
    assert torch.cat(seen).diff().tolist() == [10] * 9
    assert found.value == pytest.approx(math.log(10), abs=1e-6)
    assert found.ceiling == pytest.approx(math.log(10))
    assert rows.position == position
    assert "ceiling 2.30" in str(found)


def test_counts_below_one_are_refused() -> None:
    with pytest.raises(ParameterError, match="n_probes=0"):
        mutual_information(model(), Given(1.0), TensorBatches(torch.zeros(3, 2), dtype=D), n_probes=0)


def test_a_constant_posterior_says_nothing() -> None:
    class Constant(Posterior):
        def forward(self, batch: Batch, model: object) -> Distribution:
            return Categorical(torch.full((len(batch), 3), 1 / 3, dtype=D))

    torch.manual_seed(0)
    network = Conditional(OneHot(3, MLP(3, 4, ())), families.Normal((4,), scale="one"), ())
    p = FiniteLatentModel(CategoricalPrior(3), network).double()
    found = mutual_information(p, Constant(), TensorBatches(torch.randn(20, 4), dtype=D))
    assert found.value == pytest.approx(0.0, abs=1e-12)
