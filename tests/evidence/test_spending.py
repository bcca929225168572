"""Samples go where the error is, the wanted error is met, and the pilot is never reported."""

import numpy as np
import pytest
import torch
from torch.distributions import Distribution, Independent, Normal

from latentia import evidence
from latentia.batch import Batch, as_batches
from latentia.bounds.evaluate import evaluating
from latentia.errors import ParameterError
from latentia.evidence import spending
from latentia.evidence.estimators import importance_numbers
from latentia.evidence.running import RowNumbers
from latentia.models import ProbabilisticPCA
from latentia.posteriors import Exact, Posterior


class SomeHard(Posterior):
    """Good on most rows; on those with a large first cell shifted and wide."""

    def __init__(self, edge: float) -> None:
        super().__init__()
        self.edge = edge

    def forward(self, batch: Batch, model: ProbabilisticPCA) -> Distribution:
        q = model.posterior(batch.x)
        hard = (batch.x[:, :1] > self.edge).double()
        return Independent(Normal(q.mean + 1.5 * hard * q.stddev, (1.02 + 1.3 * hard) * q.stddev), 1)


def problem(n: int = 200) -> tuple[ProbabilisticPCA, SomeHard, torch.Tensor]:
    torch.manual_seed(0)
    model = ProbabilisticPCA(6, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    x = model.sample(n)
    return model, SomeHard(float(x[:, 0].quantile(0.95))), x


def test_the_error_is_met_and_true() -> None:
    model, q, x = problem()
    truth = evidence.exact(model, x).mean
    off = []
    for seed in range(30):
        found = evidence.importance(model, q, x, error=0.005, n_samples=5000, seed=seed)
        assert not found.warning or "were not enough" not in found.warning
        assert found.mc_error <= 0.005
        off.append((found.mean - truth) / found.mc_error)
    assert np.abs(off).max() < 5
    assert 0.3 < np.std(off) < 1.6


def test_hard_rows_get_the_samples() -> None:
    model, q, x = problem()
    found = evidence.importance(model, q, x, error=0.001, n_samples=20_000)
    assert found.row_samples is not None
    hard = x[:, 0] > q.edge
    assert float(found.row_samples[hard].double().mean()) > 4 * float(found.row_samples[~hard].double().mean())
    even = int(found.row_samples.double().mean()) + spending.PILOT
    assert evidence.importance(model, q, x, n_samples=even).mc_error > 1.1 * found.mc_error
    assert found.as_dict()["n_samples_mean"] == float(found.row_samples.double().mean())


def test_what_is_reported_has_never_seen_the_pilot() -> None:
    """The reported draws are those of the last round's seed alone, row by row."""
    model, q, x = problem(20)
    rounds = []

    def draws(batch: Batch, k: int, seed: int) -> RowNumbers:
        rounds.append((seed, k, len(batch)))
        return importance_numbers(model, q, batch, k, seed)

    with evaluating(model, q):
        found = spending.spend(as_batches(x, dtype=x.dtype), draws, "importance", 0.02, 3000, 7)
    last = rounds[-1][0]
    assert last != rounds[0][0]
    assert found.row_samples is not None
    for i in (0, 7, 19):
        alone = evidence.importance(model, q, x[i : i + 1], n_samples=int(found.row_samples[i]), seed=last)
        assert float(alone.values) == pytest.approx(float(found.values[i]), abs=1e-10)


def test_any_order_and_chunk_the_same() -> None:
    model, q, x = problem(60)
    whole = evidence.importance(model, q, x, error=0.02, n_samples=3000)
    parts = evidence.importance(model, q, x.flip(0), error=0.02, n_samples=3000, chunk=7)
    assert whole.row_samples is not None
    assert parts.row_samples is not None
    assert torch.equal(whole.row_samples, parts.row_samples.flip(0))
    assert torch.allclose(whole.values, parts.values.flip(0), atol=1e-10)


def test_budget_is_kept_and_a_missed_error_is_said() -> None:
    model, q, x = problem(50)
    found = evidence.importance(model, q, x, error=1e-5, n_samples=900)
    assert found.row_samples is not None
    assert float(found.row_samples.sum()) + 50 * spending.PILOT <= 900 * 50
    assert "were not enough" in found.warning


def test_nothing_to_do_and_refusals() -> None:
    model, _, x = problem(10)
    found = evidence.importance(model, Exact(), x, error=0.01, n_samples=1000)
    assert found.mc_error < 1e-6
    assert found.n_samples == spending.LEAST
    with pytest.raises(ParameterError, match="error=0"):
        evidence.importance(model, Exact(), x, error=0.0)
    with pytest.raises(ParameterError, match="leaves nothing to spend"):
        evidence.importance(model, Exact(), x, error=0.1, n_samples=10)


def test_weights_count() -> None:
    """Rows of weight zero need no more than the least."""
    model, q, x = problem(60)
    weight = torch.ones(60, dtype=torch.float64)
    weight[:30] = 0
    found = evidence.importance(model, q, x, error=0.01, n_samples=5000, weight=weight)
    assert found.row_samples is not None
    assert int(found.row_samples[:30].max()) == spending.LEAST
    assert found.mc_error <= 0.01
