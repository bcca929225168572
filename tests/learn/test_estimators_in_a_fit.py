"""Gradient estimators inside a learner: recorded steps have the bits of eager ones, auxiliaries are carried on."""

from typing import Any

import pytest
import torch

from latentia import families, fit
from latentia.batch import TensorBatches
from latentia.bounds import Elbo, ImportanceWeighted, Renyi
from latentia.bounds.gradients import LearntBaseline
from latentia.conditional import Conditional
from latentia.errors import AbilityError, ParameterError
from latentia.learn import AmortizedVI, Objective
from latentia.models import FamilyPrior, LatentVariableModel, StandardNormal
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
    from latentia.batch import Batch

    with pytest.raises(AbilityError, match="AmortizedVI"):
        Elbo(gradient="nvil")(model, q, Batch(rows(), torch.arange(50)))
