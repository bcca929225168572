"""Games in which no gradient reaches the player: refused in a sentence whose advice holds."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from latentia import VAE
from latentia.conditional import Conditional
from latentia.errors import AbilityError
from latentia.families import Bernoulli, Categorical, Normal, Poisson
from latentia.learn import Adversarial
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP, Critic
from latentia.posteriors import Amortized, Local

D, K = 3, 2


def model(family: Any) -> LatentVariableModel:
    torch.manual_seed(0)
    return LatentVariableModel(StandardNormal(K), Conditional(MLP(K, D * family.n_raw, (8,)), family, (K,)))


def encoder() -> Amortized:
    return Amortized(Conditional(MLP(D, 2 * K, (8,)), Normal((K,)), (D,), joint=True))


FAMILIES = {"categorical": Categorical((D,), 4), "bernoulli": Bernoulli((D,)), "poisson": Poisson((D,))}
FAMILIES["normal"] = Normal((D,))
TAUGHT = {("normal", "samples"), ("normal", "means"), ("bernoulli", "means"), ("poisson", "means")}


@pytest.mark.parametrize("judged", ["samples", "means"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_game_without_a_gradient_is_refused_and_the_advice_holds(name: str, judged: str) -> None:
    who = Adversarial(Critic(D, (8,)), judged=judged)
    if (name, judged) in TAUGHT:
        return who.check(model(FAMILIES[name]))
    with pytest.raises(AbilityError, match=f"No gradient flows through the .* of a {name.title()} likelihood") as error:
        who.check(model(FAMILIES[name]))
    (advised,) = re.findall(r"judged='(\w+)'", str(error.value))
    size, q = (K, encoder()) if advised == "codes" else (D, None)
    Adversarial(Critic(size, (8,)), posterior=q, judged=advised).check(model(FAMILIES[name]))


def test_a_critic_of_categorical_codes_is_refused() -> None:
    q = Amortized(Conditional(MLP(D, 4 * K, (8,)), Categorical((K,), 4), (D,), joint=True))
    with pytest.raises(AbilityError, match=r"draws of a Categorical q\(z\|x\).*posterior of real numbers"):
        Adversarial(Critic(K, (8,)), posterior=q, judged="codes").check(model(FAMILIES["normal"]))


def test_a_posterior_that_moves_row_by_row_is_not_asked_for_an_encoder() -> None:
    Adversarial(Critic(K, (8,)), posterior=Local(Normal((K,))), judged="codes").check(model(FAMILIES["normal"]))


def test_modes_and_random_numbers_are_left_alone() -> None:
    who, decoder = Adversarial(Critic(K, (8,)), posterior=encoder(), judged="codes"), model(FAMILIES["bernoulli"])
    before = torch.get_rng_state()
    who.check(decoder)
    assert torch.equal(before, torch.get_rng_state())
    assert who.posterior.training
    assert decoder.training
    assert all(p.grad is None for p in (*decoder.parameters(), *who.posterior.parameters()))


CASES: dict[str, dict[str, Any]] = {
    "categorical": {"likelihood": "categorical"},
    "pixelcnn": {"network": "pixelcnn", "channels": 4},
    "categorical codes": {"posterior": "categorical", "learner_options": {"judged": "codes"}},
}


@pytest.mark.parametrize("name", CASES)
def test_the_estimator_says_what_cannot_be_played(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, size=(30, 4, 4)) if name == "pixelcnn" else rng.integers(0, 4, size=(30, 3))
    vae = VAE(2, hidden=(8,), learner="adversarial", max_epochs=1, random_state=0, device="cpu", **CASES[name])
    with pytest.raises(AbilityError, match="No gradient flows through the"):
        vae.fit(x.astype(float))


def test_a_pixelcnn_may_have_its_codes_judged() -> None:
    """There the game moves the encoder: a game of another weight ends elsewhere."""
    x = np.random.default_rng(0).integers(0, 2, size=(30, 4, 4)).astype(float)
    ends = []
    for weight in (1.0, 1000.0):
        options = {"judged": "codes", "game_weight": weight}
        vae = VAE(2, hidden=(8,), network="pixelcnn", channels=4, learner="adversarial", learner_options=options)
        vae.set_params(max_epochs=1, random_state=0, device="cpu", validation_fraction=0.0).fit(x)
        ends.append([p.clone() for p in vae.posterior_.parameters()])
    assert any(not torch.equal(a, b) for a, b in zip(*ends))
