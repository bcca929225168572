"""Bounds against closed forms and quadrature, on a model small enough to integrate."""

from math import exp, log, pi, sqrt

import mpmath
import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import nn
from torch.distributions import Independent, Normal

from latentia import families
from latentia.batch import Batch
from latentia.bounds import Elbo, ImportanceWeighted
from latentia.bounds.gradients import LogMean
from latentia.bounds.importance import effective_sample_size
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError
from latentia.models import CategoricalPrior, FiniteLatentModel, LatentVariableModel, StandardNormal
from latentia.networks import MLP, OneHot
from latentia.posteriors import Exact, Posterior

D = torch.float64


class Curve(nn.Module):
    """A non-linear decoder of one latent, known in closed form."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sin(2 * z) + 0.5 * z


class Fixed(Posterior):
    """q = N(loc, scale) for every row."""

    def __init__(self, loc: float, scale: float) -> None:
        super().__init__()
        self.loc, self.scale = loc, scale

    def forward(self, batch: Batch, model: object) -> Independent:
        shape = (len(batch), 1)
        return Independent(Normal(torch.full(shape, self.loc, dtype=D), torch.full(shape, self.scale, dtype=D)), 1)


def curve_model() -> LatentVariableModel:
    return LatentVariableModel(StandardNormal(1), Conditional(Curve(), families.Normal((1,), scale=0.5), (1,))).double()


def log_joint(x: float, z: float) -> float:
    mean = np.sin(2 * z) + 0.5 * z
    return -0.5 * z * z - 0.5 * log(2 * pi) - 0.5 * ((x - mean) / 0.5) ** 2 - log(0.5) - 0.5 * log(2 * pi)


def log_q(z: float, loc: float, scale: float) -> float:
    return -0.5 * ((z - loc) / scale) ** 2 - log(scale) - 0.5 * log(2 * pi)


def batch(*x: float) -> Batch:
    return Batch(torch.tensor(x, dtype=D).reshape(-1, 1), torch.arange(len(x)))


@pytest.mark.parametrize("kl", ["auto", "closed", "monte-carlo"])
def test_elbo_against_quadrature(kl: str) -> None:
    x, loc, scale = 0.8, 0.4, 0.7
    truth = quad(lambda z: exp(log_q(z, loc, scale)) * (log_joint(x, z) - log_q(z, loc, scale)), -8, 8)[0]
    torch.manual_seed(0)
    terms = Elbo(n_samples=200_000, kl=kl)(curve_model(), Fixed(loc, scale), batch(x))
    assert terms.draws is not None
    error = float(terms.draws.std()) / sqrt(200_000)
    assert abs(float(terms.value) - truth) < 5 * error
    parts = terms.parts
    assert torch.allclose(terms.value, parts["reconstruction"] - parts["kl"])
    assert float(parts["kl"]) == pytest.approx(
        log(1 / scale) + (scale**2 + loc**2 - 1) / 2, abs=0 if kl == "x" else 0.02
    )


def test_importance_weighted_against_quadrature_and_in_order() -> None:
    x, loc, scale = 0.8, 0.4, 0.7
    truth = log(quad(lambda z: exp(log_joint(x, z)), -10, 10)[0])
    torch.manual_seed(0)
    model, q, rows = curve_model(), Fixed(loc, scale), batch(*[x] * 20_000)
    means = []
    for k in (1, 2, 5, 20):
        value = ImportanceWeighted(k)(model, q, rows).value
        means.append((float(value.mean()), float(value.std()) / sqrt(len(value))))
    for (low, low_error), (high, high_error) in zip(means, means[1:]):
        assert low < high + 4 * (low_error + high_error)
    assert means[-1][0] < truth + 4 * means[-1][1]
    elbo = quad(lambda z: exp(log_q(z, loc, scale)) * (log_joint(x, z) - log_q(z, loc, scale)), -8, 8)[0]
    assert abs(means[0][0] - elbo) < 5 * means[0][1]
    big = ImportanceWeighted(200_000)(model, q, batch(x)).value
    assert float(big) == pytest.approx(truth, abs=0.02)


def test_value_is_not_the_sum_of_normalised_weights_times_log_weights() -> None:
    torch.manual_seed(0)
    terms = ImportanceWeighted(7)(curve_model(), Fixed(0.4, 0.7), batch(0.8, -1.0))
    assert terms.draws is not None
    naive = [log(sum(exp(w) for w in column) / 7) for column in terms.draws.T.tolist()]
    assert terms.value.tolist() == pytest.approx(naive)


def test_bounds_are_per_row_and_never_averaged() -> None:
    model, q = curve_model(), Fixed(0.0, 1.0)
    rows = batch(0.1, 0.2, 0.3)
    for bound in (Elbo(3), ImportanceWeighted(3)):
        terms = bound(model, q, rows)
        assert terms.value.shape == (3,)
        assert all(part.shape == (3,) for part in terms.parts.values())
        assert set(terms.parts) == set(bound.names)


def test_enumerated_elbo_is_tight_at_the_exact_posterior() -> None:
    torch.manual_seed(0)
    p = Conditional(OneHot(4, MLP(4, 5, hidden=(6,))), families.Bernoulli((5,)), ())
    model = FiniteLatentModel(CategoricalPrior(4), p).double()
    x = torch.bernoulli(torch.full((9, 5), 0.5, dtype=D))
    rows = Batch(x, torch.arange(9))
    assert torch.allclose(Elbo()(model, Exact(), rows).value, model.log_prob(x))
    by_hand = torch.stack([model.log_joint(x, torch.full((1, 9), k)).squeeze(0) for k in range(4)]).logsumexp(0)
    assert torch.allclose(model.log_prob(x), by_hand)


def test_effective_sample_size_is_between_one_and_k() -> None:
    w = torch.tensor([[0.0, -800.0], [0.0, 700.0], [0.0, -900.0]], dtype=D)
    assert effective_sample_size(w).tolist() == pytest.approx([3.0, 1.0])


@pytest.mark.parametrize("make", [lambda: Elbo(0), lambda: ImportanceWeighted(0), lambda: Elbo(kl="exact")])
def test_settings_that_cannot_be_used(make: object) -> None:
    with pytest.raises(ParameterError):
        make()  # type: ignore[operator]


def test_a_closed_form_that_is_not_there_is_refused() -> None:
    class Half(Posterior):
        def forward(self, batch: Batch, model: object) -> Independent:
            return Independent(torch.distributions.HalfNormal(torch.ones(len(batch), 1, dtype=D)), 1)

    rows = batch(0.5)
    with pytest.raises(AbilityError, match="no closed-form KL"):
        Elbo(kl="closed")(curve_model(), Half(), rows)
    assert torch.isfinite(Elbo(5)(curve_model(), Half(), rows).value).all()


@pytest.mark.parametrize("order", [1 - 1e-9, 1 - 1e-6, 1 - 1e-3, 1 + 1e-6, 1 + 1e-12, 3.0])
def test_renyis_mean_in_single_precision_is_that_of_mpmath(order: float) -> None:
    """Near order 1 it is the mean of log w, where the logarithm of a mean of powers has no digits left."""
    log_w = -120 + 3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    found = LogMean(order)(log_w)
    mpmath.mp.dps = 50
    power = 1 - mpmath.mpf(order)
    for column in range(4):
        total = mpmath.fsum(mpmath.exp(power * mpmath.mpf(float(w))) for w in log_w[:, column])
        assert float(found[column]) == pytest.approx(float(mpmath.log(total / 50) / power), rel=1e-6)


def test_renyis_mean_has_the_gradient_of_its_weights() -> None:
    log_w = torch.tensor([-3.0, -1.0, -700.0], dtype=torch.float64, requires_grad=True)
    LogMean(0.5)(log_w).backward()
    assert torch.allclose(log_w.grad, torch.softmax(0.5 * log_w.detach(), 0))  # type: ignore[arg-type]
    none = torch.full((3,), -torch.inf)
    assert LogMean(0.5)(none).item() == -torch.inf
