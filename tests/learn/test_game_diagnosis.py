"""What is said of a game: who circles and who does not, of what the spread is, and no cure that is in use."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.parametrizations import spectral_norm

import latentia
from latentia.learn import Adversarial, Schedule
from latentia.learn.games.circling import wave_in
from latentia.learn.games.diagnosis import diagnose
from latentia.learn.games.settings import Used, used_by
from latentia.models import Generator, StandardNormal
from latentia.networks import MLP, Critic

N = 60
FLAT = {"told_apart": 0.6, "spread": 1.0, "real_score": 0.1, "fake_score": -0.1}


def history(n: int = N, **series: Any) -> list[dict[str, Any]]:
    given = {name: np.broadcast_to(np.asarray(values, float), (n,)) for name, values in {**FLAT, **series}.items()}
    return [{"split": "train", "epoch": i, **{name: float(v[i]) for name, v in given.items()}} for i in range(n)]


def walk(rng: np.random.Generator, memory: float = 1.0) -> np.ndarray:
    y = np.zeros(N)
    for i in range(1, N):
        y[i] = memory * y[i - 1] + rng.normal()
    return y


AGES = np.arange(N)
QUIET: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "noise about zero": lambda rng: rng.normal(size=N),
    "tiny noise about zero": lambda rng: 1e-3 * rng.normal(size=N),
    "huge noise about zero": lambda rng: 1e3 * rng.normal(size=N),
    "noise above zero": lambda rng: 2 + rng.normal(size=N),
    "noise with memory": lambda rng: walk(rng, 0.5),
    "a walk": walk,
    "a walk in noise": lambda rng: walk(rng) + rng.normal(size=N),
    "a slow walk": lambda rng: walk(rng).cumsum(),
    "a decay": lambda rng: np.exp(-AGES / rng.uniform(3, 60)),
    "a decay in noise": lambda rng: 3 * np.exp(-AGES / rng.uniform(3, 60)) + 0.1 * rng.normal(size=N),
    "turning back and forth": lambda rng: walk(rng, -0.5),
    "a dying wave": lambda rng: np.sin(AGES / 2) * 0.93**AGES + 1e-3 * rng.normal(size=N),
}


@pytest.mark.parametrize("name", QUIET)
def test_what_does_not_go_round_is_not_said_to(name: str) -> None:
    rng = np.random.default_rng(0)
    alarms = sum(bool(diagnose(history(real_score=QUIET[name](rng), fake_score=0.0))) for _ in range(100))
    assert alarms <= 1


def test_noise_is_taken_for_a_wave_as_rarely_as_was_asked() -> None:
    """Of 1500 series of noise 15 are at a level of one in a hundred; the bound is the 0.999 quantile of that count."""
    rng = np.random.default_rng(1)
    assert sum(wave_in(rng.normal(size=45), 0.01) is not None for _ in range(1500)) <= 28


CIRCLING = {
    "about zero": {"real_score": np.sin(AGES / 2), "fake_score": 0.0},
    "above zero": {"real_score": 2 + np.sin(AGES / 2), "fake_score": 0.0},
    "tiny": {"real_score": 1e-3 * np.sin(AGES / 2), "fake_score": 0.0},
    "in noise": {"real_score": np.sin(AGES / 2) + 0.3 * np.random.default_rng(2).normal(size=N), "fake_score": 0.0},
    "on the way down": {"real_score": 6 - AGES / 20 + np.sin(AGES / 1.5), "fake_score": 0.0},
    "losses": {"generator_loss": 1 + 3 * np.abs(np.sin(AGES / 4))},
    "told apart and spread": {
        "told_apart": 0.5 + 0.3 * np.abs(np.sin(AGES / 4)),
        "spread": 0.5 + np.abs(np.sin(AGES / 4)),
    },
}


@pytest.mark.parametrize("name", CIRCLING)
def test_what_goes_round_is_said_to(name: str) -> None:
    (said,) = diagnose(history(**CIRCLING[name]))
    assert "circle" in said
    assert re.search("about every 1[23] epochs", said) or name == "on the way down"


@pytest.mark.parametrize(("n", "period"), [(100, 20.0), (450, 5.0), (3000, 7.0), (3000, 300.0), (20_000, 3000.0)])
def test_circles_are_seen_whether_slow_or_fast(n: int, period: float) -> None:
    y = np.sin(2 * np.pi * np.arange(n) / period) + 0.2 * np.random.default_rng(0).normal(size=n)
    wave = wave_in(y)
    assert wave is not None
    assert wave.period == pytest.approx(period, rel=0.1)


def test_a_fit_that_finds_a_normal_is_accused_of_nothing() -> None:
    torch.manual_seed(0)
    x = torch.randn(640, 2)
    model = Generator(StandardNormal(2), MLP(2, 2, (32,)), (2,))
    who = Adversarial(Critic(2, (32,)), r1=0.2, learning_rate=3e-3, average=0.99, schedule=Schedule("cosine", 400))
    fit = latentia.fit(
        model, who, x, validation=torch.randn(500, 2), batch_size=64, max_epochs=40, seed=0, device="cpu"
    )
    assert diagnose(fit.history) == []


def test_numbers_that_are_none_are_left_out() -> None:
    assert diagnose(history(spread=np.nan, told_apart=np.nan, real_score=np.nan)) == []
    assert diagnose([*history(), {"split": "validation", "missed": float("nan")}]) == []
    seen = [*history(), {"split": "validation", "missed": 0.8}, {"split": "validation", "missed": float("nan")}]
    assert "no sample is near 80%" in diagnose(seen)[0]
    assert diagnose([]) == []


# --- of what the spread is -------------------------------------------------------------------------------------------


def test_a_spread_of_codes_is_said_to_be_of_codes() -> None:
    codes = Used(judged="codes")
    (narrow,), (wide,) = (diagnose(history(spread=spread), codes) for spread in (0.1, 40.0))
    assert "The codes have collapsed: their variance is 10% of the prior's" in narrow
    assert "the codes' variance is 40 times the prior's" in wide
    for said in (narrow, wide):
        assert "samples" not in said
        assert "data" not in said
        assert "game_weight" in said


def test_means_that_are_narrower_than_noisy_rows_have_not_collapsed() -> None:
    assert diagnose(history(spread=0.1), Used(judged="means")) == []
    assert "collapsed" in diagnose(history(spread=0.1))[0]


# --- cures -----------------------------------------------------------------------------------------------------------

TROUBLES = {
    "diverged": history(spread=100.0),
    "collapsed": history(spread=0.01),
    "missing": [*history(), {"split": "validation", "missed": 0.9}],
    "won": history(told_apart=1.0),
    "circles": history(real_score=np.sin(AGES / 2)),
}
OBJECTIVES = ("non-saturating", "wasserstein", "hinge", "relativistic")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_cure_is_in_use(trouble: str) -> None:
    for values in product(OBJECTIVES, (1, 5), (1, 4), ((0.5, 0.99), (0.0, 0.9)), (0.0, 0.1), (0.0, 1.0), (0.0, 1.0)):
        objective, critic_steps, pack, betas, gradient_penalty, r1, r2 = values
        for more in ({}, {"average": 0.9999, "spectral": True, "falling": True}, {"judged": "codes"}):
            used = Used(
                objective, critic_steps=critic_steps, pack=pack, betas=betas, gradient_penalty=gradient_penalty, r1=r1, r2=r2,
                **more,
            )  # fmt: skip
            (said,) = diagnose(TROUBLES[trouble], used)
            cure = said.split(" Try ")[1]
            there = {
                f"objective='{objective}'": True, "r1=1": r1 == 1, "r2=1": r2 == 1, "pack=4": pack >= 4, "r1=0": not r1,
                "critic_steps=5": critic_steps == 5, "betas=(0.0, 0.9)": betas[0] == 0,
                "gradient_penalty=0.1": gradient_penalty > 0, "spectral": used.spectral, "schedule": used.falling,
                "a larger average": used.average > 0.999,
            }  # fmt: skip
            assert not [words for words, in_use in there.items() if in_use and words in cure], (used, cure)
            assert "Try ." not in said
            assert (
                "r1" not in cure.replace("r1=0", "").split("objective='relativistic'")[0] or objective != "wasserstein"
            )


def test_a_wasserstein_game_is_told_what_it_is_known_to_need() -> None:
    (said,) = diagnose(TROUBLES["collapsed"], Used("wasserstein", r1=0.03, gradient_penalty=10.0))
    assert "critic_steps=5 with betas=(0.0, 0.9), r1=0" in said


def test_what_a_learner_uses_is_read_from_it() -> None:
    critic = torch.nn.Sequential(spectral_norm(torch.nn.Linear(8, 4)), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    who = Adversarial(
        critic, "wasserstein", pack=4, critic_steps=3, r1=0.5, r2=2.0, betas=(0.1, 0.9), schedule=Schedule("cosine", 10)
    )
    assert used_by(who) == Used("wasserstein", "samples", 3, 4, (0.1, 0.9), 10.0, 0.5, 2.0, 0.999, True, True)
    assert not used_by(Adversarial(Critic(2))).spectral
    assert used_by(Adversarial(Critic(2, spectral=True))).spectral


def test_a_status_recommends_nothing_that_is_in_use() -> None:
    torch.manual_seed(0)
    model = Generator(StandardNormal(2), MLP(2, 2, ()), (2,))
    critic = Critic(8, (4,), spectral=True)
    who = Adversarial(critic, "relativistic", pack=4, r1=1.0, r2=1.0, learning_rate=1e-9)
    fit = latentia.fit(
        model, who, 100 * torch.randn(64, 2), validation=100 * torch.randn(40, 2), batch_size=32, max_epochs=2, seed=0,
        device="cpu",
    )  # fmt: skip
    assert "Modes are missing" in fit.status
    assert not [words for words in ("relativistic", "pack=4", "r1=1", "r2=1") if words in fit.status]
