"""Calibration: exact posteriors pass, wrong ones are found, and coverage is what theory says."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2, chisquare
from torch.distributions import Categorical, Distribution, MultivariateNormal

from latentia import evidence
from latentia.batch import Batch
from latentia.errors import ParameterError
from latentia.evidence.calibration import uniform_p_values
from latentia.models import CategoricalPrior, FiniteLatentModel, ProbabilisticPCA
from latentia.posteriors import Exact, Posterior


class Wrong(Posterior):
    """The exact posterior, shifted by so many deviations and so many times as wide."""

    def __init__(self, shift: float, widen: float) -> None:
        super().__init__()
        self.shift, self.widen = shift, widen

    def forward(self, batch: Batch, model: ProbabilisticPCA) -> Distribution:
        q = model.posterior(batch.x)
        return MultivariateNormal(q.mean + self.shift * q.stddev, scale_tril=self.widen * q.scale_tril)


def made(seed: int = 0, n_latent: int = 2) -> ProbabilisticPCA:
    torch.manual_seed(seed)
    model = ProbabilisticPCA(5, n_latent)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn_like(parameter))
    return model


def test_exact_posteriors_pass_and_their_p_is_uniform() -> None:
    p = np.array([evidence.calibrate(made(seed), Exact(), n_rows=200, seed=seed).density_p_value for seed in range(60)])
    assert p.min() > 1e-6
    counts = np.histogram(p, bins=4, range=(0, 1))[0]
    assert chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize(("shift", "widen"), [(0.5, 1.0), (-0.5, 1.0), (0.0, 0.6), (0.0, 1.7)])
def test_a_wrong_posterior_is_found(shift: float, widen: float) -> None:
    found = evidence.calibrate(made(), Wrong(shift, widen), n_rows=1000)
    assert found.p_value < 1e-6
    assert found.verdict.startswith("q is ")
    assert ("too sure" in found.verdict) == (widen < 1 or shift != 0)
    assert ("too unsure" in found.verdict) == (widen > 1)
    if shift:
        assert (torch.sign(found.bias()) == -np.sign(shift)).all()


@pytest.mark.parametrize("widen", [0.6, 1.0, 1.7])
def test_coverage_is_that_of_theory(widen: float) -> None:
    """A q that is `widen` times as wide: its region of probability a holds |e|^2 < widen^2 chi2^-1(a) of the posterior."""
    found = evidence.calibrate(made(1), Wrong(0.0, widen), n_rows=4000)
    for level in (0.5, 0.8, 0.95):
        expected = chi2(2).cdf(widen**2 * chi2(2).ppf(level))
        error = np.sqrt(expected * (1 - expected) / 4000) + 0.003  # 99 draws tell the region's edge so well
        assert abs(found.coverage(level) - expected) < 5 * error + 0.01


def test_discrete_latents_have_their_ties_broken() -> None:
    torch.manual_seed(0)
    from latentia.conditional import Conditional
    from latentia.families import Bernoulli
    from latentia.networks import MLP, OneHot

    model = FiniteLatentModel(CategoricalPrior(3), Conditional(OneHot(3, MLP(3, 6, (8,))), Bernoulli((6,)), ()))
    assert evidence.calibrate(model, Exact(), n_rows=500).p_value > 1e-6

    class Uniform(Posterior):
        def forward(self, batch: Batch, model: object) -> Distribution:
            return Categorical(logits=torch.tensor([3.0, 0.0, 0.0]).expand(len(batch), 3))

    assert evidence.calibrate(model, Uniform(), n_rows=500).p_value < 1e-6


def test_p_values_against_scipy() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 100, (300, 4))
    ours = uniform_p_values(torch.as_tensor(ranks), 99).numpy()
    theirs = [chisquare(np.bincount(column // 5, minlength=20)).pvalue for column in ranks.T]
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_any_chunking_the_same_and_refusals() -> None:
    model = made()
    a, b = (evidence.calibrate(model, Wrong(0.2, 1.1), n_rows=100, chunk=chunk) for chunk in (7, 1000))
    assert torch.equal(a.ranks, b.ranks)
    assert torch.equal(a.density_ranks, b.density_ranks)
    assert set(a.as_dict()["coverage"]) == {"0.5", "0.8", "0.9", "0.95"}
    with pytest.raises(ParameterError, match="too few"):
        evidence.calibrate(model, Exact(), n_rows=5)
