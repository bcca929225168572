"""Distances and shares of samples against closed forms, SciPy and loops."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from latentia import evidence
from latentia.errors import DataError, ParameterError
from latentia.evidence.distances import frechet_of_moments

RNG = np.random.default_rng(0)


def normals(rows: int, columns: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + shift


# --- Frechet ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "columns"), [(50, 3), (200, 20), (400, 8)])
def test_frechet_is_scipys_root(rows: int, columns: int) -> None:
    x, y = normals(rows, columns, 0.0, 1), normals(rows + 10, columns, 0.5, 2)
    a, b = np.cov(x.T), np.cov(y.T)
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert evidence.frechet_distance(x, y) == pytest.approx(wanted, rel=1e-9)


def test_frechet_in_one_dimension_is_closed() -> None:
    mean, sd = torch.tensor([[1.0], [3.0]]).double(), torch.tensor([[2.0], [0.5]]).double()
    found = frechet_of_moments(mean[0], sd[0].square().diag(), mean[1], sd[1].square().diag())
    assert found == pytest.approx((1 - 3) ** 2 + (2 - 0.5) ** 2)


@pytest.mark.parametrize("rows", [4, 30])
def test_fewer_rows_than_features_stay_real(rows: int) -> None:
    x, y = RNG.normal(size=(rows, 60)), RNG.normal(size=(rows, 60))
    found = evidence.frechet_distance(x, y)
    # of rank below rows the trace of the root is the nuclear norm of the product of the centred tables
    a, b = (t - t.mean(0) for t in (x, y))
    cross = np.linalg.svd(a @ b.T / (rows - 1), compute_uv=False).sum()
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + ((a**2).sum() + (b**2).sum()) / (rows - 1) - 2 * cross
    assert found == pytest.approx(wanted, rel=1e-6)
    assert evidence.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_constant_columns_do_no_harm() -> None:
    x = np.c_[RNG.normal(size=40), np.ones(40)]
    assert evidence.frechet_distance(x, x + np.array([0, 2])) == pytest.approx(4.0)


# --- kernel ----------------------------------------------------------------------------------------------------------


def brute_mmd(x: np.ndarray, y: np.ndarray) -> float:
    k = lambda a, b: (a @ b / len(a) + 1) ** 3  # noqa: E731
    n = len(x)
    within = sum(k(a[i], a[j]) for a in (x, y) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return float(within - 2 * np.mean([[k(a, b) for b in y] for a in x]))


def test_kernel_distance_is_the_mean_of_its_blocks() -> None:
    x, y = normals(48, 4, 0.0, 1), normals(50, 4, 0.3, 2)
    blocks = [brute_mmd(x[i : i + 12], y[i : i + 12]) for i in range(0, 48, 12)]
    found = evidence.kernel_distance(x, y)
    assert found.value == pytest.approx(np.mean(blocks), rel=1e-9)
    assert found.error == pytest.approx(np.std(blocks, ddof=1) / 2, rel=1e-9)


def test_kernel_distance_is_unbiased_and_its_error_is_right() -> None:
    # k(x, y) = (xy + 1)^3 in one dimension: MMD^2 of moments, here of N(0, 1) and N(1, 1)
    moments = [[1, 0, 1, 0], [1, 1, 2, 4]]
    choose = [1, 3, 3, 1]
    wanted = sum(c * (a - b) ** 2 for c, a, b in zip(choose, *moments))
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found.append(evidence.kernel_distance(rng.normal(size=(64, 1)), rng.normal(size=(64, 1)) + 1))
    values, errors = np.array(found).T
    assert values.mean() == pytest.approx(wanted, abs=5 * values.std() / np.sqrt(200))
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.35)


# --- neighbourhoods --------------------------------------------------------------------------------------------------


def brute_neighbourhood(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, float, float, float]:
    radius = lambda t: np.array([np.sort(np.linalg.norm(t - row, axis=1))[k] for row in t])  # noqa: E731
    rx, ry = radius(x), radius(y)
    d = np.array([[np.linalg.norm(a - b) for b in y] for a in x])
    return (
        (d <= rx[:, None]).any(0).mean(),
        (d <= ry).any(1).mean(),
        (d <= rx[:, None]).sum(0).mean() / k,
        (d <= rx[:, None]).any(1).mean(),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbourhoods_are_those_of_a_loop(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentia.evidence.coverage.DISTANCES_AT_ONCE", 300)  # several chunks
    x, y = normals(60, 3, 0.0, 1), normals(45, 3, 1.0, 2)
    found = evidence.neighbourhood(x, y, k=k)
    wanted = brute_neighbourhood(x, y, k)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(wanted, abs=1e-12)


def test_samples_of_p_itself() -> None:
    x, y = RNG.normal(size=(2000, 2)), RNG.normal(size=(2000, 2))
    found = evidence.neighbourhood(x, y, k=5)
    assert found.density == pytest.approx(1, abs=0.05)
    assert found.coverage == pytest.approx(1 - 2.0**-5, abs=0.02)  # Naeem et al. 2020, section 3.3


def test_one_mode_of_two_is_precise_and_not_covering() -> None:
    modes = RNG.normal(size=(400, 2)) * 0.1 + np.where(RNG.random(400) < 0.5, -5, 5)[:, None]
    half = RNG.normal(size=(400, 2)) * 0.1 + 5
    found = evidence.neighbourhood(modes, half)
    assert found.precision > 0.9
    assert found.recall < 0.6
    assert found.coverage < 0.6


# --- extractors and the whole ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "columns"), [(80, 6), (20, 3000), (60, 60)])
def test_pca_features_are_scikit_learns(rows: int, columns: int) -> None:
    from sklearn.decomposition import PCA

    x = normals(rows, columns) * np.linspace(3, 1, columns)
    ours = evidence.features("pca-3", x)(x)
    theirs = PCA(3, svd_solver="full").fit_transform(x)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-8)


def test_there_are_no_more_axes_than_the_rows_span() -> None:
    found = evidence.features("pca-50", normals(5, 30))
    assert found.name == "PCA-4"


def test_axes_of_many_rows_and_columns_are_found_without_their_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    from latentia.evidence import extractors

    x = normals(60, 40) * np.geomspace(10, 0.1, 40)
    exact = evidence.features("pca-3", x)(x)
    monkeypatch.setattr(extractors, "MOST_EXACT", 10)
    np.testing.assert_allclose(np.abs(evidence.features("pca-3", x)(x)), np.abs(exact), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("image_shape", [None, (4, 4)])
def test_a_classifier_is_trained_without_touching_the_random_state(image_shape: Any) -> None:
    label = np.repeat([0, 1], 150)
    x = RNG.normal(size=(300, 16)) + 2 * label[:, None]
    before = torch.get_rng_state()
    one, two = (evidence.features("classifier", x, label=label, image_shape=image_shape) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert one.name == two.name
    assert one.name == "classifier-64 (1.000 right of 30 held out)"
    np.testing.assert_array_equal(one(x), two(x))
    assert one(x).shape == (300, 64)


def test_a_function_and_a_module_are_extractors() -> None:
    def first_two(x: np.ndarray) -> np.ndarray:
        return x[:, :2]

    x = normals(20, 5)
    assert evidence.features(first_two, x).name == "first_two"
    assert evidence.features(first_two, x)(x).shape == (20, 2)
    module = torch.nn.Linear(5, 3)
    assert evidence.features(module, x)(x).shape == (20, 3)


def test_two_extractors_without_names_are_told_apart() -> None:
    x = np.arange(12.0).reshape(4, 3)
    torch.manual_seed(0)
    modules = [torch.nn.Sequential(torch.nn.Linear(3, 2)) for _ in range(2)]
    names = [evidence.features(one, x).name for one in (*modules, lambda rows: rows, lambda rows: 2 * rows, np.square)]
    assert len(set(names)) == 5
    assert names[0].startswith("Sequential ")
    assert names[2].startswith("function ")
    assert names[4] == "square"
    assert evidence.features(modules[0], x).name == names[0]


def test_the_name_carries_rows_and_extractor_and_the_floor_is_that_of_data() -> None:
    x, y = RNG.normal(size=(400, 3)), RNG.normal(size=(100, 3)) + 1
    found = evidence.quality(y, x, "pca-2")
    assert [n.name for n in found.numbers] == [
        f"{what}, PCA-2 features, N=100"
        for what in ("Frechet distance", "kernel distance", "precision", "recall", "density", "coverage")
    ]
    frechet = found["frechet"]
    assert frechet.floor is not None
    assert 1e-3 < frechet.floor < 0.2 < frechet.value  # other real rows, not the same ones
    assert evidence.quality(y, x[:150], "raw")["frechet"].floor is None
    assert evidence.quality(y, x, "pca-2") == found


BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: evidence.frechet_distance(np.ones((3, 2)), np.ones((3, 4))), DataError, "Use the same extractor"),
    (lambda: evidence.frechet_distance([[1.0, np.nan], [1, 2]], np.ones((3, 2))), DataError, "1 of 2 rows"),
    (lambda: evidence.frechet_distance(np.ones((1, 2)), np.ones((3, 2))), DataError, "two rows"),
    (lambda: evidence.kernel_distance(np.ones((5, 2)), np.ones((30, 2))), DataError, "5 rows came"),
    (lambda: evidence.kernel_distance(np.ones((9, 2)), np.ones((9, 2)), block=1), ParameterError, "block=1"),
    (lambda: evidence.neighbourhood(np.ones((5, 2)), np.ones((30, 2)), k=5), ParameterError, "k=5"),
    (lambda: evidence.features("vgg", np.ones((5, 2))), ParameterError, "Use one of: raw"),
    (lambda: evidence.features("pca-0", np.ones((5, 2))), ParameterError, "no component"),
    (lambda: evidence.features("classifier", np.ones((5, 2))), DataError, "have none"),
    (lambda: evidence.features("classifier", np.ones((5, 2)), label=[1] * 5), DataError, "1 classes"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD)
def test_bad_input_is_told(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
