"""Scores of codes whose answer is known: perfect, turned, shuffled, random."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from latentia import evidence
from latentia.data import FACTORS, draw_factors, every_factor, factor_images, render_factors
from latentia.errors import DataError, ParameterError
from latentia.evidence.known_factors import dci_of_importances

RNG = np.random.default_rng(0)
SIZES = tuple(FACTORS.values())
ORDERED = (False, True, True, True, True)
FACTORS_SEEN = draw_factors(2000)
PERFECT = FACTORS_SEEN[:, ::-1] * [1.0, -2.0, 0.5, 3.0, 1.0]  # one unit each, in another order and scale


def turned(codes: np.ndarray) -> np.ndarray:
    """The first two units turned by an eighth of a circle, in units of their spread."""
    z = (codes - codes.mean(0)) / codes.std(0)
    z[:, :2] = z[:, :2] @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    return z


def test_perfect_codes_have_full_marks_and_random_ones_none() -> None:
    best = evidence.disentanglement(PERFECT, FACTORS_SEEN, ordered=ORDERED)
    assert (best.mig, best.disentanglement, best.completeness, best.informativeness) == pytest.approx(
        (1,) * 4, abs=0.02
    )
    assert best.sap == pytest.approx(1, abs=0.05)
    worst = evidence.disentanglement(RNG.normal(size=(2000, 5)), FACTORS_SEEN, ordered=ORDERED)
    assert worst.mig < 0.03
    assert worst.sap < 0.05
    assert worst.disentanglement < 0.1
    assert worst.completeness < 0.1


def test_turning_two_units_costs_what_belongs_to_two_of_five_factors() -> None:
    best, worse = (evidence.disentanglement(z, FACTORS_SEEN, ordered=ORDERED) for z in (PERFECT, turned(PERFECT)))
    assert 0.5 < worse.mig < 0.75 < best.mig
    assert worse.sap == pytest.approx(best.sap - 2 / 5, abs=0.05)
    assert worse.disentanglement < best.disentanglement - 0.1


def test_mig_is_scikit_learns_information() -> None:
    codes = RNG.normal(size=(500, 3)) + FACTORS_SEEN[:500, :3]
    bins = [np.digitize(z, np.linspace(z.min(), z.max(), 21)[1:-1]) for z in codes.T]
    gaps = []
    for v in FACTORS_SEEN[:500].T:
        found = sorted(mutual_info_score(v, b) for b in bins)
        gaps.append((found[-1] - found[-2]) / mutual_info_score(v, v))
    assert evidence.mig(codes, FACTORS_SEEN[:500]) == pytest.approx(np.mean(gaps), abs=1e-3)


def test_sap_of_a_line_is_the_gap_of_squared_correlations() -> None:
    codes = RNG.normal(size=(300, 2)) + FACTORS_SEEN[:300, 2:3] * [1.0, 0.3]
    v = FACTORS_SEEN[:300, 2:3]
    r = [np.corrcoef(z, v[:, 0])[0, 1] ** 2 for z in codes.T]
    assert evidence.sap(codes, v) == pytest.approx(max(r) - min(r))


def test_dci_of_importances_by_hand() -> None:
    r = np.array([[0.9, 0.1], [0.1, 0.9]])
    entropy = -(0.9 * np.log2(0.9) + 0.1 * np.log2(0.1))
    assert dci_of_importances(r) == pytest.approx((1 - entropy, 1 - entropy))
    idle = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])  # a unit that serves nothing costs nothing
    assert dci_of_importances(idle) == pytest.approx((1.0, 1.0))
    assert dci_of_importances(np.zeros((2, 2))) == (0.0, 0.0)


def test_factor_vae_score_knows_perfect_from_random() -> None:
    perfect = evidence.factor_vae_score(lambda x: x, lambda f: f[:, ::-1] + 0.0, SIZES)
    assert perfect == 1.0
    noise = np.random.default_rng(1)
    chance = evidence.factor_vae_score(lambda x: noise.normal(size=(len(x), 5)), lambda f: f, SIZES)
    assert chance < 0.35  # a fifth, and the luck of a table learnt from 200 votes
    assert evidence.factor_vae_score(lambda x: np.zeros((len(x), 3)), lambda f: f, SIZES) == 0.0


# --- the generator ---------------------------------------------------------------------------------------------------


def test_every_combination_gives_its_own_picture() -> None:
    data, factors = factor_images()
    assert len(np.unique(factors, axis=0)) == len(data.x) == 3072
    assert len(np.unique(data.x.round(9), axis=0)) == 3072
    assert data.x.min() >= 0
    assert data.x.max() <= 1
    assert data.image_shape == (16, 16)


def test_a_factor_moves_what_it_is_named_after() -> None:
    grid = np.arange(16) + 0.5
    middle = {"shape": 1, "size": 2, "x": 3, "y": 3, "brightness": 2}
    for name, size in FACTORS.items():
        rows = np.array([list({**middle, name: value}.values()) for value in range(size)])
        pictures = render_factors(rows).reshape(-1, 16, 16)
        mass = pictures.sum((1, 2))
        x, y = (pictures.sum(1) @ grid / mass, pictures.sum(2) @ grid / mass)
        light = pictures.max((1, 2))
        measured = {"x": (x, 0.3), "y": (y, 0.3), "size": (mass / light, 4.0), "brightness": (light, 1e-9)}
        for other, (values, slack) in measured.items():
            steps = np.diff(values)
            assert (steps > slack).all() if other == name else name == "shape" or np.ptp(values) <= slack, (name, other)


def test_draws_are_the_same_for_the_same_seed_and_uniform() -> None:
    np.testing.assert_array_equal(draw_factors(50, 3), draw_factors(50, 3))
    from scipy.stats import chisquare

    for values, size in zip(draw_factors(5000).T, SIZES):
        assert chisquare(np.bincount(values, minlength=size)).pvalue > 1e-6
    assert len(every_factor()) == 3072


BAD = [
    (lambda: evidence.mig(np.ones((5, 2)), np.ones((4, 1), int)), DataError, "do not belong together"),
    (lambda: evidence.mig(np.ones((5, 2)), np.ones((5, 1), int)), DataError, "one value only"),
    (lambda: evidence.mig(np.full((5, 2), np.nan), np.arange(5)[:, None]), DataError, "not finite"),
    (lambda: evidence.mig(np.ones((5, 2)), np.arange(5)[:, None], n_bins=1), ParameterError, "n_bins=1"),
    (lambda: evidence.sap(np.ones((5, 2)), np.arange(5)[:, None], ordered=[True] * 2), ParameterError, "2 entries"),
    (lambda: evidence.factor_vae_score(lambda x: x, lambda f: f, SIZES, n_votes=1), ParameterError, "Two votes"),
    (lambda: render_factors(np.array([[3, 0, 0, 0, 0]])), ParameterError, "shape below 3"),
    (lambda: draw_factors(0), ParameterError, "n=0"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD)
def test_bad_input_is_told(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
