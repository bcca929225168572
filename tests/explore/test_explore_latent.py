import explore_made as made
import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.exceptions import NotFittedError

from latentia import VAE
from latentia.batch import Batch
from latentia.distributions import kl
from latentia.errors import AbilityError, ParameterError
from latentia.evidence import active_units
from latentia.explore import (
    interpolation,
    manifold,
    middle,
    n_units,
    path,
    prior_draws,
    prior_quantiles,
    stops,
    traversal,
    unit_order,
)
from latentia.explore.latent import walked

rows, table_vae, image_vae = made.rows, made.table_vae, made.image_vae
pca, mixture = made.pca, made.mixture


def test_quantiles_of_a_standard_normal_prior_are_scipys(table_vae):
    ours = prior_quantiles(table_vae, (1, 37.5, 99))
    np.testing.assert_allclose(ours, norm.ppf([[0.01], [0.375], [0.99]]) * np.ones((1, 3)), rtol=1e-6)


def test_a_traversal_at_the_median_is_its_base(table_vae):
    base = np.array([0.7, -1.2, 0.4])
    np.testing.assert_allclose(
        traversal(table_vae, 1, (50,), base)[0],
        table_vae.inverse_transform([[0.7, 0.0, 0.4]])[0],
        rtol=1e-12,
    )
    np.testing.assert_allclose(traversal(table_vae, 2, (50,))[0], table_vae.inverse_transform(np.zeros((1, 3)))[0])


def test_a_traversal_moves_one_unit_alone(table_vae):
    ours = traversal(table_vae, 2, (5, 95), np.array([1.0, 2.0, 3.0]))
    by_hand = table_vae.inverse_transform(np.array([[1, 2, -1.6448536269], [1, 2, 1.6448536269]]))
    np.testing.assert_allclose(ours, by_hand, rtol=1e-8)


def test_a_traversal_of_a_linear_model_is_a_straight_line_in_the_users_units(pca):
    loading, scaling = pca.model_.loading.numpy(), pca.model_.scaling
    ours = traversal(pca, 1)
    z = norm.ppf(np.array([1, 5, 25, 50, 75, 95, 99]) / 100)
    model_units = pca.model_.loc.numpy() + z[:, None] * loading[:, 1]
    np.testing.assert_allclose(ours, scaling.loc.numpy() + scaling.scale.numpy() * model_units, rtol=1e-9)


def test_the_ends_of_an_interpolation_are_reconstructions(table_vae, rows):
    ours = interpolation(table_vae, rows[3], rows[8], n=5)
    np.testing.assert_allclose(ours[[0, -1]], table_vae.reconstruct(rows[[3, 8]]), rtol=1e-9)
    middle = table_vae.transform(rows[[3, 8]]).mean(0, keepdims=True)
    np.testing.assert_allclose(ours[2], table_vae.inverse_transform(middle)[0], rtol=1e-9)


def test_an_interpolation_takes_images_as_they_are(image_vae):
    vae, x = image_vae
    np.testing.assert_array_equal(interpolation(vae, x[0], x[1]), interpolation(vae, x[0].ravel(), x[1].ravel()))


def test_a_manifold_grows_to_the_right_and_upwards(table_vae):
    grid = manifold(table_vae, (2, 0), n=3, low=10)
    z = norm.ppf(0.9)
    corners = table_vae.inverse_transform(np.array([[z, 0, z], [z, 0, -z], [-z, 0, z], [0, 0, 0]]))
    np.testing.assert_allclose([grid[0, 2], grid[0, 0], grid[2, 2], grid[1, 1]], corners, rtol=1e-7)


def test_units_are_ordered_by_the_variance_of_their_means(table_vae, rows):
    variance = table_vae.transform(rows).var(0)
    assert (np.diff(variance[unit_order(table_vae, rows)]) <= 0).all()


def test_prior_draws_are_the_draws_of_sample_and_touch_no_global_state(table_vae):
    before = torch.get_rng_state()
    mean, draw = prior_draws(table_vae, 7, seed=5)
    np.testing.assert_allclose(draw, table_vae.sample(7, random_state=5), rtol=1e-12)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.allclose(mean, draw)
    assert (np.abs(mean - draw) < 8 * table_vae.sample(500, random_state=1).std(0)).all()


def test_means_of_prior_draws_of_a_mixture_are_its_components_means(mixture):
    mean, _ = prior_draws(mixture, 20, seed=1)
    distance = np.abs(mean[:, None] - mixture.model_.means().numpy()).max(2).min(1)
    np.testing.assert_allclose(distance, 0, atol=1e-9)


def test_means_of_a_categorical_likelihood_are_finite():
    from latentia.estimators.vae import VAE

    x = np.random.default_rng(0).integers(0, 4, size=(40, 3))
    vae = VAE(n_latent=1, hidden=(4,), max_epochs=1, likelihood="categorical", random_state=0).fit(x)
    mean, draw = prior_draws(vae, 50)
    assert np.isfinite(mean).all()
    assert mean.min() >= 0
    assert mean.max() <= 3
    assert set(np.unique(draw)) <= {0.0, 1.0, 2.0, 3.0}


def test_a_mixture_has_no_axes(mixture, rows):
    for walk in (
        lambda: n_units(mixture),
        lambda: traversal(mixture, 0),
        lambda: manifold(mixture),
        lambda: interpolation(mixture, rows[0], rows[1]),
        lambda: unit_order(mixture, rows),
    ):
        with pytest.raises(AbilityError, match="number of a component"):
            walk()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: traversal(m, 3), "units are 0 to 2"),
        (lambda m: traversal(m, -1), "units are 0 to 2"),
        (lambda m: traversal(m, 0, (0, 50)), "above 0 and below 100"),
        (lambda m: traversal(m, 0, ()), "above 0 and below 100"),
        (lambda m: traversal(m, 0, base=[0.0]), "3 columns"),
        (lambda m: interpolation(m, np.zeros(5), np.ones(5), n=1), "two ends"),
        (lambda m: manifold(m, (1, 1)), "one and the same"),
    ],
)
def test_what_cannot_be_walked_is_refused(table_vae, call, message):
    with pytest.raises(ParameterError, match=message):
        call(table_vae)


def test_an_unfitted_estimator_is_refused():
    from latentia.estimators.vae import VAE

    with pytest.raises(NotFittedError):
        traversal(VAE(), 0)


# --- units that are choices or points ------------------------------------------------------------------------------

TIED = {  # what a unit is, and how many columns and stops it has
    "straight-through-categorical": ("category", 10, 10),
    "relaxed-categorical": ("share", 10, 10),
    "dirichlet": ("share", 3, 3),
    "von-mises-fisher": ("axis", 3, 6),
}


@pytest.fixture(scope="module", params=TIED)
def tied(request, rows):
    options = {"posterior": request.param, "prior": request.param}
    vae = VAE(n_latent=3, hidden=(8,), max_epochs=2, random_state=0, **options).fit(rows)
    return request.param, vae, rows


def test_a_unit_of_several_columns_is_one_unit(tied):
    name, vae, x = tied
    kind, size, n_stops = TIED[name]
    n_columns = vae.transform(x).shape[1]
    assert n_units(vae) == n_columns // size
    assert walked(vae) == kind
    assert len(stops(vae)) == n_stops
    ours = traversal(vae, n_units(vae) - 1)
    by_hand = np.tile(middle(vae), (n_stops, 1))
    by_hand[:, -size:] = np.vstack([np.eye(size), -np.eye(size)])[:n_stops]
    np.testing.assert_allclose(ours, vae.inverse_transform(by_hand), rtol=1e-9)
    assert (ours.std(0) > 0).any()
    units = active_units(vae.model_, vae.posterior_, torch.as_tensor(x))
    means = vae.transform(x).reshape(len(x), -1, size)
    np.testing.assert_allclose(units.activity, means.var(0).sum(1), rtol=1e-5)
    assert sorted(unit_order(vae, x)) == list(range(n_units(vae)))
    if kind != "share" or name == "dirichlet":  # relaxed categories have no closed KL
        assert units.kl is not None
        q = vae.posterior_(Batch(torch.as_tensor(x, dtype=torch.float64), torch.arange(len(x))), vae.model_)
        assert units.kl.sum() == pytest.approx(kl(q, vae.model_.prior()).mean().item(), rel=1e-4)
    with pytest.raises(AbilityError, match="two numbers"):
        manifold(vae)
    if kind != "category":
        ends = [vae.transform(x[[i]])[0] for i in (0, 1)]
        between = path(vae, *ends, 5, "geodesic")
        np.testing.assert_allclose(between[[0, -1]], ends, rtol=1e-6)


def test_a_choice_has_no_slope_to_follow(rows):
    options = {"posterior": "categorical", "prior": "categorical", "gradient": "moving-average"}
    vae = VAE(n_latent=2, hidden=(8,), max_epochs=1, random_state=0, **options).fit(rows)
    with pytest.raises(AbilityError, match="choice among categories"):
        interpolation(vae, rows[0], rows[1], kind="geodesic")
    assert traversal(vae, 1).shape == (10, rows.shape[1])
    assert np.isfinite(interpolation(vae, rows[0], rows[1])).all()
