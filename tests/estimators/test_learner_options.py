"""A learner's own options are checked by their types, by one rule for all learners."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

import latentia
from latentia import (
    VAE,
    BayesianGaussianMixture,
    FactorAnalysis,
    GaussianMixture,
    ProbabilisticPCA,
    families,
    models,
)
from latentia.bounds import Elbo
from latentia.conditional import Conditional
from latentia.errors import ParameterError
from latentia.estimators.learners import LEARNERS, learner_of, options_of
from latentia.learn import SVI, ExactEM, Learner, Objective, Schedule, VariationalEM
from latentia.networks import MLP
from latentia.posteriors import Amortized, Local

EM = {"tol": "number", "max_iter": "whole", "start": "word", "n_starts": "whole"}
KINDS: dict[str, dict[str, str]] = {
    "amortized": {},
    "semi-amortized": {
        "n_steps": "whole",
        "step_rate": "number",
        "step_samples": "whole",
        "max_norm": "number",
        "through": "truth",
    },
    "aggressive": {
        "window": "whole",
        "tolerance": "number",
        "max_inner": "whole",
        "mi_every": "whole or none",
        "mi_tolerance": "number",
        "mi_rows": "whole",
    },
    "wake-sleep": {"n_samples": "whole"},
    "reweighted-wake-sleep": {"n_samples": "whole", "fit": "word"},
    "monte-carlo-em": {
        "sampler": "word",
        **dict.fromkeys(("n_samples", "n_proposals", "n_moves", "n_leapfrog"), "whole"),
    },
    "svi": {
        "row_steps": "whole",
        "row_rate": "number",
        "check_steps": "whole",
        "infer_steps": "whole",
        "infer_rate": "number",
        "infer_samples": "whole",
    },
    "exact-em": EM,
    "variational-em": EM,
}
GAME = {
    "objective": "word",
    "judged": "word",
    "reconstruct": "word",
    "game_weight": "number",
    "critic_steps": "whole",
    "pack": "whole",
    "channels": "whole",
    "gradient_penalty": "number or none",
    "critic_learning_rate": "number or none",
    "average": "number or none",
    "r1": "number",
    "r2": "number",
    "betas": "pair",
    "spectral": "truth",
}
COUNT, RATE = ("abc", 2.5, True, (1, 2), float("nan"), float("inf")), ("abc", True, (0.5, 1), float("nan"))
BAD: dict[str, tuple[Any, ...]] = {
    "whole": (*COUNT, None, 0),
    "whole or none": (*COUNT, 0),
    "number": (*RATE, None),
    "number or none": RATE[:-1],
    "truth": ("maybe", 2, 0.5, (True,)),
    "word": (3, True, "nonsense", ("hmc",)),
    "pair": (0.5, "abc"),
}
OWN = [(name, option, kind) for name, options in KINDS.items() for option, kind in options.items()]


def made(name: str, options: dict[str, Any]) -> Learner:
    family = families.Normal((2,))
    q = Amortized(Conditional(MLP(5, 4, (3,)), family, (5,), joint=True))
    shared: dict[str, Any] = {"bound": Elbo(), "objective": Objective(), "optimizer": "adam", "learning_rate": 1e-3}
    shared |= {"schedule": Schedule(), "gradient_clip": None, "execution": "auto"}
    return learner_of(name, q, family, options, shared)


def test_every_option_is_in_the_table() -> None:
    assert {**KINDS, "adversarial": GAME}.keys() == set(LEARNERS)
    for name, kinds in {**KINDS, "adversarial": GAME}.items():
        assert set(kinds) == set(options_of(name)), name


@pytest.mark.parametrize(("name", "option", "kind"), OWN)
def test_what_an_option_cannot_be_is_told_by_its_name(name: str, option: str, kind: str) -> None:
    for value in BAD[kind]:
        with pytest.raises(ParameterError, match=f"{option}=.*Use "):
            made(name, {option: value})


@pytest.mark.parametrize("option", GAME)
def test_so_are_the_options_of_a_game(option: str) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    for value in BAD[GAME[option]]:
        if value is not None:
            with pytest.raises(ParameterError, match=option):
                VAE(1, hidden=(2,), learner="adversarial", learner_options={option: value}, max_epochs=1).fit(x)


def test_whole_numbers_of_any_type_are_taken_as_such() -> None:
    """2.0 is written at a command line, a NumPy number comes out of a search."""
    for two in (2, 2.0, np.int64(2), np.float32(2)):
        learner = made("aggressive", {"window": two, "tolerance": two, "mi_every": None})
        assert (learner.window, learner.tolerance, learner.mi_every) == (2, 2.0, None)  # type: ignore[attr-defined]
        assert isinstance(learner.window, int)  # type: ignore[attr-defined]
    assert made("semi-amortized", {"through": np.bool_(False)}).posterior.through is False
    assert made("svi", {"infer_steps": 3, "infer_rate": 1, "infer_samples": 2.0}).posterior.n_samples == 2


CLOSED = {
    "ppca": ProbabilisticPCA(2),
    "fa": FactorAnalysis(2),
    "gmm": GaussianMixture(2),
    "bgmm": BayesianGaussianMixture(2),
}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("learner", [*LEARNERS, "closed-form"])
def test_a_learner_that_an_estimator_does_not_offer_is_not_called_unknown(name: str, learner: str) -> None:
    estimator, x = clone(CLOSED[name]), np.random.default_rng(0).normal(size=(20, 4))
    own = estimator.learner
    if learner == own or (name, learner) == ("ppca", "closed-form"):
        estimator.set_params(learner=learner).fit(x)
        return
    words = f"{type(estimator).__name__} does not learn by learner='{learner}'. Use learner='{own}'"
    with pytest.raises(ParameterError, match=words) as told:
        estimator.set_params(learner=learner).fit(x)
    assert ("latentia.fit(models." in str(told.value)) == (name != "bgmm")  # whose model no other learner takes
    with pytest.raises(ParameterError, match=f"'expectation' is not known. Use one of: {own}"):
        estimator.set_params(learner="expectation").fit(x)


def test_what_the_refusal_advises_in_python_is_taken() -> None:
    """SVI of probabilistic PCA comes near the maximum that exact EM finds."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 4)) @ np.diag([3.0, 2, 0.5, 0.5])).float()
    svi = SVI(Local(families.FullNormal((2,))), learning_rate=0.05)
    found = latentia.fit(models.ProbabilisticPCA(4, 2), svi, x, max_epochs=30, batch_size=40, seed=0, device="cpu")
    best = ProbabilisticPCA(2, scale="none").fit(x.numpy()).score(x.numpy())
    mixture = latentia.fit(models.GaussianMixture(4, 2), VariationalEM(), x, seed=0, device="cpu")
    alike = latentia.fit(models.GaussianMixture(4, 2), ExactEM(), x, seed=0, device="cpu")
    with torch.no_grad():
        assert best - 0.1 < found.model.double().log_prob(x.double()).mean().item() <= best + 1e-4  # type: ignore[operator]
    assert mixture.history[-1]["bound"] == alike.history[-1]["bound"]


def test_a_learner_from_options_learns() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    fitted = VAE(1, hidden=(2,), learner="svi", learner_options={"row_steps": 2.0, "infer_steps": 3}, max_epochs=1).fit(
        x
    )
    assert torch.isfinite(torch.as_tensor(fitted.transform(x))).all()
