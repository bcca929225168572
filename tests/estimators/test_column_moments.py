"""Moments in pieces against NumPy's of the whole: offsets, weights, constant columns, scalings."""

import numpy as np
import pytest
import torch

from latentia.estimators.column_moments import ColumnMoments
from latentia.estimators.facts import ArrayFacts
from latentia.scaling import Scaling

RNG = np.random.default_rng(0)
X = np.column_stack([RNG.normal(size=50), 1e8 + RNG.normal(size=50), np.arange(50.0), np.full(50, 3.3)])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.estimators.column_moments.CELLS_AT_ONCE", 4 * 7)  # seven rows


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize("weighted", [False, True])
def test_pieces_have_the_moments_of_the_whole(dtype: type, weighted: bool) -> None:
    x = X.astype(dtype)
    weight = RNG.integers(0, 3, 50).astype(float) if weighted else None
    found = ColumnMoments(4)
    for part in (slice(0, 20), slice(20, 21), slice(21, 50)):
        found.add(x[part], None if weight is None else weight[part])
    mean = np.average(x, axis=0, weights=weight)
    sd = np.sqrt(np.average(np.square(x - mean), axis=0, weights=weight))
    np.testing.assert_allclose(found.mean_and_sd()[0], mean, rtol=1e-13)
    np.testing.assert_allclose(found.mean_and_sd()[1][:3], sd[:3], rtol=1e-9)
    assert found.mean_and_sd()[1][3] == 0
    assert found.weight == (50 if weight is None else weight.sum())


def test_in_the_models_units_they_are_those_of_scaled_rows() -> None:
    scaling = Scaling(torch.tensor([1.0, 1e8, 2.0, 0.3]).double(), torch.tensor([2.0, 3.0, 10.0, 1.0]).double())
    mean, sd = ArrayFacts(X).moments(scaling)
    scaled = (X - scaling.loc.numpy()) / scaling.scale.numpy()
    np.testing.assert_allclose(mean, scaled.mean(0), atol=1e-8)
    np.testing.assert_allclose(sd[:3], scaled.std(0)[:3], rtol=1e-8)
