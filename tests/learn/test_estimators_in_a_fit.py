"""Gradient estimators inside a learner: recorded steps have the bits of eager ones, auxiliaries are carried on."""

from typing import Any

import pytest
import torch
from torch.distributions import Bernoulli, Independent, MultivariateNormal, kl_divergence

from latentia import families, fit
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo, ImportanceWeighted, Renyi
from latentia.bounds.gradients import LearntBaseline
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError
from latentia.learn import AmortizedVI, Objective, Schedule
from latentia.models import FamilyPrior, LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized

COINS: dict[str, dict[str, Any]] = {
    "score": {"bound": Elbo(gradient="score")},
    "moving-average": {"bound": Elbo(gradient="moving-average")},
    "nvil": {"bound": Elbo(gradient="nvil")},
    "nvil, clipped": {"bound": Elbo(gradient=LearntBaseline(hidden=(5,))), "gradient_clip": 0.1},
    "leave-one-out": {"bound": Elbo(2, gradient="leave-one-out")},
    "disarm": {"bound": Elbo(2, gradient="disarm")},
    "arm, warm-up, drawn kl": {"bound": Elbo(2, kl="monte-carlo", gradient="arm"), "objective": Objective(0.5, 9)},
    "enumeration": {"bound": Elbo(gradient="enumeration")},
    "vimco": {"bound": ImportanceWeighted(3, gradient="vimco")},
    "nvil of weights": {"bound": ImportanceWeighted(3, gradient="nvil")},
}
NORMALS: dict[str, dict[str, Any]] = {
    "sticking-the-landing": {"bound": Elbo(gradient="sticking-the-landing")},
    "dreg": {"bound": ImportanceWeighted(3, gradient="dreg")},
    "renyi": {"bound": Renyi(3, alpha=0.5)},
    "renyi, dreg": {"bound": Renyi(3, alpha=0.5, gradient="dreg")},
    "score": {"bound": Elbo(gradient="score")},
}
CASES = [("bernoulli", name) for name in COINS] + [("normal", name) for name in NORMALS]


def parts(latent: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    q = families.Bernoulli((3,)) if latent == "bernoulli" else families.Normal((3,))
    prior = FamilyPrior(families.Bernoulli((3,)), learnt=True) if latent == "bernoulli" else StandardNormal(3)
    model = LatentVariableModel(prior, Conditional(MLP(3, 6, (8,)), families.Bernoulli((6,)), (3,)))
    return model, Amortized(Conditional(MLP(6, q.n_outputs, (8,)), q, (6,), joint=True))


def rows() -> torch.Tensor:
    return torch.randint(0, 2, (50, 6), generator=torch.Generator().manual_seed(1)).float()


def learn(latent: str, options: dict[str, Any], execution: str, steps: int = 25) -> tuple[torch.Tensor, ...]:
    model, q = parts(latent)
    learner = AmortizedVI(q, execution=execution, **options)
    batches = TensorBatches(rows(), batch_size=16, seed=0)
    state, bounds = learner.init(model, batches), []
    torch.manual_seed(2)
    for _ in range(steps):
        state, info = learner.step(model, batches, state)
        bounds.append(info.bound)
    kept = [] if state.auxiliaries is None else list(state.auxiliaries.state_dict().values())
    weights = [p.detach().flatten() for p in (*model.parameters(), *q.parameters(), *kept)]
    assert execution == "eager" or state.handles["gradient"].program is not None
    return torch.cat(weights), torch.cat(bounds)


@pytest.mark.parametrize(("latent", "name"), CASES)
def test_recorded_steps_have_the_bits_of_eager_ones(latent: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.learn.gradient.RECORD_AFTER", 5)
    options = (COINS if latent == "bernoulli" else NORMALS)[name]
    for eager, recorded in zip(learn(latent, options, "eager"), learn(latent, options, "recorded")):
        assert torch.equal(eager, recorded)


@pytest.mark.parametrize("name", ["nvil", "moving-average"])
def test_a_resumed_fit_has_the_bits_of_one_that_was_not_stopped(name: str, tmp_path: Any) -> None:
    def run(folder: str, epochs: int, resume: bool = False) -> torch.Tensor:
        model, q = parts("bernoulli")
        options = {
            "seed": 3,
            "batch_size": 16,
            "device": "cpu",
            "checkpoints": tmp_path / folder,
            "checkpoint_every": 0,
        }
        fit(model, AmortizedVI(q, **COINS[name]), rows(), max_epochs=epochs, resume=resume, **options)
        return torch.cat([p.detach().flatten() for p in (*model.parameters(), *q.parameters())])

    whole = run("whole", 8)
    run("halves", 4)
    assert torch.equal(whole, run("halves", 8, resume=True))


def test_the_bound_rises_and_the_history_holds_the_bound_itself() -> None:
    model, q = parts("bernoulli")
    learner = AmortizedVI(q, bound=Elbo(2, gradient="disarm"), learning_rate=0.01)
    x = rows()[:, :3].repeat(1, 2)  # three fair coins, seen twice: log p(x) is at most -2.08 nats
    history = fit(model, learner, x, max_epochs=150, batch_size=25, seed=0, device="cpu").history
    assert -6.0 < history[0]["bound"] < -4.0
    assert history[0]["bound"] + 0.5 < history[-1]["bound"] < -2.0


@pytest.mark.parametrize(
    ("latent", "bound", "words"),
    [
        ("bernoulli", Elbo(), "Use enumeration or score"),
        ("bernoulli", ImportanceWeighted(2, gradient="dreg"), "Use enumeration or score"),
        ("normal", Elbo(2, gradient="disarm"), "Use pathwise or score"),
        ("normal", Elbo(gradient="enumeration"), "Use pathwise"),
    ],
)
def test_a_pair_that_makes_no_sense_is_refused(latent: str, bound: Any, words: str) -> None:
    model, q = parts(latent)
    with pytest.raises(AbilityError, match=words):
        fit(model, AmortizedVI(q, bound=bound), rows(), max_epochs=1)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Elbo(gradient="vimco"), AbilityError, "Use pathwise"),
        (lambda: ImportanceWeighted(2, gradient="disarm"), AbilityError, "Use pathwise"),
        (lambda: Elbo(1, gradient="leave-one-out"), ParameterError, "n_samples=2"),
        (lambda: Elbo(3, gradient="arm"), ParameterError, "even"),
        (lambda: Elbo(gradient="reinforce"), ParameterError, "gradient='reinforce'"),
        (lambda: Elbo(gradient="leave-one"), ParameterError, "Did you mean leave-one-out"),
        (lambda: Elbo(kl="closed", gradient="sticking-the-landing"), ParameterError, "kl='auto'"),
        (lambda: Renyi(2, alpha=1.0), ParameterError, "Elbo"),
        (lambda: Renyi(2, alpha=-1.0), ParameterError, "from 0"),
        (lambda: LearntBaseline(decay=1.0), ParameterError, "decay"),
    ],
)
def test_bounds_refuse_what_they_cannot_do(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_a_baseline_without_its_keeper_is_refused() -> None:
    model, q = parts("bernoulli")
    with pytest.raises(AbilityError, match="AmortizedVI"):
        Elbo(gradient="nvil")(model, q, Batch(rows(), torch.arange(50)))


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_the_covariance_of_q_decides_the_gap_of_a_linear_gaussian_model(kind: str) -> None:
    """Full: none. Diagonal: (sum_j log M_jj - log det M) / 2, M the precision of the exact posterior."""
    torch.manual_seed(0)
    model = ProbabilisticPCA(4, 2)
    with torch.no_grad():
        model.loading.copy_(torch.tensor([[1.0, 0.8], [0.7, 0.9], [0.2, -0.4], [1.0, 1.0]]))
    model.requires_grad_(False)
    x = model.sample(200)
    family = families.FullNormal((2,)) if kind == "full" else families.Normal((2,), scale="network")
    q = Amortized(Conditional(torch.nn.Linear(4, family.n_outputs), family, (4,), joint=True))
    bound = Elbo(8, gradient="sticking-the-landing" if kind == "full" else "pathwise")
    learner = AmortizedVI(q, bound=bound, learning_rate=0.05, schedule=Schedule("cosine", 600))
    fit(model, learner, x, max_epochs=600, batch_size=200, precision="float64", device="cpu")
    learnt, best = q(Batch(x, torch.arange(200)), model), model.posterior(x)
    ours = learnt.covariance_matrix if kind == "full" else torch.diag_embed(learnt.variance)  # type: ignore[attr-defined]
    exact = best.expand(torch.Size((200,)))
    ours = ours.detach()
    found = kl_divergence(MultivariateNormal(learnt.mean.detach(), ours), exact).mean()
    m = exact.precision_matrix[0]  # type: ignore[attr-defined]
    known = (torch.log(torch.diagonal(m)).sum() - torch.logdet(m)) / 2
    assert known > 0.1
    assert abs(float(found) - (0.0 if kind == "full" else float(known))) < 0.01 * float(known)


@pytest.mark.parametrize("name", ["score", "leave-one-out", "arm", "disarm"])
def test_variances_on_the_toy_are_the_exact_ones(name: str) -> None:
    """f(b) = (b - 0.49)^2, P(b = 1) = 0.3, from two draws: sums over the outcomes, for ARM an integral over u."""
    p, gap, high, low = 0.3, 1 - 2 * 0.49, 0.51**2, 0.49**2
    second = {
        "score": (p * (high * (1 - p)) ** 2 + (1 - p) * (low * p) ** 2 + (p * (1 - p) * gap) ** 2) / 2,
        "leave-one-out": 2 * p * (1 - p) * (gap / 2) ** 2,
        "disarm": 2 * p * (gap * (1 - p) / 2) ** 2,
        "arm": 2 * gap**2 * (0.5**3 - (0.5 - p) ** 3) / 3,
    }[name]

    class Toy(torch.nn.Module):
        def prior(self) -> Any:
            return Independent(Bernoulli(probs=torch.tensor([p])), 1)

        def log_likelihood(self, x: torch.Tensor, z: torch.Tensor, observed: Any = None) -> torch.Tensor:
            return (z - 0.49).square().sum(-1)

    torch.manual_seed(0)
    logits = torch.logit(torch.full((300_000, 1), p, dtype=torch.float64)).requires_grad_()
    q = Independent(Bernoulli(logits=logits), 1)
    batch = Batch(torch.zeros(300_000, 1), torch.arange(300_000))
    Elbo(2, gradient=name)(Toy(), lambda *_: q, batch).surrogate.sum().backward()
    assert logits.grad is not None
    assert float(logits.grad.var()) == pytest.approx(second - (p * (1 - p) * gap) ** 2, rel=0.03)
