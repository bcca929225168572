"""Gaps against the KL divergences that they are, on linear-Gaussian models."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

from latentia import evidence
from latentia.batch import Batch
from latentia.errors import AbilityError, ParameterError
from latentia.models import ProbabilisticPCA
from latentia.posteriors import Posterior


class Off(Posterior):
    """The exact mean shifted, and too wide."""

    def forward(self, batch: Batch, model: Any) -> Distribution:
        q = getattr(model, "model", model).posterior(batch.x)
        return Independent(Normal(q.mean + 0.5 * q.stddev, 1.4 * q.stddev), 1)


class Hidden(torch.nn.Module):
    """A model that does not tell its log p(x)."""

    def __init__(self, model: ProbabilisticPCA) -> None:
        super().__init__()
        self.model = model
        self.event_shape, self.latent_shape = model.event_shape, model.latent_shape
        self.prior, self.likelihood = model.prior, model.likelihood
        self.log_likelihood, self.log_joint = model.log_likelihood, model.log_joint


def problem(seed: int = 0) -> tuple[ProbabilisticPCA, torch.Tensor]:
    torch.manual_seed(seed)
    model = ProbabilisticPCA(6, 3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn_like(parameter))
    return model, model.sample(15)


def truth(model: ProbabilisticPCA, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """KL of the encoder's q and of the best factorised q to the exact posterior, row by row."""
    p = model.posterior(x)
    q = Off()(Batch(x, torch.arange(len(x))), model)
    best = torch.linalg.inv(p.covariance_matrix).diagonal(dim1=-2, dim2=-1).rsqrt()
    full = lambda mean, sd: MultivariateNormal(mean, scale_tril=torch.diag_embed(sd.expand_as(mean)))  # noqa: E731
    kls = kl_divergence(full(q.mean, q.stddev), p), kl_divergence(full(p.mean, best), p)
    return tuple(kl.detach().numpy() for kl in kls)  # type: ignore[return-value]


@pytest.mark.parametrize("hidden", [False, True])
def test_gaps_are_the_divergences(hidden: bool) -> None:
    model, x = problem()
    found = evidence.gaps(Hidden(model) if hidden else model, Off(), x, n_samples=3000)
    inference, approximation = truth(model, x)
    assert found.log_prob.kind == ("lower" if hidden else "exact")
    for gap, expected in (
        (found.inference, inference.mean()),
        (found.approximation, approximation.mean()),
        (found.amortisation, (inference - approximation).mean()),
        (found.richer_approximation, 0.0),
    ):
        assert gap.mean == pytest.approx(expected, abs=6 * gap.mc_error + 0.01)
    assert found.inference.mean > 0.5
    assert found.inference.row_error > 0
    assert set(found.as_dict()["gaps"]) == {"inference", "approximation", "amortisation", "richer_approximation"}
    assert "amortisation" in str(found)


@pytest.mark.parametrize("richer", ["full", "flow"])
def test_rows_do_not_depend_on_their_neighbours(richer: str) -> None:
    model, x = problem(1)
    options = {"n_samples": 50, "n_steps": 20, "richer": richer}
    together = evidence.gaps(model, Off(), x, **options)
    apart = evidence.gaps(model, Off(), x.flip(0), **options, chunk=4)
    for name in ("log_prob", "encoder", "local", "richer"):
        a, b = getattr(together, name).values, getattr(apart, name).values.flip(0)
        assert torch.allclose(a, b, atol=1e-8), name


def test_refusals() -> None:
    model, x = problem()
    with pytest.raises(ParameterError, match="richer='mixture'"):
        evidence.gaps(model, Off(), x, richer="mixture")
    with pytest.raises(ParameterError, match="n_steps=0"):
        evidence.gaps(model, Off(), x, n_steps=0)
    exact = lambda batch, model: model.posterior(batch.x)  # noqa: E731
    module = torch.nn.Module()
    module.forward = exact  # type: ignore[method-assign]
    with pytest.raises(AbilityError, match="has no encoder whose q could be moved"):
        evidence.gaps(model, module, x)
