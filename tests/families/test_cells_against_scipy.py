"""Every family of cells against SciPy or a naive formula: densities, cdfs, moments, masses, draws."""

import numpy as np
import pytest
import torch
from families_made import CASES, DTYPES, NO_DISTRIBUTION, ROWS, Case, array, quantile_nodes

from latentia.distributions import from_noise
from latentia.families import FAMILIES, row_of
from latentia.randomness import row_noise

NEAR = {"float64": 1e-8, "float32": 3e-4}
CONTINUOUS = [name for name, case in CASES.items() if not case.whole]
KS_LIMIT = 3.5  # of sup|F_n - F| sqrt(n): 2 exp(-2 x 3.5^2) = 5e-11, for some 10^4 comparisons


def points(case: Case, oracle: object, dtype: torch.dtype) -> torch.Tensor:
    u = np.random.default_rng(1).uniform(0.02, 0.98, size=(20, 1, 1))
    return torch.as_tensor(oracle.ppf(u)).to(dtype)  # type: ignore[attr-defined]


def log_density(oracle: object, x: torch.Tensor) -> np.ndarray:
    return (oracle.logpmf if hasattr(oracle, "logpmf") else oracle.logpdf)(array(x))  # type: ignore[attr-defined]


def test_every_family_has_a_row() -> None:
    tested = {name.split(" ")[0] for name in CASES} | set(ROWS) | NO_DISTRIBUTION
    assert tested == set(FAMILIES)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_log_prob(name: str, kind: str) -> None:
    dtype, tolerance = DTYPES[kind], NEAR[kind]
    d = CASES[name].distribution(dtype=dtype)
    oracle = CASES[name].oracle(d)
    x = points(CASES[name], oracle, dtype)
    value = d.log_prob(x)
    assert value.dtype == dtype
    assert np.allclose(array(value), log_density(oracle, x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_cdf_and_icdf_where_there_are_some(name: str, kind: str) -> None:
    dtype, tolerance = DTYPES[kind], NEAR[kind]
    d = CASES[name].distribution(dtype=dtype)
    oracle = CASES[name].oracle(d)
    x = points(CASES[name], oracle, dtype)
    try:
        value = d.cdf(x)
    except NotImplementedError:
        assert name in WITHOUT_CDF
        return
    assert name not in WITHOUT_CDF
    assert np.allclose(array(value), oracle.cdf(array(x)), rtol=tolerance, atol=tolerance)
    if name not in WITHOUT_ICDF:
        u = torch.tensor([0.001, 0.2, 0.5, 0.9, 0.999], dtype=dtype).reshape(-1, 1, 1)
        assert np.allclose(array(d.icdf(u)), oracle.ppf(array(u)), rtol=10 * tolerance, atol=10 * tolerance)


WITHOUT_CDF = {
    *("student-t", "student-t of 5", "fisher-snedecor", "beta", "bernoulli", "categorical", "poisson"),
    *("negative-binomial", "zero-inflated", "zero-inflated negative-binomial", "straight-through-bernoulli"),
}
WITHOUT_ICDF = {"gamma", "erlang", "chi-squared", "discretised-logistic-mixture"}


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", [name for name in CASES if name != "categorical"])
def test_mean_and_variance(name: str, kind: str) -> None:
    d = CASES[name].distribution(dtype=DTYPES[kind])
    oracle = CASES[name].oracle(d)
    for mine, theirs in ((d.mean, oracle.mean()), (d.variance, oracle.var())):
        mine, theirs = array(mine), np.broadcast_to(theirs, mine.shape)
        finite = np.isfinite(theirs) & np.isfinite(mine)
        assert (np.isfinite(theirs) <= np.isfinite(mine)).all()
        assert finite.any() or name == "cauchy"
        assert np.allclose(mine[finite], theirs[finite], rtol=max(1e-6, NEAR[kind]), atol=0.1 * NEAR[kind])


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_entropy_where_there_is_one(name: str, kind: str) -> None:
    d = CASES[name].distribution(dtype=DTYPES[kind])
    oracle = CASES[name].oracle(d)
    try:
        value = array(d.entropy())
    except NotImplementedError:
        assert name in WITHOUT_ENTROPY
        return
    assert name not in WITHOUT_ENTROPY
    if CASES[name].whole:
        k = np.arange(2 if "bernoulli" in name else 4).reshape(-1, 1, 1)
        log_p = oracle.logpmf(k)
        expected = -(np.exp(log_p) * log_p).sum(0)
    else:
        u, weight = quantile_nodes()
        log_p = oracle.logpdf(oracle.ppf(u.reshape(-1, 1, 1)))  # infinite where a quantile rounds to an end
        expected = -(weight.reshape(-1, 1, 1) * np.where(np.isfinite(log_p), log_p, 0)).sum(0)
    tolerance = 1e-3 if row_of(name.split(" ")[0]).support == "unit interval" else 1e-4  # floats are sparse near 1
    assert np.allclose(value, expected, rtol=max(1e-6, NEAR[kind]), atol=tolerance)


WITHOUT_ENTROPY = {
    *("relaxed-bernoulli", "poisson"),
    *("negative-binomial", "zero-inflated", "zero-inflated negative-binomial", "discretised-logistic-mixture"),
}


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_density_integrates_to_one(name: str, kind: str) -> None:
    d = CASES[name].distribution(dtype=DTYPES[kind])
    oracle = CASES[name].oracle(d)
    reach, end = (1e-7, 1e-8) if kind == "float64" else (1e-5, 1e-5)  # where the floats still tell x from the ends
    tail = np.logspace(np.log10(reach), np.log10(0.5), 70)
    edges = oracle.ppf(np.concatenate([tail, 1 - tail[-2::-1]]).reshape(-1, 1, 1))
    if row_of(name.split(" ")[0]).support == "unit interval":
        edges = np.minimum(edges, 1 - end)  # nearer to 1 the floats are too far apart for a sum
    node, weight = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges, axis=0)[:, None] / 2
    x = edges[:-1, None] + half * (node + 1).reshape(1, -1, 1, 1)
    density = np.exp(array(d.log_prob(torch.as_tensor(x, dtype=DTYPES[kind]))))
    mass = (half * weight.reshape(1, -1, 1, 1) * density).sum((0, 1))
    assert np.allclose(mass, oracle.cdf(edges[-1]) - oracle.cdf(edges[0]), atol=max(2e-6, NEAR[kind]))
    assert (mass > 0.85).all()


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].whole])
def test_probabilities_sum_to_one(name: str, kind: str) -> None:
    d = CASES[name].distribution(dtype=DTYPES[kind])
    n = {"categorical": 4, "discretised-logistic-mixture": 256}.get(name, 2 if "bernoulli" in name else 2000)
    total = torch.logsumexp(d.log_prob(torch.arange(n, dtype=DTYPES[kind]).reshape(-1, 1, 1)), 0)
    assert torch.allclose(total, torch.zeros_like(total), atol=max(1e-7, 0.1 * NEAR[kind]))


def distance(z: np.ndarray, oracle: object, whole: bool) -> np.ndarray:
    """sup|F_n - F| of draws `(n, ...)`, over every cell."""
    n = len(z)
    z = np.sort(z, axis=0)
    cdf = np.asarray(oracle.cdf(z))  # type: ignore[attr-defined]
    rank = np.arange(1, n + 1).reshape(-1, 1, 1) / n
    if whole:
        last = np.concatenate([z[1:] != z[:-1], np.ones_like(z[:1], dtype=bool)])
        return np.where(last, np.abs(rank - cdf), 0).max(0)
    return np.maximum(np.abs(rank - cdf), np.abs(rank - 1 / n - cdf)).max(0)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("kind", ["process", "rows"])
@pytest.mark.parametrize("name", CASES)
def test_draws_follow_the_cdf(name: str, kind: str, dtype: torch.dtype) -> None:
    d = CASES[name].distribution(dtype=dtype)
    torch.manual_seed(3)
    if kind == "process":
        z = d.sample((3000,))
    else:
        with row_noise(torch.arange(5.0).reshape(5, 1), seed=4) as noise:
            z = from_noise(d, noise, 3000)
    assert z.shape == (3000, *d.batch_shape)
    limit = KS_LIMIT / np.sqrt(3000)
    assert (distance(array(z), CASES[name].oracle(d), CASES[name].whole) < limit).all()


@pytest.mark.parametrize("name", CASES)
def test_draws_belong_to_rows(name: str) -> None:
    case = CASES[name]
    family, raw, x = case.make((3,)).double(), case.raw(), torch.arange(5.0).reshape(5, 1)
    with row_noise(x, seed=4) as noise:
        together = from_noise(family(raw), noise, 4)
    with row_noise(x[3:], seed=4, first=1) as noise:
        apart = from_noise(family(raw[3:]), noise, 3)
    assert torch.allclose(together[1:, 3:], apart, rtol=1e-12)
