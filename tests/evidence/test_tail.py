"""The tail index of importance weights, against SciPy's maximum likelihood and against weights whose index is known."""

import numpy as np
import pytest
import torch
from scipy.stats import genpareto
from scipy.stats import norm as normal
from scipy.stats import t as student
from torch.distributions import Independent, Normal

from latentia import evidence
from latentia.batch import Batch
from latentia.evidence.tail import Tail, pareto_index, tail_size
from latentia.models import ProbabilisticPCA
from latentia.posteriors import Posterior


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.3, 0.5, 0.7, 1.0, 1.5])
def test_against_maximum_likelihood(k: float) -> None:
    x = np.sort(genpareto.rvs(k, size=(3000, 5), random_state=1), axis=0)
    ours = pareto_index(torch.as_tensor(x)).numpy()
    theirs = np.array([genpareto.fit(column, floc=0)[0] for column in x.T])
    assert np.abs(ours - theirs).max() < 0.03
    assert np.abs(ours - k).max() < 5 * (1 + abs(k)) / np.sqrt(3000)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_unit_does_not_matter(scale: float) -> None:
    x = torch.as_tensor(np.sort(genpareto.rvs(0.4, size=(200, 3), random_state=2), axis=0))
    assert torch.allclose(pareto_index(scale * x), pareto_index(x), atol=1e-9)


def test_any_chunking_is_the_same() -> None:
    torch.manual_seed(0)
    log_weight = torch.randn(1000, 4, dtype=torch.float64)
    whole = Tail(1000)
    whole.add(log_weight)
    for size in (1, 7, 300):
        parts = Tail(1000)
        for chunk in log_weight.split(size):
            parts.add(chunk)
        assert torch.equal(parts.index(), whole.index())  # type: ignore[arg-type]


@pytest.mark.parametrize("shrink", [0.5, 0.7, 0.9])
def test_a_narrow_gaussian_proposal_has_the_index_of_theory(shrink: float) -> None:
    """With q = N(0, s^2) and p = N(0, 1) the tail of the weights is Pareto with k = 1 - s^2."""
    torch.manual_seed(0)
    z = shrink * torch.randn(2_000_000, 1, dtype=torch.float64)
    log_weight = Normal(0.0, 1.0).log_prob(z) - Normal(0.0, shrink).log_prob(z)
    tail = Tail(len(z))
    tail.add(log_weight)
    index = tail.index()
    assert index is not None
    assert index.item() == pytest.approx(1 - shrink**2, abs=0.12)  # the logarithm in front of the power fades slowly


def test_no_spread_and_too_few_samples() -> None:
    tail = Tail(100)
    tail.add(torch.zeros(100, 2))
    assert tail.index().tolist() == [0.0, 0.0]  # type: ignore[union-attr]
    lost = Tail(100)
    lost.add(torch.full((100, 1), -torch.inf))
    assert lost.index().tolist() == [0.0]  # type: ignore[union-attr]
    few = Tail(20)
    few.add(torch.zeros(20, 2))
    assert tail_size(20) == 4
    assert few.index() is None


class Narrow(Posterior):
    def __init__(self, shrink: float) -> None:
        super().__init__()
        self.shrink = shrink

    def forward(self, batch: Batch, model: ProbabilisticPCA) -> Independent:
        q = model.posterior(batch.x)
        return Independent(Normal(q.mean, self.shrink * q.stddev), 1)


def test_heavy_weights_are_warned_of_and_widen_the_error() -> None:
    torch.manual_seed(0)
    model = ProbabilisticPCA(4, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    x = model.sample(6)
    heavy = evidence.importance(model, Narrow(0.3), x, n_samples=2000)
    light = evidence.importance(model, Narrow(1.3), x, n_samples=2000)
    assert "have weights with a tail index above 0.7" in heavy.warning
    assert not light.warning
    assert heavy.pareto_k is not None
    assert light.pareto_k is not None
    assert float(heavy.pareto_k.min()) > 0.6
    assert float(light.pareto_k.max()) < 0.3
    assert heavy.as_dict()["pareto_k_max"] == float(heavy.pareto_k.max())
    few = student.ppf(0.995, np.maximum(heavy.ess.numpy() - 1, 2)) / normal.ppf(0.995)  # type: ignore[union-attr]
    delta = ((2000 / heavy.ess - 1) / 1999).sqrt() * torch.as_tensor(few)  # type: ignore[operator]
    square = 2000 / heavy.ess - 1  # type: ignore[operator]
    upper = (
        heavy.pareto_k + (1 + 0.5 * square / (square + 0.01)) * (1 + heavy.pareto_k) / 134**0.5
    )  # 3 sqrt(2000) in the tail
    assert torch.allclose(heavy.row_mc_error, delta * 2000 ** (upper - 0.5).clamp(0, 0.5))  # type: ignore[arg-type]
