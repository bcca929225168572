import numpy as np
import pytest
from sklearn.metrics import r2_score

from latentia.explore.image_grid import as_images, tile
from latentia.explore.tables import bins_of, correlations, explained, leading_columns


def test_correlations_are_numpys_where_columns_vary():
    x = np.random.default_rng(0).normal(size=(50, 3)) @ np.array([[1, 2, 0], [0, 1, 1], [0, 0, 1.0]])
    x = np.column_stack([x, np.full(50, 0.1)])
    ours = correlations(x)
    np.testing.assert_allclose(ours[:3, :3], np.corrcoef(x[:, :3].T), atol=1e-12)
    assert np.isnan(ours[3]).all()


def test_the_share_explained_is_scikit_learns_r2():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    near = x + 0.3 * rng.normal(size=x.shape)
    np.testing.assert_allclose(explained(x, near), r2_score(x, near, multioutput="raw_values"))
    assert np.isnan(explained(np.ones((3, 1)), np.zeros((3, 1)))).all()


def test_bins_count_every_real_value():
    rng = np.random.default_rng(0)
    for real in (rng.normal(size=99), rng.integers(0, 5, 99).astype(float), np.full(9, 3.3), np.full(9, 1e9)):
        bins = bins_of(real, real[:5])
        assert bins.share(real).sum() == pytest.approx(1)
    assert bins_of(np.array([0.0, 4.0]), np.array([1.0])).discrete
    assert not bins_of(np.array([0.0, 4.0]), np.array([1.5])).discrete


def test_one_wild_sample_does_not_squash_the_real_values():
    real = np.random.default_rng(0).normal(size=500)
    sampled = np.append(real, 1e6)
    assert bins_of(real, sampled).edges[-1] < 10


def test_columns_are_chosen_by_variance_and_keep_their_order():
    x = np.random.default_rng(0).normal(size=(100, 4)) * [1, 5, 0, 9]
    assert leading_columns(x, 2).tolist() == [1, 3]
    tied = (x[:, [1, 3]] - x[:, [1, 3]].mean(0)) / x[:, [1, 3]].std(0)
    assert leading_columns(tied, 1).tolist() == [0]


def test_tiles_lie_where_they_are_counted():
    pictures = np.stack([np.full((2, 3, 3), i / 10) for i in range(5)])
    ours = tile(pictures, n_columns=3, gap=1)
    assert ours.shape == (5, 11, 3)
    for i in range(5):
        top, left = 3 * (i // 3), 4 * (i % 3)
        assert (ours[top : top + 2, left : left + 3] == round(255 * i / 10)).all()
    assert (ours[2] == 255).all()
    assert (ours[3:, 8:] == 255).all()


def test_colours_stay_colours_and_values_are_clipped():
    x = np.array([[0.0, 5, 10, -5, 20, 5]])
    picture = as_images(x, (1, 2, 3), (0, 10))[0, 0]
    np.testing.assert_allclose(picture, [[0, 0.5, 1], [0, 1, 0.5]])
    assert as_images(np.array([[1.0, 3.0]]), (1, 1, 2), (0, 4))[0, 0, 0].tolist() == [0.5, 0.5, 0.5]
    assert as_images(np.array([[np.nan, 2.0]]), (1, 2), (2, 2)).max() == 0
