"""Priors against naive sums; what is learnt, what is shared, what is refused."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import latentia
from latentia import families
from latentia.batch import Batch
from latentia.bounds import Elbo
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError, UserError
from latentia.evidence import elbo, importance
from latentia.learn import AmortizedVI
from latentia.models import FamilyPrior, LatentVariableModel, NormalMixture, StandardNormal, VampPrior
from latentia.networks import MLP
from latentia.posteriors import Amortized, Borrowed

D = torch.float64


def encoder(n_latent: int = 2) -> Conditional:
    return Conditional(MLP(4, 2 * n_latent, (6,)), families.Normal((n_latent,)), (4,), joint=True)


def model(prior: nn.Module) -> LatentVariableModel:
    decoder = MLP(2, 4, (6,))
    return LatentVariableModel(prior, Conditional(decoder, families.Normal((4,), scale="per-feature"), (2,)))


def blobs(n: int = 200) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 4, generator=generator) * 0.3 + 2 * torch.randint(0, 2, (n, 1), generator=generator)


def test_a_mixture_is_the_weighted_sum() -> None:
    torch.manual_seed(0)
    prior = NormalMixture(2, n_components=3).double()
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
        prior.log_scale.normal_(0, 0.3)
    z = torch.randn(5, 4, 2, dtype=D)
    weight = torch.softmax(prior.logits, 0).detach().numpy()
    scale = torch.exp(12 * torch.tanh(prior.log_scale / 12)).detach().numpy()
    dense = [stats.norm(prior.loc[k].detach().numpy(), scale[k]).pdf(z.numpy()).prod(-1) for k in range(3)]
    assert np.allclose(prior().log_prob(z).detach().numpy(), np.log(np.tensordot(weight, dense, 1)))
    torch.manual_seed(1)
    draws = prior().sample((40_000,))
    error = draws.std(0) / 200
    assert ((draws.mean(0) - prior().mean).abs() < 6 * error).all()


def test_a_vamp_prior_is_the_mean_of_the_posteriors() -> None:
    torch.manual_seed(0)
    prior = VampPrior(encoder(), blobs(7)).double()
    z = torch.randn(5, 4, 2, dtype=D)
    each = torch.stack([prior.shared(u.unsqueeze(0)).log_prob(z) for u in prior.pseudo_inputs])
    assert torch.allclose(prior().log_prob(z), each.exp().mean(0).log())


def test_the_posterior_borrows_what_the_model_shares() -> None:
    torch.manual_seed(0)
    p, q, x = model(VampPrior(encoder(), blobs(5))), Borrowed(), blobs(8)
    assert not list(q.parameters())
    assert p.shared is not None
    batch = Batch(x, torch.arange(8))
    assert torch.equal(q(batch, p).mean, p.shared(x).mean)
    terms = Elbo()(p, q, batch)
    terms.value.sum().backward()
    assert all(t.grad is not None and torch.isfinite(t.grad).all() for t in p.parameters())


def test_what_is_held_twice_or_not_shared_is_refused() -> None:
    shared = encoder()
    p = model(VampPrior(shared, blobs(5)))
    with pytest.raises(AbilityError, match="Borrowed"):
        AmortizedVI(Amortized(shared)).check(p)
    with pytest.raises(AbilityError, match=r"posteriors\.Amortized"):
        latentia.fit(model(StandardNormal(2)), AmortizedVI(Borrowed()), blobs(), max_epochs=1)


PRIORS = {
    "mixture": lambda: NormalMixture(2, n_components=4),
    "flow": lambda: FamilyPrior(families.CouplingFlow((2,), n_transforms=2, hidden=(6,))),
    "logistic, learnt": lambda: FamilyPrior(families.Logistic((2,)), learnt=True),
    "student-t": lambda: FamilyPrior(families.StudentT((2,), df=4.0)),
    "vamp": lambda: VampPrior(encoder(), blobs(6)),
}


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_is_learnt_with_its_model(name: str) -> None:
    torch.manual_seed(0)
    prior, x = PRIORS[name](), blobs()
    before = {key: value.clone() for key, value in prior.named_parameters()}
    q = Borrowed() if name == "vamp" else Amortized(encoder())
    p = model(prior)
    fit = latentia.fit(p, AmortizedVI(q, learning_rate=0.02), x, max_epochs=15, batch_size=50, seed=0, device="cpu")
    assert fit.history[-1]["bound"] > fit.history[0]["bound"]
    moved = [key for key, value in p.prior_module.named_parameters() if not torch.equal(value.cpu(), before[key])]
    assert bool(moved) == (name != "student-t")
    lower, tighter = elbo(p, q, x, n_samples=20, seed=0), importance(p, q, x, n_samples=200, seed=0)
    assert tighter.mean > lower.mean - 5 * lower.mc_error
    assert p.sample(6).shape == (6, 4)


@pytest.mark.parametrize("name", PRIORS)
def test_the_density_integrates_to_one(name: str) -> None:
    torch.manual_seed(0)
    prior = PRIORS[name]().double()
    end = 60.0 if name == "student-t" else 14.0
    x = torch.linspace(-end, end, 600, dtype=D)
    with torch.no_grad():
        p = prior().log_prob(torch.stack(torch.meshgrid(x, x, indexing="ij"), -1)).exp()
    assert float(p.sum() * (x[1] - x[0]) ** 2) == pytest.approx(1, abs=2e-3)


def test_a_gamma_prior_takes_a_positive_posterior_only() -> None:
    p = model(FamilyPrior(families.Gamma((2,))))
    with pytest.raises(UserError, match="support"):
        AmortizedVI(Amortized(encoder())).check(p)
    weibull = Conditional(MLP(4, 4, (6,)), families.Weibull((2,)), (4,), joint=True)
    AmortizedVI(Amortized(weibull)).check(p)
    terms = Elbo(kl="closed")(p, Amortized(weibull), Batch(blobs(5), torch.arange(5)))
    assert torch.isfinite(terms.value).all()
    assert (terms.parts["kl"] >= 0).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: NormalMixture(0),
        lambda: NormalMixture(2, n_components=0),
        lambda: FamilyPrior(families.Normal((2,)), torch.zeros(3)),
        lambda: VampPrior(encoder(), torch.zeros(3, 5)),
        lambda: VampPrior(encoder(), torch.zeros(0, 4)),
    ],
)
def test_shapes_that_do_not_match_are_refused(make) -> None:
    with pytest.raises(ParameterError, match=r"Use|Give"):
        make()


def test_what_cannot_be_a_prior_is_refused() -> None:
    with pytest.raises(AbilityError, match="cross-entropy cannot be a prior"):
        FamilyPrior(families.CrossEntropy((2,)))
    heavy = families.StudentT((2,), df=2.0)
    with pytest.raises(AbilityError, match="infinite"):
        families.check_posterior(heavy, NormalMixture(2)())


MATCHING = {
    "straight-through coins": (families.StraightThroughBernoulli((2,)), families.Bernoulli((2,))),
    "relaxed coins": (families.RelaxedBernoulli((2,)), families.RelaxedBernoulli((2,))),
    "relaxed categories": (families.RelaxedCategorical((2,)), families.RelaxedCategorical((2,))),
    "straight-through categories": (
        families.StraightThroughCategorical((2,)),
        families.StraightThroughCategorical((2,)),
    ),
    "compositions": (families.Dirichlet((2,)), families.Dirichlet((2,))),
    "directions": (families.VonMisesFisher((2,)), families.VonMisesFisher((2,))),
    "gammas": (families.Gamma((2,)), families.Gamma((2,))),
    "shares": (families.Kumaraswamy((2,)), families.Beta((2,))),
}


@pytest.mark.parametrize("name", MATCHING)
def test_posteriors_before_priors_of_their_own_kind(name: str) -> None:
    torch.manual_seed(0)
    q, prior = MATCHING[name]
    p = model(FamilyPrior(prior))
    posterior = Amortized(Conditional(MLP(4, q.n_outputs, (6,)), q, (4,), joint=True))
    learner = AmortizedVI(posterior, learning_rate=0.02)
    fit = latentia.fit(p, learner, blobs(), max_epochs=12, batch_size=50, seed=0, device="cpu")
    assert fit.history[-1]["bound"] > fit.history[0]["bound"]
    assert np.isfinite(elbo(p, posterior, blobs(), n_samples=5, seed=0).mean)
