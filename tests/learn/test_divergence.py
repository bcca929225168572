"""What is left when a loss stops being a number: the last good weights, usable, or the estimator as it was."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import latentia
from latentia import GAN, VAE
from latentia.errors import NonFiniteError
from latentia.learn import Loop

X = np.random.default_rng(0).normal(size=(80, 3))
QUICK = {"n_latent": 2, "hidden": (8,), "max_epochs": 6, "batch_size": 20, "device": "cpu", "random_state": 0}


def poison(module: str, after: int) -> Callable[[Loop], None]:
    """Make every parameter of a player infinite at the end of some epoch, as a step too far does."""

    def spoil(loop: Loop) -> None:
        if loop.batches.epoch == after:
            owner: Any = {"critic": loop.state.auxiliaries, "model": loop.model, "posterior": loop.posterior}[module]
            with torch.no_grad():
                for parameter in owner.parameters():
                    parameter.fill_(float("inf"))

    return spoil


# estimator, whose parameters break after which epoch, and the step whose weights are left (4 or 3 steps make an epoch)
KEPT: dict[str, tuple[Callable[[], Any], str, int]] = {
    "a game, its critic": (lambda: GAN(**QUICK, validation_fraction=0.0, average=0.0), "critic", 8),
    "a bound, held-out rows": (lambda: VAE(**QUICK, validation_fraction=0.25), "posterior", 6),
    "a game beside a bound": (
        lambda: VAE(**QUICK, learner="adversarial", validation_fraction=0.0),
        "critic",
        8,
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_the_last_good_weights_can_be_used(name: str, tmp_path: Path) -> None:
    make, whose, step = KEPT[name]
    model, run = make(), tmp_path / "run"
    with pytest.raises(NonFiniteError, match=rf"The weights are those of step {step}\. They are in ") as error:
        model.fit(X, run=run, callbacks=[poison(whose, 2)])
    assert str(run) in str(error.value)
    assert np.isfinite(model.sample(5, 0)).all()
    again = latentia.load(run)
    assert np.array_equal(again.sample(5, 0), model.sample(5, 0))
    assert not again.fit_.finished
    assert "stopped being a finite number" in again.fit_.status
    assert again.fit_.steps == step


def test_where_nothing_was_learnt_the_estimator_is_as_it_was() -> None:
    model = VAE(**QUICK, validation_fraction=0.0, warm_start=False)
    with pytest.raises(NonFiniteError, match="Nothing had been learnt before"):
        model.fit(X, callbacks=[poison("posterior", 2)])
    with pytest.raises(NotFittedError):
        model.transform(X)
    before = model.fit(X).transform(X)
    with pytest.raises(NonFiniteError):
        model.fit(X, callbacks=[poison("posterior", 2)])
    assert np.array_equal(model.transform(X), before)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((80, 3), np.nan))
    assert np.array_equal(model.transform(X), before)


def test_rows_that_are_no_numbers_are_not_the_critics_fault() -> None:
    from latentia.learn import Adversarial
    from latentia.models import Generator, StandardNormal
    from latentia.networks import MLP, Critic

    rows = torch.tensor(X, dtype=torch.float32)
    rows[7, 1] = float("nan")
    with pytest.raises(NonFiniteError, match=r"the data .* Leave these rows out"):
        latentia.fit(Generator(StandardNormal(2), MLP(2, 3), (3,)), Adversarial(Critic(3)), rows, max_epochs=2)


@pytest.mark.parametrize("saved", [False, True])
def test_a_warm_start_keeps_the_critic(saved: bool, tmp_path: Path) -> None:
    model = GAN(**QUICK).fit(X)
    critic = {name: value.clone() for name, value in model.learner_.critic.state_dict().items()}
    if saved:
        model.save(tmp_path / "run")
        model = latentia.load(tmp_path / "run")
    found: list[dict[str, Any]] = []
    look = lambda loop: found.append({n: v.clone() for n, v in loop.learner.critic.state_dict().items()})  # noqa: E731
    rates = {"learning_rate": 1e-12, "critic_learning_rate": 1e-12}
    model.set_params(warm_start=True, max_epochs=1, **rates).fit(X, callbacks=[look])
    assert all(torch.allclose(found[0][name], value, atol=1e-6) for name, value in critic.items())


def test_a_warm_start_of_another_size_is_refused() -> None:
    from latentia.errors import ParameterError

    model = GAN(**QUICK).fit(X)
    before = model.sample(3, 0)
    with pytest.raises(ParameterError, match=r"do not fit the network .* warm_start=False"):
        model.set_params(warm_start=True, hidden=(9,)).fit(X)
    assert np.array_equal(model.sample(3, 0), before)


@pytest.mark.parametrize("spectral", [False, True])
def test_a_fitted_gan_can_be_pickled(spectral: bool) -> None:
    model = GAN(**QUICK, spectral=spectral).fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.sample(4, 0), model.sample(4, 0))
    rows = torch.tensor(X, dtype=torch.float32)
    assert torch.equal(again.learner_.critic.eval()(rows), model.learner_.critic.eval()(rows))
