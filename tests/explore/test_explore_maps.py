import explore_made as made
import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentia.estimators.vae import VAE
from latentia.explore import latent_map
from latentia.explore.groups import group
from latentia.explore.maps import principal_axes

rows, table_vae, mixture = made.rows, made.table_vae, made.mixture


@pytest.mark.parametrize("n", [1, 2])
def test_few_units_are_shown_as_they_are(rows, n):
    vae = VAE(n_latent=n, hidden=(4,), max_epochs=1, random_state=0).fit(rows)
    found = latent_map(vae, rows)
    np.testing.assert_array_equal(found.points, vae.transform(rows))
    assert found.kind == "units"
    np.testing.assert_allclose(found.prior, [[0] * n, [1] * n])


def test_many_units_are_shown_on_the_axes_of_scikit_learns_pca(table_vae, rows):
    found = latent_map(table_vae, rows)
    theirs = PCA(2).fit(table_vae.transform(rows))
    points = theirs.transform(table_vae.transform(rows))
    np.testing.assert_allclose(np.abs(found.points), np.abs(points), atol=1e-9)
    assert found.share == pytest.approx(theirs.explained_variance_ratio_.sum())
    assert "posterior means" in found.axes[0]
    assert found.prior is None


def test_a_mixture_is_shown_on_the_axes_of_its_standardised_data(mixture, rows):
    found = latent_map(mixture, rows)
    points = PCA(2).fit_transform((rows - rows.mean(0)) / rows.std(0))
    np.testing.assert_allclose(np.abs(found.points), np.abs(points), atol=1e-9)
    assert found.kind == "data-pca"


def test_axes_do_not_flip_with_the_order_of_the_rows():
    x = np.random.default_rng(0).normal(size=(30, 4)) * [4, 3, 2, 1]
    points, _ = principal_axes(x)
    again, _ = principal_axes(x[::-1])
    np.testing.assert_allclose(points, again[::-1], atol=1e-9)


def test_constant_rows_have_a_map():
    points, share = principal_axes(np.full((5, 3), 2.0))
    assert not points.any()
    assert not share.any()


def test_labels_of_few_values_are_classes_in_order():
    found = group(np.array([10, 2, 10, 3]))
    assert found.names == ("2", "3", "10")
    assert found.codes.tolist() == [2, 0, 2, 1]


def test_numbers_of_many_values_are_a_scale_and_names_are_cut():
    scale = group(np.linspace(0, 1, 50))
    assert scale.codes is None
    assert scale.values[-1] == 1
    names = group(np.array([f"n{i}" for i in range(30)] + ["n3"] * 4 + ["n17"] * 2))
    assert names.names[:2] == ("n3", "n17")
    assert names.names[-1] == "other"
    assert len(names.names) == 10
    assert "30 different values" in names.note


def test_missing_labels_have_no_class():
    found = group(np.array(["a", None, "b", float("nan")], dtype=object))
    assert found.codes.tolist() == [0, -1, 1, -1]
    assert group(np.array([np.nan, 1.0, 2.0])).codes.tolist() == [-1, 0, 1]
    assert group(np.array([np.nan, np.nan])) is None
    assert group(None) is None
