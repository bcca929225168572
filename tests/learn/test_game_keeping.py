"""What is left of a game: samples through training, the best weights, the last good ones, those of a run that was stopped."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import latentia
from latentia.batch import TensorBatches
from latentia.bounds import Elbo
from latentia.bounds.evaluate import held_out_bound
from latentia.conditional import Conditional
from latentia.errors import NonFiniteError
from latentia.families import Normal
from latentia.learn import Adversarial
from latentia.learn.games.players import samples
from latentia.models import Generator, LatentVariableModel, StandardNormal
from latentia.networks import MLP, Critic
from latentia.posteriors import Amortized
from latentia.randomness import Stream

D, K = 3, 2
QUICK: dict[str, Any] = {"batch_size": 32, "max_epochs": 4, "seed": 0, "device": "cpu"}
Weights = dict[str, Tensor]


def rows(n: int = 128) -> Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(3)) * 2 + 1


def alone(critic: nn.Module | None = None, **options: Any) -> tuple[Any, Adversarial]:
    torch.manual_seed(0)
    model = Generator(StandardNormal(K), MLP(K, D, (8,)), (D,))
    return model, Adversarial(Critic(D, (8,)) if critic is None else critic, **options)


def beside(critic: nn.Module | None = None, **options: Any) -> tuple[Any, Adversarial]:
    """A model whose bound is ascended too."""
    torch.manual_seed(0)
    model = LatentVariableModel(StandardNormal(K), Conditional(MLP(K, D, (8,)), Normal((D,), scale="one"), (K,)))
    q = Amortized(Conditional(MLP(D, 2 * K, (8,)), Normal((K,)), (D,), joint=True))
    return model, Adversarial(Critic(D, (8,)) if critic is None else critic, posterior=q, judged="means", **options)


def copied(module: nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def same(module: nn.Module, wanted: Weights) -> bool:
    return all(torch.equal(value, wanted[name]) for name, value in module.state_dict().items())


class Watch:
    """What a run had at the end of each step that ended an epoch."""

    def __init__(self) -> None:
        self.raw: dict[int, Weights] = {}
        self.averages: dict[int, Weights] = {}
        self.posterior: dict[int, Weights] = {}

    def __call__(self, loop: Any) -> None:
        step, tensors = loop.state.step, loop.state.tensors
        self.raw[step], self.posterior[step] = copied(loop.model), copied(loop.posterior)
        found = {name.removeprefix("average."): t.clone() for name, t in tensors.items() if name.startswith("average.")}
        self.averages[step] = {**self.raw[step], **found}  # buffers are not averaged


# --- epochs, where a step draws several batches ----------------------------------------------------------------------


@pytest.mark.parametrize("critic_steps", [1, 2, 3, 5])
def test_samples_are_kept_through_training_however_many_batches_a_step_takes(critic_steps: int) -> None:
    model, who = alone(critic_steps=critic_steps)
    latentia.fit(model, who, rows(90), **{**QUICK, "batch_size": 10, "max_epochs": 33})
    assert sorted(who.shown) == [0, 1, 2, 4, 8, 16, 32, 33]


def test_a_step_of_several_epochs_shows_the_first_samples_after_each_power_of_two() -> None:
    model, who = alone(critic_steps=5)
    latentia.fit(model, who, rows(20), **{**QUICK, "max_epochs": 40})  # a batch an epoch, five epochs a step
    assert sorted(who.shown)[:5] == [0, 5, 10, 20, 35]


def test_samples_kept_do_not_depend_on_where_a_run_was_cut(tmp_path: Path) -> None:
    options = {**QUICK, "batch_size": 10, "max_epochs": 9, "checkpoint_every": 0.0}
    (model, whole), (other, first), (again, rest) = (alone(critic_steps=3) for _ in range(3))
    latentia.fit(model, whole, rows(90), **options)
    latentia.fit(other, first, rows(90), checkpoints=tmp_path, max_steps=7, **options)
    latentia.fit(again, rest, rows(90), checkpoints=tmp_path, resume=True, **options)
    assert sorted(whole.shown) == sorted(rest.shown) == [0, 1, 2, 4, 8, 9]
    assert all(torch.equal(whole.shown[epoch], rest.shown[epoch]) for epoch in whole.shown)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"critic_steps": 5},
        {"critic_steps": 3, "validation_fraction": 0.3},
        {"pack": 4, "critic_steps": 2},
        {"batch_size": 1000},
    ],
)
def test_the_schedule_of_a_gan_ends_where_its_last_step_does(options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).normal(size=(100, 2))  # 90 = 2 x 32 + 26, or 70 = 2 x 32 + 6, to learn from
    gan = latentia.GAN(2, hidden=(4,), random_state=0, device="cpu", **{"batch_size": 32, "max_epochs": 20, **options})
    gan.fit(x)
    assert gan.learner_.schedule.n_steps == gan.fit_.steps


def test_rows_left_over_that_are_less_than_a_pack_are_not_counted_as_steps() -> None:
    gan = latentia.GAN(2, hidden=(4,), pack=4, max_epochs=20, batch_size=32, validation_fraction=0.0, random_state=0)
    gan.fit(np.random.default_rng(0).normal(size=(98, 2)))  # 98 = 3 x 32 + 2
    assert gan.learner_.schedule.n_steps == 60
    assert gan.fit_.steps - 60 in (0, 1)


# --- the best weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", [0.0, 0.99])
def test_the_best_weights_have_the_bound_that_was_measured(average: float) -> None:
    model, who = beside(average=average, learning_rate=0.02, r1=0.1)
    fit = latentia.fit(model, who, rows(), validation=rows(60), **{**QUICK, "max_epochs": 12})
    best = max(row["bound"] for row in fit.history if row["split"] == "validation")
    held_out = TensorBatches(rows(60), batch_size=1024, noise_seed=0)
    assert held_out_bound(model, who.posterior, Elbo(), held_out, 0)["bound"] == pytest.approx(best, rel=1e-6)
    assert "best held-out bound" in fit.status
    assert ("averaged over the steps before it" in fit.status) == bool(average)


def test_the_last_samples_shown_are_those_of_the_weights_that_are_left() -> None:
    model, who = beside(average=0.9, learning_rate=0.05)
    latentia.fit(model, who, rows(), validation=rows(60), **{**QUICK, "max_epochs": 12})
    with torch.no_grad(), Stream(0):
        assert torch.equal(who.shown[12], samples(model.eval(), 64, "means"))


# --- the last good weights -------------------------------------------------------------------------------------------


class Breaking(nn.Module):
    """A critic whose score is no number from the eleventh step on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.inner, self.calls = Critic(D, (4,)), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.inner(x) * (float("nan") if self.calls > 20 else 1.0)


@pytest.mark.parametrize("make", [alone, beside])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_game_that_breaks_leaves_all_its_good_weights(make: Any, average: float) -> None:
    watch, (model, who) = Watch(), make(Breaking(), average=average, execution="eager")
    with pytest.raises(NonFiniteError, match=r"step 11\. .* The weights are those of step 8\.") as caught:
        latentia.fit(model, who, rows(), callbacks=[watch], **{**QUICK, "max_epochs": 9})
    assert same(model, watch.averages[8] if average else watch.raw[8])
    assert same(who.posterior, watch.posterior[8])
    assert ("averaged over the steps before it, with decay 0.9" in str(caught.value)) == bool(average)
    assert caught.value.fit is not None
    assert caught.value.fit.steps == 8
    assert caught.value.fit.status == str(caught.value)
    assert sorted(who.shown) == [0, 1, 2]


def test_a_game_that_breaks_in_its_first_epoch_leaves_what_it_had_learnt() -> None:
    model, who = alone(Breaking(), execution="eager", average=0.0)
    with pytest.raises(NonFiniteError, match="The weights are those of step 8"):
        latentia.fit(model, who, rows(), **{**QUICK, "batch_size": 4})
    other, short = alone(Breaking(), execution="eager", average=0.0)
    latentia.fit(other, short, rows(), **{**QUICK, "batch_size": 4}, max_steps=8)
    assert same(model, copied(other))


def test_with_held_out_rows_a_game_that_breaks_leaves_the_best_weights() -> None:
    model, who = beside(Breaking(), average=0.9, execution="eager")
    with pytest.raises(NonFiniteError, match="averaged over the steps before it") as caught:
        latentia.fit(model, who, rows(), validation=rows(60), **{**QUICK, "max_epochs": 9})
    fit = caught.value.fit
    assert fit is not None
    best = max(row["bound"] for row in fit.history if row["split"] == "validation")
    held_out = TensorBatches(rows(60), batch_size=1024, noise_seed=0)
    assert held_out_bound(model, who.posterior, Elbo(), held_out, 0)["bound"] == pytest.approx(best, rel=1e-6)


# --- a run that was stopped ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [alone, beside])
def test_a_game_that_is_stopped_is_used_with_its_averages_and_resumed_without(make: Any, tmp_path: Path) -> None:
    watch = Watch()

    def poke(loop: Any) -> None:
        watch(loop)
        if loop.state.step == 12:
            os.kill(os.getpid(), signal.SIGTERM)

    options = {**QUICK, "max_epochs": 6, "checkpoint_every": 0.0}
    model, who = make(average=0.9)
    fit = latentia.fit(model, who, rows(), callbacks=[poke], checkpoints=tmp_path, **options)
    assert fit.interrupted == "SIGTERM"
    assert same(model, watch.averages[12])
    assert "moving averages of decay 0.9" in fit.status
    assert sorted(who.shown) == [0, 1, 2, 3]
    (whole, one), (again, two) = make(average=0.9), make(average=0.9)
    latentia.fit(whole, one, rows(), **options)
    latentia.fit(again, two, rows(), checkpoints=tmp_path, resume=True, **options)
    assert same(again, copied(whole))
    assert same(two.critic, copied(one.critic))
    assert sorted(one.shown) == sorted(two.shown)
    assert all(torch.equal(one.shown[epoch], two.shown[epoch]) for epoch in one.shown)
