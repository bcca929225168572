"""Models with one fault each: the certificate names the claim that it breaks; and right ones, which pass."""

from collections.abc import Callable
from math import log, pi
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Independent, MultivariateNormal, Normal

from latentia import families, testing
from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.distributions import VonMisesFisher
from latentia.errors import AbilityError, ParameterError
from latentia.evidence import certify
from latentia.models import (
    CategoricalPrior,
    FiniteLatentModel,
    GaussianMixture,
    Generator,
    LatentVariableModel,
    Model,
    ProbabilisticPCA,
    StandardNormal,
)
from latentia.networks import MLP, OneHot
from latentia.posteriors import Amortized, Exact, Local, Posterior, SemiAmortized

D, K = 4, 2


def spread(module: Any, seed: int = 0) -> Any:
    """Every parameter moved at random, so that nothing is zero or one by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return module


class Linear(Model):
    """x = W z + noise, z ~ N(0, I): right, and written by hand; the subclasses break one thing each."""

    event_shape, latent_shape = (D,), (K,)

    def __init__(self) -> None:
        super().__init__()
        self.loading = nn.Parameter(torch.tensor([[1.0, 0.2], [-0.4, 0.8], [0.5, 0.5], [0.0, -0.9]]))
        self.log_scale = nn.Parameter(torch.tensor([-0.3, 0.2, -0.5, 0.1]))

    def prior(self) -> Any:
        return Independent(Normal(self.loading.new_zeros(K), self.loading.new_ones(K)), 1)

    def likelihood(self, z: Tensor) -> Any:
        return Normal(z @ self.loading.T, self.log_scale.exp())

    def posterior(self, x: Tensor, observed: Tensor | None = None) -> MultivariateNormal:
        noise = self.log_scale.exp().square()
        precision = torch.eye(K).to(x) + self.loading.T @ (self.loading / noise[:, None])
        covariance = torch.linalg.inv(precision)
        mean = (x / noise) @ self.loading @ covariance
        return MultivariateNormal(mean, covariance.expand(len(x), K, K))

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        covariance = self.loading @ self.loading.T + self.log_scale.exp().square().diag()
        return MultivariateNormal(x.new_zeros(D), covariance).log_prob(x)


class Dropped(Normal):
    def log_prob(self, value: Tensor) -> Tensor:
        return -((value - self.loc) ** 2) / (2 * self.scale**2)


class NoScale(Normal):
    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value) + self.scale.log()


class WideDraws(Normal):
    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + self.scale.sqrt() * torch.randn(
            torch.Size(sample_shape) + self.loc.shape, dtype=self.loc.dtype
        )


class DroppedConstants(Linear):
    def likelihood(self, z: Tensor) -> Any:
        return Dropped(z @ self.loading.T, self.log_scale.exp())


class DroppedJacobian(Linear):
    def likelihood(self, z: Tensor) -> Any:
        return NoScale(z @ self.loading.T, self.log_scale.exp())


class Unsummed(Linear):
    def log_likelihood(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        return self.likelihood(z).log_prob(x)


class Averaged(Linear):
    def log_likelihood(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        return self.likelihood(z).log_prob(x).mean(-1)


class NoPrior(Linear):
    def log_joint(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        return self.log_likelihood(x, z, observed)


class VarianceForScale(Linear):
    def likelihood(self, z: Tensor) -> Any:
        return WideDraws(z @ self.loading.T, self.log_scale.exp())


class OtherSamples(Linear):
    def sample(self, n: int) -> Tensor:
        return super().sample(n) * 1.3


class WrongPosterior(Linear):
    def posterior(self, x: Tensor, observed: Tensor | None = None) -> MultivariateNormal:
        q = super().posterior(x)
        return MultivariateNormal(q.mean, 0.6 * q.covariance_matrix)


class ShiftedLogProb(Linear):
    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return super().log_prob(x) - 0.5


class LostConstant(Linear):
    """log p(x) without its constant, in a model that knows no posterior of its own."""

    posterior = None  # type: ignore[assignment]

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return super().log_prob(x) + 0.5 * D * log(2 * pi)


class Raises(Linear):
    def likelihood(self, z: Tensor) -> Any:
        raise ParameterError("nothing fits")


class WrongSum(FiniteLatentModel):
    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return super().log_prob(x) + 0.01


def wrong_sum() -> FiniteLatentModel:
    p = Conditional(OneHot(3, MLP(3, D, (6,), "tanh")), families.Normal((D,), scale="per-feature"), ())
    return spread(WrongSum(CategoricalPrior(3), p))


class Detached(Linear):
    def likelihood(self, z: Tensor) -> Any:
        return Normal(z @ self.loading.T + (self.loading.sum() - self.loading.sum().detach()), self.log_scale.exp())


class LooksAtOthers(Linear):
    def log_likelihood(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        return super().log_likelihood(x, z, observed) * (1 + 0.01 * x.mean())


class Unregistered(Linear):
    def __init__(self) -> None:
        super().__init__()
        self.shift = [torch.ones(D, dtype=torch.float64, requires_grad=True)]

    def likelihood(self, z: Tensor) -> Any:
        return Normal(z @ self.loading.T + self.shift[0], self.log_scale.exp())


class Unsaved(Linear):
    """A buffer that is not in the state: it is lost on saving."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.ones(D), persistent=False)

    def __deepcopy__(self, memo: dict) -> "Unsaved":
        new = Unsaved()
        new.load_state_dict(self.state_dict())
        new.shift = self.shift * 0.5 if hasattr(self, "read") else self.shift
        new.read = True
        return new.to(self.loading.dtype)

    def likelihood(self, z: Tensor) -> Any:
        return Normal(z @ self.loading.T + self.shift, self.log_scale.exp())


class FillsMissing(Linear):
    def log_likelihood(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        filled = x if observed is None else torch.where(observed, x, 0.0)
        return super().log_likelihood(filled, z)


class HeavyPrior(Linear):
    def prior(self) -> Any:
        return Independent(NoScale(self.loading.new_zeros(K), 2 * self.loading.new_ones(K)), 1)


class HalfCoins(Linear):
    """Coins whose two probabilities do not add up to one: independent sigmoids for one and for zero."""

    class Coin(Bernoulli):
        def log_prob(self, value: Tensor) -> Tensor:
            return nn.functional.logsigmoid(self.logits * (2 * value - 1) + 0.3)

    def likelihood(self, z: Tensor) -> Any:
        return self.Coin(logits=z @ self.loading.T)

    posterior = None  # type: ignore[assignment]
    log_prob = None  # type: ignore[assignment]


class ReadsClock(Linear):
    def log_likelihood(self, x: Tensor, z: Tensor, observed: Tensor | None = None) -> Tensor:
        return super().log_likelihood(x, z, observed) + 1e-3 * torch.rand(())


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "constants dropped": (DroppedConstants, "likelihood mass"),
    "Jacobian dropped": (DroppedJacobian, "likelihood mass"),
    "Jacobian dropped, as samples see it": (DroppedJacobian, "score"),
    "event axis left unsummed": (Unsummed, "shapes"),
    "mean over cells for their sum": (Averaged, "joint"),
    "prior left out of the joint": (NoPrior, "joint"),
    "spread drawn with the wrong root": (VarianceForScale, "score"),
    "sample from something else": (OtherSamples, "sampling"),
    "posterior too narrow": (WrongPosterior, "exact posterior"),
    "posterior too narrow, as its ranks see it": (WrongPosterior, "calibration"),
    "log p(x) with another constant": (ShiftedLogProb, "exact posterior"),
    "log p(x) below its own bounds": (ShiftedLogProb, "order of bounds"),
    "log p(x) without its constant": (LostConstant, "log p(x)"),
    "log p(x) below what annealing finds": (ShiftedLogProb, "log p(x)"),
    "log p(x) that is not the sum": (wrong_sum, "log p(x)"),
    "a likelihood that refuses its own z": (Raises, "joint"),
    "a gradient that vanished or appeared": (Detached, "gradient of the joint"),
    "rows that look at each other": (LooksAtOthers, "rows alone"),
    "a tensor that learns and is no parameter": (Unregistered, "parameters"),
    "a number that is not saved": (Unsaved, "save and load"),
    "missing cells counted as zeros": (FillsMissing, "observed"),
    "a prior of mass above one": (HeavyPrior, "prior mass"),
    "sigmoids that are no probabilities": (HalfCoins, "likelihood mass"),
    "chance where none was asked for": (ReadsClock, "seed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_by_the_claim_it_breaks(fault: str) -> None:
    build, broken = FAULTS[fault]
    found = certify(build(), only=(broken,))
    assert [check.name for check in found.failures] == [broken], str(found)
    assert not certify(build()).passed


class Centred(Linear):
    """A plain tensor that learning would set: it is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.centre = torch.full((D,), 3.0)

    def likelihood(self, z: Tensor) -> Any:
        return Normal(z @ self.loading.T + self.centre.to(z), self.log_scale.exp())


def test_a_tensor_that_is_not_saved_is_named_and_nothing_claimed() -> None:
    check = certify(Centred(), only=("save and load", "joint")).checks
    found = {each.name: each for each in check}["save and load"]
    assert found.outcome == "skipped"
    assert "centre" in found.detail
    assert "register them as buffers" in found.detail
    assert certify(Linear(), only=("save and load",)).checks[0].outcome == "passed"


def test_posteriors_that_move_rows_by_themselves_are_excused() -> None:
    def vae() -> tuple[Any, Any]:
        p = Conditional(MLP(K, D, (6,), "tanh"), families.Normal((D,), scale="per-feature"), (K,))
        encoder = Conditional(MLP(D, 2 * K, (6,), "tanh"), families.Normal((K,)), (D,), joint=True)
        return spread(LatentVariableModel(StandardNormal(K), p)), spread(encoder)

    for make in (lambda e: Local(families.Normal((K,)), n_steps=5), lambda e: SemiAmortized(e, n_steps=2)):
        model, encoder = vae()
        (check,) = certify(model, make(encoder), only=("gradient of the bound", "joint")).checks[1:]
        assert check.outcome == "skipped", check
        assert "moves q for each row" in check.detail


def test_the_page_says_how_much_was_proven() -> None:
    from latentia.evidence.certifying.page import render

    model = Generator(StandardNormal(K), MLP(K, D, (6,)), (D,))
    page = render([certify(model)])
    assert "Every claim holds" not in page
    assert "do not apply here" in page
    assert certify(model).proven < 5


class Overconfident(Posterior):
    """log q(z|x) too small by a constant: importance weights too large."""

    class Q(Normal):
        def log_prob(self, value: Tensor) -> Tensor:
            return super().log_prob(value) - 0.2

    def forward(self, batch: Batch, model: Any) -> Independent:
        q = model.posterior(batch.x)
        return Independent(self.Q(q.mean, q.stddev), 1)


def test_a_posterior_whose_density_is_wrong_is_caught_twice() -> None:
    found = certify(Linear(), Overconfident())
    assert {"posterior mass", "order of bounds"} <= {check.name for check in found.failures}


def test_p_and_q_with_common_parameters_are_caught() -> None:
    model = spread(
        LatentVariableModel(StandardNormal(K), Conditional(MLP(K, 2 * D, (8,)), families.Normal((D,)), (K,)))
    )
    encoder = Conditional(nn.Linear(D, 2 * K), families.Normal((K,)), (D,), joint=True)
    posterior = Amortized(encoder)
    assert certify(model, posterior, only=("parameters",)).passed
    posterior.borrowed = model.conditional
    (failure,) = certify(model, posterior, only=("parameters",)).failures
    assert "in common" in failure.detail


# --- right ones ------------------------------------------------------------------------------------------------------


def amortized() -> tuple[Any, Any]:
    model = LatentVariableModel(StandardNormal(K), Conditional(MLP(K, 2 * D, (8,)), families.Normal((D,)), (K,)))
    return spread(model), spread(Amortized(Conditional(MLP(D, 2 * K, (8,)), families.Normal((K,)), (D,), joint=True)))


RIGHT: dict[str, Callable[[], tuple[Any, Any]]] = {
    "by hand": lambda: (Linear(), None),
    "by hand, exact named": lambda: (Linear(), Exact()),
    "ppca": lambda: (spread(ProbabilisticPCA(D, K)), None),
    "mixture": lambda: (spread(GaussianMixture(3, 4)), None),
    "vae": amortized,
    "vae without q": lambda: (amortized()[0], None),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_models_pass(name: str) -> None:
    model, posterior = RIGHT[name]()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = certify(model, posterior, seed=3)
    assert found.passed, str(found)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(value.dtype == before[key].dtype for key, value in model.state_dict().items())


def test_statistical_claims_hold_for_many_seeds() -> None:
    for seed in range(40):
        found = certify(Linear(), seed=seed, only=("sampling", "score", "order of bounds", "calibration"))
        assert found.passed, str(found)


def test_ranks_of_a_finite_latent_are_uniform() -> None:
    found = [certify(spread(GaussianMixture(3, 4)), seed=seed, only=("calibration",)) for seed in range(30)]
    assert all(c.passed for c in found)
    p = [float(c.checks[0].detail.split()[2]) for c in found]
    assert sum(value < 0.05 for value in p) <= 6  # 1.5 are expected


def test_masses_of_families_are_one() -> None:
    from torch import distributions as d

    one = torch.ones(2).double()
    for p in (
        d.Normal(one, 3 * one),
        d.StudentT(1.5 * one, one, one),
        d.Cauchy(one, one),
        d.Gamma(0.5 * one, one),
        d.Beta(0.5 * one, 2 * one),
        d.Poisson(7 * one),
        d.NegativeBinomial(3 * one, probs=0.6 * one),
        d.Geometric(0.2 * one),
        d.Binomial(5, 0.3 * one),
        d.Categorical(probs=torch.ones(2, 3).double()),
        d.LogNormal(0 * one, 2 * one),
        d.Pareto(one, 3 * one),
        d.Dirichlet(torch.tensor([2.0, 1.0, 3.0]).double()),
        VonMisesFisher(torch.tensor([0.6, 0.8, 0.0]).double(), torch.tensor(2.0).double()),
        d.MultivariateNormal(one, torch.tensor([[2.0, 0.9], [0.9, 1.0]]).double()),
    ):
        found, error, _ = testing.masses(p, 0)
        assert float((found - 1).abs().max()) < max(1e-4, 5 * error), p


def test_fitted_models_are_examined_like_others() -> None:
    """A fitted estimator has its gradients switched off; the claims about gradients are proven all the same."""
    model = spread(ProbabilisticPCA(D, K)).requires_grad_(False)
    outcomes = {check.name: check.outcome for check in certify(model).checks}
    assert outcomes["gradient of the joint"] == outcomes["score"] == "passed"
    assert not any(p.requires_grad for p in model.parameters())


def test_a_model_of_which_nothing_can_be_proven_is_refused() -> None:
    from latentia import Autoencoder, BayesianGaussianMixture

    x = np.random.default_rng(0).normal(size=(60, 3))
    plain: Any = Autoencoder(2, hidden=(4,), max_epochs=1, random_state=0, device="cpu").fit(x)
    with pytest.raises(AbilityError, match="No claim"):
        certify(plain.model_, plain.posterior_)
    shared: Any = BayesianGaussianMixture(2, random_state=0).fit(x)
    with pytest.raises(AbilityError, match="share latents"):
        certify(shared.model_, shared.posterior_)


def test_rows_of_categories_are_calibrated() -> None:
    name, model, posterior = next(one for one in testing.shipped() if "categorical" in one[0])
    found = certify(model, posterior, only=("calibration",), name=name)
    assert [check.outcome for check in found.checks] == ["noted"], str(found)


def test_one_hot_rows_are_summed_over() -> None:
    from latentia.families import family

    q = family("straight-through-categorical", (2, 3))(torch.randn(1, 2, 3, dtype=torch.float64))
    found, error, _ = testing.masses(q, 0)
    assert float(found[0]) == pytest.approx(1.0)
    assert error == 0


def test_an_unknown_claim_is_told() -> None:
    with pytest.raises(ParameterError, match="shapes, joint"):
        certify(Linear(), only=("taste",))


def test_a_test_of_users_says_what_failed() -> None:
    testing.assert_certified(Linear())
    with pytest.raises(AssertionError, match="joint") as info:
        testing.assert_certified(NoPrior())
    assert "FAILED" in str(info.value)
    assert {c.name for c in testing.checks(Linear())} == set(testing.PROOFS)


def test_a_categorical_of_wrong_mass_is_seen() -> None:
    class Loose(Categorical):
        def log_prob(self, value: Tensor) -> Tensor:
            return super().log_prob(value) + 0.1

    found, _, _ = testing.masses(Loose(logits=torch.zeros(3).double()), 0)
    assert float(found) == pytest.approx(1.105, abs=1e-3)
