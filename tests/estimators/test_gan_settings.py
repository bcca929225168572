"""What a GAN is played with where nothing is said, and pictures of any shape that convolutions can halve."""

from typing import Any

import numpy as np
import pytest
import torch

from latentia import GAN
from latentia.errors import ParameterError
from latentia.networks import ConvCritic, ConvGenerator
from latentia.networks.upwards import n_halvings


def tiny(**options: Any) -> GAN:
    return GAN(**{"n_latent": 2, "hidden": (8,), "max_epochs": 1, "device": "cpu", "random_state": 0, **options})


def test_the_wasserstein_game_finds_a_normal_as_it_comes() -> None:
    x = np.random.default_rng(0).normal(size=(2000, 2)) * [1, 5] + [0, 3]
    model = GAN(objective="wasserstein", hidden=(64, 64), max_epochs=60, random_state=0, device="cpu").fit(x)
    drawn = model.sample(2000, 0)
    assert np.abs((drawn.mean(0) - x.mean(0)) / x.std(0)).max() < 0.5
    assert ((drawn.std(0) / x.std(0) > 0.6) & (drawn.std(0) / x.std(0) < 1.6)).all()
    assert model.history_[-1]["missed"] < 0.3


PLAYED: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "as it comes": ({}, (1, (0.5, 0.99), 0.0, 0.03)),
    "hinge": ({"objective": "hinge"}, (1, (0.5, 0.99), 0.0, 0.03)),
    "wasserstein": ({"objective": "wasserstein"}, (5, (0.0, 0.9), 0.1, 0.0)),
    "wasserstein, told": (
        {"objective": "wasserstein", "r1": 0.5, "critic_steps": 2, "betas": (0.3, 0.8), "gradient_penalty": 3.0},
        (2, (0.3, 0.8), 3.0, 0.5),
    ),
    "no penalty at all": ({"r1": 0.0}, (1, (0.5, 0.99), 0.0, 0.0)),
}


@pytest.mark.parametrize("name", PLAYED)
def test_what_is_not_said_is_what_the_game_needs(name: str) -> None:
    options, wanted = PLAYED[name]
    model = tiny(**options).fit(np.random.default_rng(0).normal(size=(60, 3)))
    who: Any = model.learner_
    assert (who.critic_steps, who.betas, who.penalties.gradient, who.penalties.r1) == wanted
    assert model.get_params()["critic_steps"] == options.get("critic_steps")


# --- shapes ----------------------------------------------------------------------------------------------------------

SHAPES = [(5, 30), (30, 5), (4, 28), (4, 4), (9, 9), (10, 100), (4, 300), (28, 28, 3), (7, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_of_every_shape_are_made_and_judged(shape: tuple[int, ...]) -> None:
    size = int(np.prod(shape))
    made = ConvGenerator(2, shape, channels=2)(torch.randn(3, 2))
    assert made.shape == (3, size)
    assert ConvCritic(shape, channels=2)(made).shape == (3,)


@pytest.mark.parametrize(
    ("shape", "times"), [((28, 28), 2), ((64, 64), 4), ((8, 8), 1), ((5, 30), 2), ((10, 100), 3), ((4, 300), 2)]
)
def test_the_smaller_side_is_not_halved_away(shape: tuple[int, int], times: int) -> None:
    assert n_halvings(*shape) == times
    assert min(shape) >> times >= 1


def test_a_long_picture_is_learnt() -> None:
    x = np.random.default_rng(0).normal(size=(40, 150))
    assert tiny(network="conv", image_shape=(5, 30), channels=2).fit(x).sample(2, 0).shape == (2, 150)


def test_a_picture_of_three_pixels_is_refused_by_its_shape() -> None:
    with pytest.raises(ParameterError, match=r"3 x 50 pixels are too small for convolutions\. Use network='mlp'"):
        tiny(network="conv", image_shape=(3, 50), channels=2).fit(np.random.default_rng(0).normal(size=(40, 150)))
