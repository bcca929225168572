"""Adversarial learning against formulas written out, quadrature, and games whose end is known."""

from math import log, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import latentia
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo
from latentia.conditional import Conditional
from latentia.errors import AbilityError, LatentiaError, NonFiniteError, ParameterError
from latentia.families import Bernoulli, Normal
from latentia.learn import Adversarial
from latentia.learn.games.averaging import Average
from latentia.learn.games.diagnosis import diagnose
from latentia.learn.games.held_out import missed
from latentia.learn.games.objectives import GAMES, packed, told_apart
from latentia.learn.games.penalties import Penalties, squared_slope
from latentia.learn.games.settings import Used
from latentia.models import Generator, LatentVariableModel, StandardNormal, with_noise
from latentia.networks import MLP, ConvCritic, ConvGenerator, Critic
from latentia.posteriors import Amortized
from latentia.scaling import Scaling

D, K = 3, 2
QUICK: dict[str, Any] = {"batch_size": 32, "max_epochs": 4, "seed": 0, "device": "cpu"}


def generator(d: int = D, hidden: tuple[int, ...] = (16,)) -> Generator:
    torch.manual_seed(0)
    return Generator(StandardNormal(K), MLP(K, d, hidden), (d,), Scaling(torch.arange(float(d)), torch.full((d,), 2.0)))


def decoder(family: type = Normal) -> LatentVariableModel:
    torch.manual_seed(0)
    return LatentVariableModel(
        StandardNormal(K),
        Conditional(MLP(K, D, (16,)), family((D,)) if family is Bernoulli else Normal((D,), scale="one"), (K,)),
    )


def encoder() -> Amortized:
    torch.manual_seed(1)
    return Amortized(Conditional(MLP(D, 2 * K, (16,)), Normal((K,)), (D,), joint=True))


def rows(n: int = 128) -> Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(3)) * 2 + 1


# --- formulas --------------------------------------------------------------------------------------------------------

BY_HAND = {
    "minimax": (lambda r, f: -log(sig(r)) - log(1 - sig(f)), lambda r, f: log(1 - sig(f))),
    "non-saturating": (lambda r, f: -log(sig(r)) - log(1 - sig(f)), lambda r, f: -log(sig(f))),
    "wasserstein": (lambda r, f: f - r, lambda r, f: -f),
    "hinge": (lambda r, f: max(0, 1 - r) + max(0, 1 + f), lambda r, f: -f),
    "least-squares": (lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda r, f: (f - 1) ** 2 / 2),
    "relativistic": (lambda r, f: -log(sig(r - f)), lambda r, f: -log(sig(f - r))),
}


def sig(a: float) -> float:
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize("name", GAMES)
def test_a_game_is_its_formula(name: str) -> None:
    real, fake = torch.randn(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    for ours, theirs in zip((GAMES[name].critic, GAMES[name].generator), BY_HAND[name]):
        wanted = torch.tensor([theirs(r, f) for r, f in zip(real.tolist(), fake.tolist())]).double()
        assert torch.allclose(ours(real, fake), wanted, atol=1e-12)


def test_the_share_told_apart_is_the_area_under_the_curve() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(40).round(decimals=1), torch.randn(60).round(decimals=1) - 0.5
    area = roc_auc_score([1] * 40 + [0] * 60, torch.cat([real, fake]).numpy())
    assert abs(float(told_apart(real, fake)) - area) < 1e-6


def test_penalties_of_a_known_slope() -> None:
    x, y = rows(20).double(), rows(20).double() + 3
    quadratic = lambda x: (x**2).sum(1)  # noqa: E731  its slope is 2 x
    assert torch.allclose(squared_slope(quadratic, x), 4 * x.square().sum(1))
    wanted = 0.5 * 3 * (4 * x**2).sum(1).mean() + 0.5 * 5 * (4 * y**2).sum(1).mean()
    assert torch.allclose(Penalties(r1=3, r2=5)(quadratic, x, y).mean(), wanted)
    linear = lambda x: x @ torch.tensor([3.0, 0.0, 4.0], dtype=x.dtype)  # noqa: E731  of length 5, everywhere
    assert float((Penalties(gradient=2.0)(linear, x, y) - 2 * 16).abs().max()) < 1e-5


def test_packs_are_rows_side_by_side() -> None:
    x = torch.arange(24.0).reshape(4, 2, 3)
    assert torch.equal(packed(x, 2)[1], torch.cat([x[2], x[3]]))
    assert packed(x, 1) is x
    critic, picture = ConvCritic((8, 8), pack=2, channels=4), torch.randn(6, 64)
    assert critic(packed(picture, 2)).shape == (3,)


def test_averages_are_those_of_a_loop_by_hand() -> None:
    model, average = nn.Linear(2, 1), Average(0.9)
    tensors, by_hand = average.start(model), model.weight.detach().clone()
    for t in range(30):
        with torch.no_grad():
            model.weight += 1.0
        average.update(model, tensors, t)
        d = min(0.9, (1 + t) / (10 + t))
        by_hand = d * by_hand + (1 - d) * model.weight.detach()
    assert torch.allclose(tensors["average.weight"], by_hand)
    now = model.weight.detach().clone()
    with average.shown(model, tensors):
        assert torch.allclose(model.weight, by_hand)
    assert torch.equal(model.weight, now)


def test_missed_rows_against_a_loop() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(40, 2).double(), torch.randn(40, 2).double() + 0.7
    count = 0
    for i in range(40):
        near = sorted(float((x[i] - x[j]).norm()) for j in range(40) if j != i)[4]
        count += all(float((x[i] - b).norm()) > near for b in y)
    assert missed(x, y) == count / 40
    assert missed(x, x) == 0


# --- each loss moves its own player ----------------------------------------------------------------------------------

CASES: dict[str, Any] = {
    "samples": {"model": generator},
    "means": {"model": decoder, "judged": "means"},
    "both": {"model": decoder, "posterior": encoder},
    "codes": {"model": decoder, "posterior": encoder, "judged": "codes"},
    "features": {"model": decoder, "posterior": encoder, "reconstruct": "features", "judged": "means"},
}


def learner(case: str, **more: Any) -> tuple[Any, Adversarial]:
    options = {**CASES[case], **more}
    model, q = options.pop("model")(), options.pop("posterior", None)
    torch.manual_seed(2)
    size = K if case == "codes" else D
    critic = Critic(size * options.get("pack", 1), (16,))
    return model, Adversarial(critic, posterior=None if q is None else q(), **options)


def gradients(loss: Tensor, module: nn.Module) -> list[Tensor | None]:
    parameters = list(module.parameters())
    return list(torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)) if parameters else []


def reached(loss: Tensor, module: nn.Module) -> bool:
    return any(g is not None and bool(g.any()) for g in gradients(loss, module))


@pytest.mark.parametrize("case", CASES)
def test_each_loss_reaches_its_own_player_only(case: str) -> None:
    model, who = learner(case, r1=1.0)
    players = who._players(model, 1.0)
    batch, one = Batch(rows(32), torch.arange(32)), torch.ones(())
    _, loss = players.critic_loss(batch)
    assert reached(loss, who.critic)
    assert not reached(loss, model)
    assert not reached(loss, who.posterior)
    _, loss = players.generator_loss(batch, one)
    assert not reached(loss, who.critic)
    assert reached(loss, model)
    assert reached(loss, who.posterior) == who.has_bound
    assert all(p.requires_grad for p in who.critic.parameters())
    players.bound = None  # the game alone
    _, loss = players.generator_loss(batch, one)
    assert reached(loss, model) == (case != "codes")
    assert reached(loss, who.posterior) == (case == "codes")


def test_beside_a_game_of_samples_the_posterior_ascends_the_bound_alone() -> None:
    model, who = learner("both")
    batch, one = Batch(rows(32), torch.arange(32)), torch.ones(())
    torch.manual_seed(5)
    terms = Elbo()(model, who.posterior, batch)
    alone = gradients(-terms.value.mean(), who.posterior)
    players = who._players(model, 1.0)
    players._fooling = lambda batch: torch.zeros(32)  # type: ignore[method-assign]
    torch.manual_seed(5)
    beside = gradients(players.generator_loss(batch, one)[1], who.posterior)
    assert all(torch.allclose(a, b) for a, b in zip(alone, beside) if a is not None and b is not None)


@pytest.mark.parametrize("case", CASES)
def test_a_step_changes_the_weights_of_both_and_of_nobody_else(case: str) -> None:
    model, who = learner(case, average=0.0)
    batches = TensorBatches(rows(), batch_size=32)
    who.check(model)
    state = who.init(model, batches)
    frozen = {"critic": [p.clone() for p in who.critic.parameters()], "model": [p.clone() for p in model.parameters()]}
    state.handles["generator_optimizer"].step = lambda: None
    state, _ = who.step(model, batches, state)
    assert all(torch.equal(a, b) for a, b in zip(frozen["model"], model.parameters()))
    assert not all(torch.equal(a, b) for a, b in zip(frozen["critic"], who.critic.parameters()))


# --- games whose end is known ----------------------------------------------------------------------------------------


def density(x: Any, mean: float, sd: float) -> Any:
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * sqrt(2 * pi))


def test_the_critic_of_two_gaussians_is_the_optimal_one() -> None:
    torch.manual_seed(0)
    model = Generator(StandardNormal(1), nn.Linear(1, 1), (1,))
    with torch.no_grad():
        model.network.weight.fill_(1.5)  # type: ignore[union-attr]
        model.network.bias.fill_(1.0)  # type: ignore[union-attr]
    critic = Critic(1, (32,), "tanh")
    still = {"learning_rate": 1e-12, "average": 0.0, "betas": (0.9, 0.999)}
    who = Adversarial(
        critic, "minimax", critic_learning_rate=5e-3, schedule=latentia.learn.Schedule("cosine", 1000), **still
    )  # type: ignore[arg-type]
    x = torch.randn(100_000, 1)
    latentia.fit(model, who, x, batch_size=512, max_steps=1000, seed=0, device="cpu")

    grid = np.linspace(-8, 9, 20_001)
    p, q = density(grid, 0, 1), density(grid, 1, 1.5)
    with torch.no_grad():
        score = critic(torch.tensor(grid, dtype=torch.float32)[:, None]).double().numpy()
    d = 1 / (1 + np.exp(-score))
    assert integrate.simpson(0.5 * (p + q) * np.abs(d - p / (p + q)), x=grid) < 0.02

    m = 0.5 * (p + q)
    js = integrate.simpson(0.5 * p * np.log(p / m) + 0.5 * q * np.log(q / m), x=grid)
    value = integrate.simpson(p * np.log(d) + q * np.log(1 - d), x=grid)
    assert abs(value - (2 * js - log(4))) < 0.01
    assert value < 2 * js - log(4) + 1e-9  # no critic is better than the optimal one


@pytest.mark.parametrize("name", GAMES)
def test_every_game_finds_a_gaussian(name: str) -> None:
    torch.manual_seed(0)
    data = torch.randn(4000, 2) @ torch.tensor([[1.0, 0.6], [0.0, 0.8]]) + torch.tensor([5.0, -3.0])
    model = Generator(StandardNormal(2), MLP(2, 2, (32,)), (2,), Scaling(data.mean(0), data.std(0)))
    options: dict[str, Any] = (
        {"gradient_penalty": 1.0, "critic_steps": 5, "betas": (0.0, 0.9)} if name == "wasserstein" else {"r1": 0.2}
    )
    steps = latentia.learn.Schedule("cosine", 400)
    who = Adversarial(
        Critic(2, (32, 32)),
        name,
        learning_rate=3e-3,
        average=0.99,
        schedule=steps,
        **options,
    )
    fit = latentia.fit(model, who, data, batch_size=64, max_steps=400, max_epochs=999, seed=0, device="cpu")
    torch.manual_seed(1)
    drawn = model.sample(4000)
    assert float((drawn.mean(0) - data.mean(0)).abs().max()) < 0.3
    assert float((drawn.T.cov() - data.T.cov()).abs().max()) < 0.4
    assert "bound" not in fit.history[-1]
    assert "no bound" in fit.status


class Dirac(nn.Module):
    """x = theta, whatever z."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta + 0 * z


@pytest.mark.parametrize(("r1", "circling"), [(0.0, True), (2.0, False)])
def test_the_dirac_gan_circles_unless_the_slope_is_penalised(r1: float, circling: bool) -> None:
    """Mescheder et al., 2018, section 3: unregularised gradients go round the equilibrium for ever."""
    model = Generator(StandardNormal(1), Dirac(), (1,))
    critic = nn.Linear(1, 1, bias=False)
    nn.init.constant_(critic.weight, 0.5)
    who = Adversarial(critic, "minimax", r1=r1, optimizer="sgd", learning_rate=0.1, average=0.0)
    fit = latentia.fit(model, who, torch.zeros(64, 1), batch_size=16, max_epochs=150, seed=0, device="cpu")
    left = max(float(p.detach().abs()) for p in (model.network.theta, critic.weight))  # type: ignore[union-attr]
    assert (left > 0.3) == circling
    assert ("circle" in fit.status) == circling


def test_an_adversarial_autoencoder_gives_codes_the_priors_moments() -> None:
    torch.manual_seed(0)
    data = torch.randn(3000, K) @ torch.randn(K, D) + 0.3 * torch.randn(3000, D)
    far = {}
    for weight in (0.0, 10.0):
        steps = latentia.learn.Schedule("cosine", 400)
        model, who = learner("codes", learning_rate=5e-3, r1=0.1, game_weight=weight, schedule=steps)
        fit = latentia.fit(model, who, data, batch_size=64, max_steps=400, max_epochs=999, seed=0, device="cpu")
        z = who.posterior(Batch(data, torch.arange(3000)), model).sample()
        far[weight] = float((z.T.cov() - torch.eye(K)).square().sum() + z.mean(0).square().sum())
        assert fit.history[-1]["reconstruction"] > fit.history[0]["reconstruction"] + 1
        assert ("do not maximise the bound" if weight else "moved no weights but the critic's") in fit.status
    assert far[10.0] < 0.3 * far[0.0]


def test_rows_of_weight_zero_are_not_imitated() -> None:
    torch.manual_seed(0)
    data = torch.cat([torch.randn(1000, 1), 8 + torch.randn(1000, 1)])
    weight = torch.cat([torch.ones(1000), torch.zeros(1000)])
    model = Generator(StandardNormal(1), MLP(1, 1, (16,)), (1,))
    who = Adversarial(Critic(2, (32,)), pack=2, r1=0.2, learning_rate=3e-3, average=0.99)
    latentia.fit(model, who, data, weight=weight, batch_size=128, max_steps=400, max_epochs=999, seed=0, device="cpu")
    torch.manual_seed(1)
    assert float((model.sample(2000) > 5).float().mean()) < 0.02


# --- the loop --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_run_cut_anywhere_and_resumed_has_the_same_bits(case: str, tmp_path: Path) -> None:
    whole, other = learner(case, r1=0.5), learner(case, r1=0.5)
    options = {**QUICK, "max_epochs": 3, "batch_size": 24, "checkpoint_every": 0.0, "validation": rows(40)}
    fit = latentia.fit(*whole, rows(), **options)
    latentia.fit(*other, rows(), checkpoints=tmp_path, max_steps=8, **options)
    again = learner(case, r1=0.5)
    resumed = latentia.fit(*again, rows(), checkpoints=tmp_path, resume=True, **options)
    mine, theirs = fit.tensors(), resumed.tensors()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert all(torch.equal(a, b) for a, b in zip(whole[1].critic.parameters(), again[1].critic.parameters()))
    times = ("seconds", "rows_per_second")
    strip = lambda history: [{k: v for k, v in row.items() if k not in times} for row in history]  # noqa: E731
    assert strip(fit.history) == strip(resumed.history)


@pytest.mark.parametrize("case", ["samples", "features"])
def test_a_recorded_step_has_the_same_bits(case: str) -> None:
    results = []
    for execution in ("eager", "recorded"):
        model, who = learner(case, r1=0.5, execution=execution)
        results.append(latentia.fit(model, who, rows(), **{**QUICK, "max_epochs": 6}).tensors())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_batch_norms_and_spectral_norms_are_kept_in_checkpoints(tmp_path: Path) -> None:
    def make() -> tuple[Generator, Adversarial]:
        torch.manual_seed(0)
        model = Generator(StandardNormal(4), ConvGenerator(4, (8, 8), channels=4), (64,))
        return model, Adversarial(ConvCritic((8, 8), 2, 4, spectral=True), "hinge", pack=2)

    x = torch.rand(60, 64, generator=torch.Generator().manual_seed(0))
    options = {**QUICK, "max_epochs": 3, "checkpoint_every": 0.0}
    fit = latentia.fit(*make(), x, **options)
    latentia.fit(*make(), x, checkpoints=tmp_path, max_steps=3, **options)
    resumed = latentia.fit(*make(), x, checkpoints=tmp_path, resume=True, **options)
    assert all(torch.equal(value, resumed.tensors()[name]) for name, value in fit.tensors().items())


def test_the_last_short_batch_is_cut_to_whole_packs() -> None:
    model, who = learner("samples", pack=4)
    fit = latentia.fit(model, who, rows(130), **{**QUICK, "max_epochs": 2})
    assert (
        fit.steps == 9
    )  # the two rows left over are less than a pack: the step after them takes the next epoch's first
    assert all(np.isfinite(v) for row in fit.history for v in row.values() if isinstance(v, float))


class Breaking(nn.Module):
    """A critic whose score is no number from some call on."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = Critic(D, (4,)), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.inner(x) * (float("nan") if self.calls > 20 else 1.0)


def test_losses_that_diverge_leave_the_last_good_weights() -> None:
    model, seen = generator(), []
    who = Adversarial(Breaking(), execution="eager", average=0.0)
    remember = lambda loop: seen.append({k: v.clone() for k, v in loop.model.state_dict().items()})  # noqa: E731
    with pytest.raises(
        NonFiniteError, match=r"loss stopped being a finite number at step 11\. .* The weights are those of step 8"
    ):
        latentia.fit(model, who, rows(), callbacks=[remember], **{**QUICK, "max_epochs": 9})
    assert all(torch.equal(seen[1][name], value) for name, value in model.state_dict().items())


def test_evaluation_leaves_the_run_alone() -> None:
    results = []
    for held_out in (None, rows(50)):
        model, who = learner("samples")
        results.append(latentia.fit(model, who, rows(), validation=held_out, **QUICK))
    assert all(torch.equal(value, results[1].tensors()[name]) for name, value in results[0].tensors().items())
    row = results[1].history[-1]
    assert row["split"] == "validation"
    assert 0 <= row["missed"] <= 1


# --- refusals --------------------------------------------------------------------------------------------------------


def shared() -> tuple[Any, Adversarial]:
    model = generator(hidden=())
    critic = nn.Sequential(model.network, nn.Linear(D, 1))
    return model, Adversarial(critic)


REFUSED: dict[str, tuple[Any, type[LatentiaError], str]] = {
    "discrete likelihood": (lambda: (decoder(Bernoulli), Adversarial(Critic(D))), AbilityError, "judged='means'"),
    "narrow critic": (lambda: (generator(), Adversarial(Critic(2))), ParameterError, r"networks.Critic\(3\)"),
    "critic of two scores": (lambda: (generator(), Adversarial(MLP(D, 2))), ParameterError, "one score for each pack"),
    "packs": (
        lambda: (generator(), Adversarial(Critic(3 * D), pack=3)),
        ParameterError,
        "does not divide batch_size=32",
    ),
    "unpacked critic": (lambda: (generator(), Adversarial(Critic(D), pack=2)), ParameterError, "2 rows side by side"),
    "codes without q": (lambda: (decoder(), Adversarial(Critic(K), judged="codes")), ParameterError, "Give posterior="),
    "shared weights": (shared, AbilityError, "same parameters"),
    "no features": (
        lambda: (decoder(), Adversarial(MLP(D, 1), posterior=encoder(), reconstruct="features")),
        AbilityError,
        "networks.Critic",
    ),
    "a mixture": (lambda: (latentia.models.GaussianMixture(D, 2), Adversarial(Critic(D))), AbilityError, "AmortizedVI"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_played_is_refused_in_a_sentence(name: str) -> None:
    make, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        latentia.fit(*make(), rows(), **QUICK)


def test_no_bound_no_patience() -> None:
    with pytest.raises(ParameterError, match="without a bound"):
        latentia.fit(*learner("samples"), rows(), validation=rows(), patience=3, **QUICK)


def test_a_generator_has_no_density_and_its_noisy_version_has() -> None:
    model = generator()
    z = torch.randn(1, 5, K)
    with pytest.raises(AbilityError, match="annealed"):
        model.log_joint(rows(5), z)
    noisy = with_noise(model, 0.5)
    by_hand = torch.distributions.Normal(model.likelihood(z).mean, 0.5 * 2).log_prob(rows(5)).sum(-1)
    assert torch.allclose(noisy.log_likelihood(rows(5), z), by_hand, atol=1e-5)
    with pytest.raises(ParameterError, match="noise"):
        with_noise(model, 0.0)


# --- diagnosis -------------------------------------------------------------------------------------------------------


def history(**series: Any) -> list[dict[str, Any]]:
    n = max(len(v) for v in series.values() if isinstance(v, list))
    flat = {"told_apart": 0.6, "spread": 1.0, "real_score": 0.1, "fake_score": -0.1, **series}
    return [{"split": "train", **{k: v[i] if isinstance(v, list) else v for k, v in flat.items()}} for i in range(n)]


SEEN = {
    "well": (history(told_apart=[0.6] * 40), ""),
    "collapsed": (history(spread=[1.0] * 30 + [0.01] * 10), "collapsed"),
    "diverged": (history(spread=[1.0] * 30 + [400.0] * 10), "variance is 400 times"),
    "three of eight modes missing": ([*history(spread=[1.0] * 9), {"split": "validation", "missed": 0.36}], "Modes"),
    "missing modes": ([*history(spread=[1.0] * 9), {"split": "validation", "missed": 0.8}], "Modes are missing"),
    "won": (history(told_apart=[0.7] * 20 + [1.0] * 20), "The critic has won"),
    "won for a while": (history(told_apart=[1.0] * 20 + [0.7] * 20), ""),
    "circles": (history(real_score=[float(np.sin(i / 2)) for i in range(60)], fake_score=0.0), "circle"),
    "settles": (history(real_score=[float(np.sin(i / 2)) * 0.9**i for i in range(60)], fake_score=0.0), ""),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_went_wrong_is_said_with_a_cure(case: str) -> None:
    rows_of, words = SEEN[case]
    said = diagnose(rows_of)
    assert (" ".join(said) == "") == (words == "")
    assert words in " ".join(said)
    assert all("Try" in sentence for sentence in said)


def test_nobody_is_told_to_try_what_is_there() -> None:
    said = " ".join(diagnose(history(spread=[0.01] * 40, told_apart=[1.0] * 40), Used(pack=4, r1=2.0)))
    assert "pack=4" not in said
    assert "an r1 above 2" in said


@pytest.mark.parametrize("critic", [None, lambda x: x.sum(1)])
def test_a_critic_that_is_no_module_is_refused(critic: Any) -> None:
    with pytest.raises(AbilityError, match=r"a torch module was expected.*networks\.Critic"):
        Adversarial(critic)


@pytest.mark.parametrize("make", [lambda: ConvCritic((8, 8), channels=0), lambda: ConvGenerator(2, (8, 8), channels=0)])
def test_convolutions_without_channels_are_refused(make: Any) -> None:
    with pytest.raises(ParameterError, match="at least one channel"):
        make()
