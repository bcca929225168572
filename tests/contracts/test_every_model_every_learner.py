"""One table: every model x every learner learns, or refuses in a sentence that names who would do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import latentia
from latentia import families
from latentia.abilities import HasGlobals, HasLogProb, HasPosterior, HasUpdate
from latentia.batch import Batch, TensorBatches
from latentia.conditional import Conditional
from latentia.errors import AbilityError
from latentia.learn import (
    SVI,
    Adversarial,
    Aggressive,
    AmortizedVI,
    ExactEM,
    Learner,
    MonteCarloEM,
    ReweightedWakeSleep,
    SemiAmortizedVI,
    VariationalEM,
    WakeSleep,
)
from latentia.models import (
    BayesianGaussianMixture,
    CategoricalPrior,
    FactorAnalysis,
    FiniteLatentModel,
    GaussianMixture,
    LatentVariableModel,
    Model,
    NormalWishartMixture,
    ProbabilisticPCA,
    StandardNormal,
)
from latentia.networks import MLP, Critic, GatedPixelCNN, LSTMDecoder, OneHot, SequenceDecoder, TransformerDecoder
from latentia.networks.tokens import END, FIRST_WORD, PAD
from latentia.posteriors import Amortized, Exact, Local, MeanField
from latentia.scaling import Scaling

N, D, K = 120, 4, 2
N_TOKENS = 6
SCALING = {"loc": torch.arange(4.0), "scale": torch.tensor([1.0, 2.0, 0.5, 3.0])}


def deep(family: families.Family) -> LatentVariableModel:
    scaling = None if isinstance(family, families.Bernoulli) else Scaling(**SCALING)
    decoder = MLP(K, family.n_raw * D, (8,))
    return LatentVariableModel(StandardNormal(K), Conditional(decoder, family, (K,)), scaling)


def deep_mixture() -> FiniteLatentModel:
    p = Conditional(OneHot(3, MLP(3, D, (8,))), families.Normal((D,), scale="per-feature"), ())
    return FiniteLatentModel(CategoricalPrior(3), p, Scaling(**SCALING))


def sentences(decoder: SequenceDecoder) -> LatentVariableModel:
    return LatentVariableModel(StandardNormal(K), Conditional(nn.Identity(), families.Tokens(decoder, D), (K,)))


def pixels() -> LatentVariableModel:
    network = GatedPixelCNN((2, 2), 1, n_context=2, n_channels=4, n_layers=2)
    family = families.Pixels(network, families.Bernoulli((D,)))
    return LatentVariableModel(StandardNormal(K), Conditional(MLP(K, family.n_outputs, ()), family, (K,)))


MODELS: dict[str, Callable[[], Model]] = {
    "vae normal": lambda: deep(families.Normal((D,), scale="network")),
    "vae bernoulli": lambda: deep(families.Bernoulli((D,))),
    "text lstm": lambda: sentences(LSTMDecoder(N_TOKENS, K, 4, 8)),
    "text transformer": lambda: sentences(TransformerDecoder(N_TOKENS, K, 8, 1, 2)),
    "pixelcnn": pixels,
    "ppca": lambda: ProbabilisticPCA(D, K, scaling=Scaling(**SCALING)),
    "fa": lambda: FactorAnalysis(D, K, scaling=Scaling(**SCALING)),
    "gmm full": lambda: GaussianMixture(D, 3, covariance="full", scaling=Scaling(**SCALING)),
    "gmm tied": lambda: GaussianMixture(D, 3, covariance="tied"),
    "gmm diag": lambda: GaussianMixture(D, 3, covariance="diag"),
    "gmm spherical": lambda: GaussianMixture(D, 3, covariance="spherical"),
    "deep mixture": deep_mixture,
    "bgmm unit": lambda: BayesianGaussianMixture(D, 3, prior_scale=2.0, scaling=Scaling(**SCALING)),
    "bgmm full": lambda: NormalWishartMixture(D, 3, scaling=Scaling(**SCALING)),
}


def amortized(model: Model) -> AmortizedVI:
    torch.manual_seed(1)
    if model.latent_shape == ():
        return AmortizedVI(
            Amortized(Conditional(MLP(D, 3, (8,)), families.Categorical((), 3), (D,))), learning_rate=0.01
        )
    encoder = Conditional(MLP(D, 2 * K, (8,)), families.Normal((K,)), (D,), joint=True)
    return AmortizedVI(Amortized(encoder), learning_rate=0.01)


def family_of_q(model: Model) -> families.Family:
    return families.Categorical((), 3) if model.latent_shape == () else families.Normal((K,))


def encoder(model: Model) -> Amortized:
    q = amortized(model).posterior
    assert isinstance(q, Amortized)
    return q


def critic() -> Critic:
    torch.manual_seed(1)
    return Critic(D, (8,))


def mean_field(model: Model) -> MeanField:
    return MeanField(model.prior_globals() if isinstance(model, HasGlobals) else None)


RATE: dict[str, Any] = {"learning_rate": 0.01}
LEARNERS: dict[str, Callable[[Model], Learner]] = {
    "amortized": amortized,
    "amortized, q exact": lambda model: AmortizedVI(Exact(), learning_rate=0.01),
    "exact-em": lambda model: ExactEM(tol=0.0),
    "svi": lambda model: SVI(Local(family_of_q(model)), **RATE),
    "semi-amortized": lambda model: SemiAmortizedVI(encoder(model), n_steps=2, **RATE),
    "aggressive": lambda model: Aggressive(encoder(model), max_inner=20, mi_every=2, **RATE),
    "wake-sleep": lambda model: WakeSleep(encoder(model), **RATE),
    "reweighted-wake-sleep": lambda model: ReweightedWakeSleep(encoder(model), **RATE),
    "reweighted, q exact": lambda model: ReweightedWakeSleep(Exact()),
    "monte-carlo-em": lambda model: MonteCarloEM(encoder(model), **RATE),
    "monte-carlo-em, q exact": lambda model: MonteCarloEM(Exact(), **RATE),
    "monte-carlo-em, hmc": lambda model: MonteCarloEM(encoder(model), sampler="hmc", n_moves=4, n_leapfrog=2, **RATE),
    "variational-em": lambda model: VariationalEM(mean_field(model), tol=0.0),
    "adversarial": lambda model: Adversarial(critic(), average=0.0, **RATE),
    "adversarial, q too": lambda model: Adversarial(critic(), posterior=encoder(model), game_weight=0.1, **RATE),
}
FINITE = ("gmm full", "gmm tied", "gmm diag", "gmm spherical", "deep mixture")
TEXT = ("text lstm", "text transformer")
COINS = ("vae bernoulli", "pixelcnn")
DEEP = ("vae normal", *COINS, *TEXT)
GAMES = ("adversarial", "adversarial, q too")
SHARED = ("bgmm unit", "bgmm full")
REFUSED = {
    **{(name, "exact-em"): "AmortizedVI" for name in DEEP},
    **{(name, f"{who}, q exact"): "posteriors.Amortized" for name in DEEP for who in ("amortized", "monte-carlo-em")},
    **{(name, "reweighted, q exact"): "AmortizedVI" for name in MODELS},
    **{(name, "monte-carlo-em, hmc"): "sampler='importance', ReweightedWakeSleep, or ExactEM" for name in FINITE},
    **{(name, "variational-em"): "AmortizedVI" for name in (*DEEP, "ppca", "fa")},
    **{(name, who): "AmortizedVI" for name in (*FINITE, *COINS, *TEXT) for who in GAMES},
    **{(name, who): "VariationalEM" for name in SHARED for who in LEARNERS if who != "variational-em"},
}


def data(name: str) -> torch.Tensor:
    torch.manual_seed(2)
    if name in COINS:
        return torch.bernoulli(torch.full((N, D), 0.3))
    if name in TEXT:
        place, length = torch.arange(D), torch.randint(0, D, (N, 1))
        words = torch.randint(FIRST_WORD, N_TOKENS, (N, D))
        return words.where(place < length, torch.where(place == length, END, PAD)).float()
    z = torch.randn(N, K)
    return z @ torch.randn(K, D) + 0.3 * torch.randn(N, D) + torch.arange(4.0)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("model", MODELS)
def test_it_learns_or_refuses(model: str, learner: str) -> None:
    torch.manual_seed(0)
    p = MODELS[model]()
    who = LEARNERS[learner](p)
    options: dict[str, Any] = {"max_epochs": 25, "batch_size": 40, "seed": 0, "device": "cpu"}
    if (model, learner) in REFUSED:
        with pytest.raises(AbilityError, match=REFUSED[model, learner]):
            latentia.fit(p, who, data(model), **options)
        return
    before = [t.detach().clone() for t in p.parameters()]
    fit = latentia.fit(p, who, data(model), **options)
    if who.has_bound:
        bounds = [row["bound"] for row in fit.history]
        assert bounds[-1] >= bounds[0]
    else:
        assert not any("bound" in row for row in fit.history)
        assert any(not torch.equal(a, b) for a, b in zip(before, p.parameters()))
    assert all(torch.isfinite(t).all() for t in fit.tensors().values())
    assert fit.status


@pytest.mark.parametrize("model", MODELS)
def test_parameters_of_p_and_q_are_disjoint(model: str) -> None:
    p = MODELS[model]()
    q = amortized(p).posterior
    assert not {id(t) for t in p.parameters()} & {id(t) for t in q.parameters()}
    assert not list(Exact().parameters())


@pytest.mark.parametrize("model", MODELS)
def test_shapes_and_consistency(model: str) -> None:
    torch.manual_seed(0)
    p = MODELS[model]().double()
    x = data(model).double()
    z = p.prior().sample(torch.Size((5, N)))
    assert z.shape == (5, N, *p.latent_shape)
    joint = p.log_joint(x, z)
    assert joint.shape == (5, N)
    assert torch.allclose(joint, p.prior().log_prob(z) + p.log_likelihood(x, z))
    torch.manual_seed(3)
    draws = p.sample(7)
    assert draws.shape == (7, D)
    assert torch.isfinite(draws).all()


@pytest.mark.parametrize("model", [name for name in MODELS if isinstance(MODELS[name](), HasPosterior)])
def test_bayes_rule_holds(model: str) -> None:
    torch.manual_seed(0)
    p = MODELS[model]().double()
    assert isinstance(p, HasPosterior)
    assert isinstance(p, HasLogProb)
    x = data(model).double()
    q = p.posterior(x)
    z = q.sample(torch.Size((3,)))
    assert torch.allclose(p.log_joint(x, z) - q.log_prob(z), p.log_prob(x).expand(3, N), atol=1e-8)


@pytest.mark.parametrize("model", [name for name in MODELS if isinstance(MODELS[name](), HasUpdate)])
def test_statistics_add_up_in_any_batches(model: str) -> None:
    torch.manual_seed(0)
    p = MODELS[model]().double()
    assert isinstance(p, HasUpdate)
    x = data(model).double()
    p.initialise(TensorBatches(x, dtype=torch.float64), "auto", 0)
    whole = p.expect(Batch(x, torch.arange(N)))
    parts = [p.expect(Batch(x[i : i + 17], torch.arange(i, min(i + 17, N)))) for i in range(0, N, 17)]
    for key, value in whole.statistics.items():
        assert torch.allclose(sum(part.statistics[key] for part in parts), value, atol=1e-9), key  # type: ignore[arg-type]
    assert torch.allclose(torch.cat([part.log_prob for part in parts]), whole.log_prob)


@pytest.mark.parametrize("model", MODELS)
def test_a_row_scores_the_same_in_float32_and_float64(model: str) -> None:
    torch.manual_seed(0)
    p = MODELS[model]().double()
    x = data(model).double()
    z = p.prior().sample(torch.Size((2, N)))
    exact = p.log_joint(x, z)
    rough = p.float().log_joint(x.float(), z if z.dtype == torch.int64 else z.float())
    assert torch.allclose(rough.double(), exact, rtol=1e-4, atol=1e-3)
