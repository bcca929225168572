"""What has no number, or no meaning, is said in words; and what has one is not refused."""

from typing import Any

import numpy as np
import pytest
import torch

from latentia import BayesianGaussianMixture, evidence
from latentia.conditional import Conditional
from latentia.errors import AbilityError, DataError, ParameterError
from latentia.families import Normal
from latentia.models import LatentVariableModel, NormalMixture, ProbabilisticPCA, StandardNormal, VampPrior
from latentia.networks import MLP
from latentia.posteriors import Amortized, Borrowed, Exact

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
HOLES = X.clone()
HOLES[7, 1] = float("nan")


@pytest.fixture(scope="module")
def shared() -> Any:
    return BayesianGaussianMixture(2, max_epochs=5, random_state=0).fit(X.numpy())


OF_ROWS = {
    "calibrate": lambda m, q: evidence.calibrate(m, q),
    "rate_distortion": lambda m, q: evidence.rate_distortion(m, q, X),
    "rate_distortion_curve": lambda m, q: evidence.rate_distortion_curve(m, q, X),
    "importance": lambda m, q: evidence.importance(m, q, X),
}


@pytest.mark.parametrize("name", OF_ROWS)
def test_what_is_of_single_rows_is_refused_where_rows_share_latents(name: str, shared: Any) -> None:
    with pytest.raises(AbilityError, match=r"all rows of .* share latents"):
        OF_ROWS[name](shared.model_, shared.posterior_)


def vae(prior: Any = None, q: Any = None) -> tuple[Any, Any]:
    torch.manual_seed(1)
    p = Conditional(MLP(2, 6, (8,)), Normal((3,)), (2,))
    model = LatentVariableModel(StandardNormal(2) if prior is None else prior, p)
    encoder = Conditional(MLP(3, 4, (8,)), Normal((2,)), (3,), joint=True)
    return model.double(), (Amortized(encoder) if q is None else q).double()


def mixture() -> tuple[Any, Any]:
    torch.manual_seed(2)
    prior = NormalMixture(2, 4)
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(torch.randn_like(p))
    return vae(prior)


def vamp() -> tuple[Any, Any]:
    torch.manual_seed(3)
    encoder = Conditional(MLP(3, 4, (8,)), Normal((2,)), (3,), joint=True)
    return vae(VampPrior(encoder, torch.randn(4, 3)), Borrowed())


@pytest.mark.parametrize("make", [mixture, vamp])
def test_priors_that_are_mixtures_have_every_estimate(make: Any) -> None:
    """Two estimators that share nothing agree, and the refined and the defensive proposal do their work."""
    model, q = make()
    x = X[:6]
    known = evidence.importance(model, q, x, n_samples=20_000)
    for start in ("prior", "q"):
        found = evidence.annealed(model, q, x, n_samples=64, n_steps=100, start=start)
        assert abs(found.mean - known.mean) < 5 * np.hypot(found.mc_error, known.mc_error) + 0.02
    for proposal in ("defensive", "refined"):
        found = evidence.importance(model, q, x, n_samples=4000, proposal=proposal)
        assert abs(found.mean - known.mean) < 5 * np.hypot(found.mc_error, known.mc_error) + 0.02
    assert evidence.bidirectional(model, q, n_rows=10, n_samples=4, n_steps=60).gap < 3


def test_draws_of_a_mixture_from_noise_are_draws_of_it() -> None:
    from latentia.distributions import from_noise
    from latentia.randomness import RowNoise

    model, _ = mixture()
    prior = model.prior()
    z = from_noise(prior.expand((2,)), RowNoise(torch.eye(2), 0), 40_000)[:, 0]
    torch.manual_seed(0)
    other = prior.sample(torch.Size((40_000,)))
    error = other.std(0) / 200
    assert bool(((z.mean(0) - other.mean(0)).abs() < 7 * error).all())
    assert bool(((z.std(0) / other.std(0) - 1).abs() < 0.04).all())


def test_rows_without_mass_have_no_rate_and_say_so() -> None:
    model, q = ProbabilisticPCA(3, 1), Exact()
    far = X.clone()
    far[3] = 1e200
    point = evidence.rate_distortion(model, q, far)
    assert "1 of 40 rows have no finite rate or distortion" in point.warning
    assert evidence.rate_distortion(model, q, X).warning == ""
    for each in evidence.rate_distortion_curve(model, q, far, kl_weights=(2.0, 1.0)):
        assert "1 of 40 rows have no finite" in each.warning
        assert not np.isfinite(each.distortion)


WITHOUT_NUMBERS = {
    "decompose": lambda m, q, x: evidence.decompose(m, q, x),
    "prior_holes": lambda m, q, x: evidence.prior_holes(m, q, x),
    "active_units": lambda m, q, x: evidence.active_units(m, q, x),
}


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_cells_that_are_no_numbers_are_refused(name: str) -> None:
    model, q = vae()
    with pytest.raises(DataError, match="Row 7 holds what is no finite number"):
        WITHOUT_NUMBERS[name](model, q, HOLES)
    WITHOUT_NUMBERS[name](model, q, X)


@pytest.mark.parametrize("factor", [1e110, 1e155])
def test_features_too_large_for_their_products_are_refused(factor: float) -> None:
    x = X.numpy()
    for distance in (evidence.kernel_distance, evidence.frechet_distance):
        with pytest.raises(DataError, match="leave the range of float64"):
            distance(x * factor, x)
        distance(x * 1e40, x)


def test_factors_and_encoders_that_cannot_be_scored_are_refused() -> None:
    render = lambda factors: factors + 0.0  # noqa: E731
    with pytest.raises(DataError, match="Mend the encoder"):
        evidence.factor_vae_score(lambda x: x * np.nan, render, (4, 4), n_votes=10)
    with pytest.raises(ParameterError, match="a factor of one value"):
        evidence.factor_vae_score(lambda x: x, render, (4, 1), n_votes=10)
