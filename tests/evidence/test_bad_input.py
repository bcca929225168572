"""Bad input to the estimators: an honest answer, or a refusal in a sentence; never NaN without a word."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal, Uniform

from latentia import evidence, families
from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.errors import AbilityError, DataError, ParameterError
from latentia.models import CategoricalPrior, FiniteLatentModel, LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.models.base import Model
from latentia.networks import MLP, OneHot
from latentia.posteriors import Amortized, Exact, Posterior

D = torch.float64


class Interval(Model):
    """x | z uniform within 1 of z: rows far out have no mass at any z that is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.event_shape, self.latent_shape = (1,), (1,)
        self.width = torch.nn.Parameter(torch.ones(1, dtype=D))

    def prior(self) -> Distribution:
        return Independent(Normal(torch.zeros(1, dtype=D), torch.ones(1, dtype=D)), 1)

    def likelihood(self, z: Tensor) -> Distribution:
        return Uniform(z - self.width, z + self.width, validate_args=False)


class Broken(Interval):
    """A likelihood that is no number."""

    def likelihood(self, z: Tensor) -> Distribution:
        return Normal(z, self.width * torch.nan, validate_args=False)


class Prior(Posterior):
    def forward(self, batch: Batch, model: Any) -> Distribution:
        return model.prior().expand((len(batch),))


class Implicit(torch.nn.Module):
    """Samples and no density."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.nn.Linear(1, 1)

    def prior(self) -> Distribution:
        return Independent(Normal(torch.zeros(1), torch.ones(1)), 1)


FAR = torch.tensor([[0.0], [50.0]], dtype=D)
METHODS = {
    "elbo": {"n_samples": 20},
    "importance": {"n_samples": 50},
    "annealed": {"n_samples": 8, "n_steps": 20},
}


@pytest.mark.parametrize("method", METHODS)
def test_rows_without_mass_are_minus_infinity_and_said(method: str) -> None:
    found = evidence.estimate(method, Interval(), Prior(), FAR, **METHODS[method])
    assert float(found.values[1]) == -torch.inf
    assert not torch.isnan(found.values).any()
    assert "no mass" in found.warning
    assert "no mass" in str(found)
    if method != "elbo":
        assert torch.isfinite(found.values[0])
        assert found.row_mc_error is not None
        assert float(found.row_mc_error[1]) == torch.inf


@pytest.mark.parametrize("method", METHODS)
def test_a_likelihood_without_a_number_is_said(method: str) -> None:
    found = evidence.estimate(method, Broken(), Prior(), FAR, **METHODS[method])
    assert "no number" in found.warning


@pytest.mark.parametrize("method", METHODS)
def test_a_single_sample_knows_no_error(method: str) -> None:
    model = ProbabilisticPCA(3, 2)
    found = evidence.estimate(method, model, Prior(), torch.ones(2, 3, dtype=D), **{**METHODS[method], "n_samples": 1})
    assert torch.isfinite(found.values).all()
    assert found.row_mc_error is not None
    assert torch.isnan(found.row_mc_error).all()
    assert "single sample" in found.warning


@pytest.mark.parametrize("method", METHODS)
def test_no_sample_is_refused(method: str) -> None:
    with pytest.raises(ParameterError, match="n_samples=0"):
        evidence.estimate(method, Interval(), Prior(), FAR, **{**METHODS[method], "n_samples": 0})


@pytest.mark.parametrize("method", [*METHODS, "exact"])
def test_no_density_is_refused(method: str) -> None:
    grey = LatentVariableModel(StandardNormal(2), Conditional(MLP(2, 4, (5,)), families.CrossEntropy((4,)), (2,)))
    q = Amortized(Conditional(MLP(4, 4, (5,)), families.Normal((2,)), (4,), joint=True))
    for model in (grey, Implicit()):
        with pytest.raises(AbilityError, match="no density"):
            evidence.estimate(method, model, q, torch.zeros(3, 4))
    with pytest.raises(AbilityError, match="no density"):
        evidence.bidirectional(grey)
    with pytest.raises(AbilityError, match="no density"):
        evidence.gaps(grey, q, torch.zeros(3, 4))


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        evidence.importance(Interval(), Prior(), torch.zeros(0, 1))


def test_the_wanted_error_with_rows_without_mass() -> None:
    found = evidence.importance(Interval(), Prior(), FAR, error=0.01, n_samples=500)
    assert "cannot be reached" in found.warning
    assert "no mass" in found.warning


class Coins(Interval):
    """A latent without gradients."""

    def prior(self) -> Distribution:
        return Independent(Bernoulli(torch.full((1,), 0.5, dtype=D)), 1)

    def likelihood(self, z: Tensor) -> Distribution:
        return Normal(z * self.width, 1.0)


class Cut(Interval):
    """A likelihood through which no gradient flows."""

    def likelihood(self, z: Tensor) -> Distribution:
        return Normal(torch.zeros_like(z) + z.detach().round(), 1.0)


@pytest.mark.parametrize("model", [Coins(), Cut()])
def test_annealing_what_has_no_gradient_is_refused(model: Model) -> None:
    with pytest.raises(AbilityError, match="annealed evidence moves z along gradients"):
        evidence.annealed(model, None, FAR)


def test_annealing_a_finite_latent_is_refused() -> None:
    model = FiniteLatentModel(
        CategoricalPrior(3), Conditional(OneHot(3, MLP(3, 4, (5,))), families.Bernoulli((4,)), ())
    )
    with pytest.raises(AbilityError, match=r"discrete.*evidence\.exact"):
        evidence.annealed(model, None, torch.zeros(2, 4))
    assert isinstance(model.prior(), Categorical)


def test_strange_options_are_refused() -> None:
    model, x = ProbabilisticPCA(3, 2), torch.ones(2, 3, dtype=D)
    for options, words in (
        ({"proposal": "best"}, "proposal='best'"),
        ({"n_steps": 5}, "n_steps is no option of importance"),
    ):
        with pytest.raises(ParameterError, match=words):
            evidence.estimate("importance", model, Exact(), x, **options)
    for options, words in (
        ({"start": "x"}, "start='x'"),
        ({"n_steps": 0}, "n_steps=0"),
        ({"error": 1.0}, "error is no"),
    ):
        with pytest.raises(ParameterError, match=words):
            evidence.estimate("annealed", model, Exact(), x, **options)
    with pytest.raises(AbilityError, match="needs a posterior"):
        evidence.annealed(model, None, x, start="q")
    with pytest.raises(ParameterError, match="rows that the model makes itself"):
        evidence.estimate("bidirectional", model, Exact(), x)
    with pytest.raises(ParameterError, match="n_rows=0"):
        evidence.bidirectional(model, n_rows=0)


class Squashed(Model):
    """A latent that lives on (0, 1), and one that is positive."""

    def __init__(self, prior: Distribution) -> None:
        super().__init__()
        self.p, self.noise = prior, torch.nn.Parameter(torch.tensor(0.4, dtype=D))
        self.event_shape = self.latent_shape = tuple(prior.event_shape)

    def prior(self) -> Distribution:
        return self.p

    def likelihood(self, z: Tensor) -> Distribution:
        return Normal(z, self.noise)


@pytest.mark.parametrize("name", ["beta", "gamma"])
def test_latents_with_bounds_move_where_there_are_none(name: str) -> None:
    from scipy.integrate import quad
    from scipy.stats import beta, gamma, norm

    from latentia.distributions import Beta

    two = torch.full((1,), 2.0, dtype=D)
    prior = Beta(two, 3 * two) if name == "beta" else torch.distributions.Gamma(two, two)
    density: Any = beta(2, 6) if name == "beta" else gamma(2, scale=0.5)
    x = torch.tensor([[0.2], [0.9]], dtype=D)
    found = evidence.annealed(Squashed(Independent(prior, 1)), None, x, n_samples=200, n_steps=60)
    assert found.row_mc_error is not None
    for i, value in enumerate(x[:, 0].tolist()):
        top = 1 if name == "beta" else 12
        truth = quad(lambda z, v=value: density.pdf(z) * norm.pdf(v, z, 0.4), 0, top, epsabs=1e-12)[0]
        assert abs(float(found.values[i]) - float(torch.tensor(truth, dtype=D).log())) < 5 * float(
            found.row_mc_error[i]
        )
