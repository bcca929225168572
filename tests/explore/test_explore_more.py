"""Paths, neighbours, components, fields, frames, watched fits: against geometry, brute force and scikit-learn."""

import explore_made as made
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial import geometric_slerp
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from latentia.errors import AbilityError, ParameterError
from latentia.estimators import Autoencoder, DenoisingAutoencoder, LinearAutoencoder, ProbabilisticPCA
from latentia.explore import (
    Watch,
    animate,
    components,
    interpolation,
    move_of,
    neighbours,
    path,
    reconstructions,
    strip,
    vector_field,
    walk,
)
from latentia.explore.paths import geodesic, spherical
from latentia.explore.training_plots import training_frames

rows, table_vae, image_vae = made.rows, made.table_vae, made.image_vae
pca, mixture = made.pca, made.mixture


def test_a_spherical_path_is_scipys_on_the_sphere():
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 4)))
    np.testing.assert_allclose(spherical(a, b, 7), geometric_slerp(a, b, np.linspace(0, 1, 7)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(spherical(2 * a, 3 * b, 5), axis=1), [2, 2.25, 2.5, 2.75, 3])
    np.testing.assert_allclose(spherical(0 * a, b, 3), [0 * b, b / 2, b])
    np.testing.assert_allclose(spherical(a, 2 * a, 3), [a, 1.5 * a, 2 * a])


def test_a_geodesic_of_polar_coordinates_is_straight_in_the_plane():
    """g(r, phi) = (r cos phi, r sin phi): the shortest way between two points is the chord."""

    def decode(z):
        return torch.stack([z[:, 0] * z[:, 1].cos(), z[:, 0] * z[:, 1].sin()], dim=1)

    a, b = np.array([1.0, 0.0]), np.array([1.5, 2.0])
    straight = a + np.linspace(0, 1, 9)[:, None] * (b - a)
    found = decode(torch.as_tensor(geodesic(decode, straight))).numpy()
    ends = decode(torch.as_tensor(np.stack([a, b]))).numpy()
    chord = ends[0] + np.linspace(0, 1, 9)[:, None] * (ends[1] - ends[0])
    np.testing.assert_allclose(found, chord, atol=0.02)
    assert np.abs(decode(torch.as_tensor(straight)).numpy() - chord).max() > 0.2


def test_a_geodesic_of_a_model_is_no_longer_than_the_straight_line(table_vae, pca):
    a, b = np.array([-1.5, 1.0, 0.3]), np.array([1.0, -1.0, 2.0])

    def length(kind):
        x = table_vae.inverse_transform(path(table_vae, a, b, 33, kind))
        scale = table_vae.model_.scaling.scale.numpy()
        return np.linalg.norm(np.diff(x / scale, axis=0), axis=1).sum()

    assert length("geodesic") <= length("linear") * (1 + 1e-6)
    np.testing.assert_allclose(path(pca, [0, 1], [2, 0], 5, "geodesic"), path(pca, [0, 1], [2, 0], 5), atol=1e-6)


def test_every_way_begins_and_ends_at_the_rows(table_vae, rows):
    for kind in ("linear", "spherical", "geodesic"):
        x = interpolation(table_vae, rows[1], rows[2], 4, kind)
        np.testing.assert_allclose(x[[0, -1]], table_vae.reconstruct(rows[[1, 2]]), rtol=1e-6)


def test_neighbours_are_those_of_brute_force(table_vae, rows):
    found = neighbours(table_vae, rows, rows[:7], n=4)
    codes = table_vae.transform(rows)
    distance = cdist(codes[:7], codes)
    np.testing.assert_array_equal(found.index, np.argsort(distance, axis=1, kind="stable")[:, :4])
    np.testing.assert_allclose(found.distance, np.sort(distance, axis=1)[:, :4], atol=1e-7)


def test_components_of_probabilistic_pca_are_the_principal_axes(rows):
    found = components(ProbabilisticPCA(n_latent=3, scale="none", random_state=0).fit(rows))
    want = PCA(n_components=3).fit(rows)
    unit = found.directions / np.linalg.norm(found.directions, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs((unit * want.components_).sum(1)), 1, atol=1e-6)
    np.testing.assert_allclose(found.centre, rows.mean(0), rtol=1e-6)
    assert (found.directions.max(1) == np.abs(found.directions).max(1)).all()


LINEAR = {
    "closed form": lambda: LinearAutoencoder(3),
    "by gradient": lambda: LinearAutoencoder(3, learner="plain", max_epochs=50, random_state=0),
    "a network": lambda: Autoencoder(3, hidden=(), max_epochs=5, random_state=0),
}


@pytest.mark.parametrize("name", LINEAR)
def test_components_of_linear_autoencoders_are_the_principal_axes_with_their_deviations(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)) * [5, 3, 2, 0.3, 0.2, 0.1] @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 7
    model = LINEAR[name]().fit(x)
    found = components(model, x)
    seen = x if name == "closed form" else model.reconstruct(x)  # the axes of what a model gives back are its own
    want = PCA(n_components=3).fit(seen)
    wanted = np.sqrt(want.explained_variance_ * 399 / 400)[:, None] * want.components_
    sign = np.sign((found.directions * wanted).sum(1, keepdims=True))
    np.testing.assert_allclose(sign * found.directions, wanted, atol=1e-5)
    np.testing.assert_allclose(found.centre, seen.mean(0), atol=1e-5)
    with pytest.raises(AbilityError, match="no prior that says how far"):
        components(model)


def test_components_of_a_mixture_are_its_means_and_a_network_has_none(mixture, table_vae):
    np.testing.assert_allclose(components(mixture).directions, mixture.inverse_transform(np.eye(3)))
    with pytest.raises(AbilityError, match="not linear, and no components"):
        components(table_vae)


@pytest.mark.parametrize("corruption", ["gaussian", "masking"])
def test_the_field_of_an_autoencoder_is_where_it_moves_rows(corruption):
    x = np.random.default_rng(0).normal(size=(80, 2))
    options = {"noise_scale": 4.0} if corruption == "gaussian" else {}
    model = DenoisingAutoencoder(2, corruption=corruption, hidden=(8,), max_epochs=2, random_state=0, **options).fit(x)
    found = vector_field(move_of(model), x, n=4)
    np.testing.assert_allclose(found.points + found.vectors, model.reconstruct(found.points), atol=1e-6)
    if corruption == "gaussian":
        np.testing.assert_allclose(found.vectors, 16 * model.score_field(found.points), atol=1e-6)


def test_a_field_over_many_columns_is_the_projection():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)) * [5, 3, 0.1, 0.1, 0.1]
    matrix = rng.normal(size=(5, 5))
    found = vector_field(lambda z: z @ matrix.T, x, n=5)
    axes = np.linalg.eigh(np.cov(x.T, bias=True))[1][:, [-1, -2]]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    want = (x.mean(0) + found.points @ axes.T) @ matrix.T @ axes
    np.testing.assert_allclose(found.vectors, want, atol=1e-8)
    assert np.ptp(vector_field(lambda z: z, x, n=5, zoom=2.0).points) * 2 == pytest.approx(np.ptp(found.points))


def test_a_walk_down_a_gaussians_score_comes_to_its_mean():
    end = walk(lambda x: (3.0 - x) / 4, np.array([[9.0, -5.0]]), n_steps=60, step=1.0)[-1]
    np.testing.assert_allclose(end, 3.0, atol=1e-6)


@pytest.mark.parametrize("name", ["a.gif", "b.webp"])
def test_an_animation_holds_every_frame(name, tmp_path):
    frames = [np.full((6, 5, 3), 40 * i, np.uint8) for i in range(5)]
    target = animate(frames, tmp_path / name, seconds=0.1, hold=1.0)
    with Image.open(target) as picture:
        assert picture.n_frames == 5
        assert picture.size == (5, 6)
        picture.seek(4)
        assert abs(int(np.asarray(picture.convert("RGB"))[0, 0, 0]) - 160) < 8
    assert strip(frames, n=2, gap=1)[0, :, 0].tolist() == [0] * 5 + [255] + [160] * 5


def test_animations_refuse_what_is_none(tmp_path):
    with pytest.raises(ParameterError, match=r"ends in \.gif or \.webp"):
        animate([np.zeros((2, 2, 3), np.uint8)], tmp_path / "a.mp4")
    with pytest.raises(ParameterError, match="One size is needed"):
        animate([np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)], tmp_path / "a.gif")


def test_a_watched_fit_has_the_bits_of_one_that_is_not(rows):
    alone = made.small(3, max_epochs=7).fit(rows)
    watched = made.small(3, max_epochs=7)
    watch = Watch(watched, rows[:20], every=3)
    watched.fit(rows, callbacks=[watch])
    for a, b in zip(alone.model_.parameters(), watched.model_.parameters()):
        assert torch.equal(a, b)
    assert watch.epochs == [1, 2, 3, 6]
    frames = training_frames(watch, np.arange(20) % 3)
    assert len(frames) == 4
    assert len({f.shape for f in frames}) == 1


def test_the_last_look_is_what_the_fit_encodes(rows):
    model = made.small(2, max_epochs=4, validation_fraction=0)
    watch = Watch(model, rows, every=4)
    model.fit(rows, callbacks=[watch])
    np.testing.assert_allclose(watch.means[-1], model.transform(rows), atol=1e-5)


def test_reconstructions_are_the_projections_onto_the_principal_axes(rows):
    model = LinearAutoencoder(2).fit(rows)
    found, plane = reconstructions(model, rows), PCA(n_components=2).fit(rows)
    want = plane.inverse_transform(plane.transform(rows))
    np.testing.assert_allclose(found.rebuilt, want, atol=1e-8)
    np.testing.assert_allclose(found.error, np.square(rows - want).sum(1), atol=1e-8)
    np.testing.assert_array_equal(found.rows, rows)
