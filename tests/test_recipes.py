"""The one-sitting scripts run as their users run them, on tiny data, and what they compare agrees."""

import runpy
from pathlib import Path
from typing import Any

import pytest

RECIPES = Path(__file__).parents[1] / "recipes"


def run(name: str, *arguments: str) -> Any:
    """What `main` of a recipe returns."""
    return runpy.run_path(str(RECIPES / name))["main"](arguments)


def test_vae_by_hand_agrees_with_latentia(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = run("vae.py", "--tiny", "--epochs", "3", "--samples", "100")
    by_hand, theirs, weighted, their_weighted, learnt = list(numbers.values())[:5]

    assert numbers["same_noise"] < 1e-4  # float32, sums over 64 pixels
    assert abs(by_hand - theirs) < 5 * numbers["mc_error"]
    assert abs(weighted - their_weighted) < 5 * numbers["iw_mc_error"]
    assert theirs < their_weighted  # IW-1 <= IW-k
    assert abs(learnt - theirs) < 3  # another order of the rows, the same algorithm
    assert "ELBO, by hand" in capsys.readouterr().out


def test_em_by_hand_agrees_with_latentia(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run("em.py", "--tiny")

    for _, by_hand, theirs, gap, passes in rows:
        assert abs(by_hand - theirs) < 1e-9
        assert gap < 1e-5  # the likelihood is flat at its maximum: parameters agree to half as many digits
        assert passes > 2
    assert "probabilistic PCA" in capsys.readouterr().out


def test_gan_by_hand_agrees_with_latentia(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = run("gan.py", "--tiny", "--steps", "200")

    assert numbers["same step"] < 1e-6  # float32
    assert numbers["optimal critic"] < 0.05
    assert numbers["modes"] >= 1
    assert "By hand" in capsys.readouterr().out


def test_svi_by_hand_reaches_the_exact_posteriors(capsys: pytest.CaptureFixture[str]) -> None:
    found = run("svi.py", "--tiny")
    assert 0 <= found["KL(q || p(z|x)), by hand"] < 1e-3
    assert 0 <= found["KL(q || p(z|x)), latentia"] < 1e-3
    most = found["log p(x), the maximum"]
    assert all(most - 0.3 < found[f"log p(x), {who}"] <= most for who in ("by hand", "latentia"))
    assert "nats per row" in capsys.readouterr().out


def test_aggressive_training_puts_more_into_z(capsys: pytest.CaptureFixture[str]) -> None:
    found = run("aggressive.py", "--tiny")
    assert found["aggressive"]["information"] > found["plain"]["information"] + 0.3
    assert all(numbers["information"] <= numbers["kl"] + 0.3 for numbers in found.values())
    assert "more of q" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(path.name for path in RECIPES.glob("*.py")))
def test_a_recipe_is_one_sitting(name: str) -> None:
    lines = (RECIPES / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 200


@pytest.mark.parametrize("name", sorted(path.name for path in RECIPES.glob("*.py")))
def test_every_recipe_is_run_here(name: str) -> None:
    assert f'run("{name}"' in Path(__file__).read_text(encoding="utf-8")
