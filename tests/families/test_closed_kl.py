"""Closed forms of the KL: each pair that the table lists, and no other, against quadrature or a sum."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.stats as st
import torch
from families_made import CASES, DTYPES, array, quantile_nodes
from torch import Tensor
from torch.distributions import Bernoulli, Independent

from latentia.distributions import VonMisesFisher, kl
from latentia.errors import UserError
from latentia.families import FAMILIES, TABLE, Family, check_posterior, row_of

PAIRS = [(q.name, p) for q in TABLE for p in q.closed]
OF_CELLS = [(q, p) for q, p in PAIRS if q in CASES and p in CASES and q != "categorical"]
NORMALS = ("normal", "full-normal", "low-rank-normal")
WIDE = {"uniform": [-5.0, 4.0], "pareto": [-6.0, 0.2], "reciprocal": [-6.0, 2.6]}


def made(
    name: str, shape: tuple[int, ...], seed: int, size: float = 0.5, dtype: torch.dtype = torch.float64
) -> tuple[Family, Tensor]:
    family = FAMILIES[name](shape).to(dtype)
    torch.manual_seed(seed)
    return family, (size * torch.randn(4, *family.raw_shape, dtype=torch.float64)).to(dtype)


def joint(d: Any) -> Any:
    return d if d.event_shape else Independent(d, 1)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("q", "p"), OF_CELLS)
def test_closed_form_against_the_quantiles_of_scipy(q: str, p: str, dtype: torch.dtype) -> None:
    (family_q, raw_q), (family_p, raw_p) = made(q, (3,), 0, dtype=dtype), made(p, (3,), 1, dtype=dtype)
    if p in WIDE:
        raw_p[:] = torch.tensor(WIDE[p]).reshape(1, 2, 1)
    if q == "uniform":
        raw_q[:, 0] = raw_q[:, 0].abs() + 0.1
    dq, dp = family_q(raw_q), family_p(raw_p)
    oracle_q, oracle_p = CASES[q].oracle(dq), CASES[p].oracle(dp)
    if CASES[q].whole:
        k = np.arange(2 if "bernoulli" in q else 400).reshape(-1, 1, 1)
        log_q, log_p = oracle_q.logpmf(k), oracle_p.logpmf(k)
        weight = np.exp(log_q)
    else:
        u, weight = quantile_nodes(4000)
        x, weight = oracle_q.ppf(u.reshape(-1, 1, 1)), weight.reshape(-1, 1, 1)
        log_q, log_p = oracle_q.logpdf(x), oracle_p.logpdf(x)
    with np.errstate(invalid="ignore"):
        terms = weight * (log_q - log_p)
    expected = np.where(np.isfinite(terms), terms, 0).sum(0)
    assert np.allclose(array(kl(dq, dp)), expected, rtol=1e-4, atol=2e-4)
    assert np.allclose(array(kl(joint(dq), joint(dp))), expected.sum(-1), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(("q", "p"), [(q, p) for q, p in PAIRS if q in NORMALS and p in NORMALS])
def test_closed_form_of_normals_against_their_matrices(q: str, p: str, dtype: torch.dtype) -> None:
    dq, dp = (joint(family(raw)) for family, raw in (made(q, (3,), s, dtype=dtype) for s in (0, 1)))
    for i, value in enumerate(kl(dq, dp)):
        (m, a), (n, b) = ((array(d.mean[i]), covariance(d, i)) for d in (dq, dp))
        inverse = np.linalg.inv(b)
        log_det = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1]
        expected = (np.trace(inverse @ a) + (n - m) @ inverse @ (n - m) - 3 + log_det) / 2
        assert float(value) == pytest.approx(expected, rel=1e-8 if dtype == torch.float64 else 1e-4)


def covariance(d: Any, i: int) -> np.ndarray:
    return array(d.covariance_matrix[i]) if hasattr(d, "covariance_matrix") else np.diag(array(d.variance[i]))


def test_closed_form_of_dirichlets_against_draws() -> None:
    dq, dp = (family(raw + 0.5) for family, raw in (made("dirichlet", (3,), 0), made("dirichlet", (3,), 1)))
    for i, value in enumerate(kl(dq, dp)):
        q, p = (st.dirichlet(array(d.concentration[i])) for d in (dq, dp))
        x = q.rvs(20_000, random_state=i).T
        terms = q.logpdf(x) - p.logpdf(x)
        assert abs(float(value) - terms.mean()) < 5.5 * terms.std() / np.sqrt(20_000)


@pytest.mark.parametrize("size", [2, 3, 6])
def test_closed_form_on_the_sphere_against_draws(size: int) -> None:
    dq, dp = (family(raw) for family, raw in (made("von-mises-fisher", (size,), s, 1.0) for s in (0, 1)))
    for i, value in enumerate(kl(dq, dp)):
        q, p = (st.vonmises_fisher(array(d.loc[i]), float(d.concentration[i])) for d in (dq, dp))
        x = q.rvs(20_000, random_state=i)
        terms = q.logpdf(x) - p.logpdf(x)
        assert abs(float(value) - terms.mean()) < 5.5 * terms.std() / np.sqrt(20_000)
    uniform = VonMisesFisher(dq.loc, 0 * dq.concentration)
    assert torch.allclose(kl(dq, uniform), uniform.entropy() - dq.entropy())


@pytest.mark.parametrize("name", ["categorical", "straight-through-categorical"])
def test_closed_form_of_categories_is_a_sum(name: str) -> None:
    dq, dp = (family(raw) for family, raw in (made(name, (4, 3), 0), made(name, (4, 3), 1)))
    expected = (dq.probs * (dq.probs.log() - dp.probs.log())).sum(-1)
    assert torch.allclose(kl(dq, dp), expected)


def test_the_table_lists_the_pairs_that_are_closed() -> None:
    for q in TABLE:
        if "posterior" not in q.stands:
            assert not q.closed
            continue
        for p in TABLE:
            closed = p.name in q.closed
            try:
                check_posterior(q.family((2,)), p.family((2,)))
            except UserError:
                assert not closed, (q.name, p.name)
                continue
            assert closed == has_closed_form(q.name, p.name), (q.name, p.name)


def has_closed_form(q: str, p: str) -> bool:
    dq, dp = (joint(family(raw)) for family, raw in (made(q, (2,), 0), made(p, (2,), 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            kl(dq, dp)
        except NotImplementedError:
            return False
    return True


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_one_prior_serves_a_batch_of_posteriors(q: str, p: str) -> None:
    (family_q, raw_q), (family_p, raw_p) = made(q, (2,), 0), made(p, (2,), 1)
    together = kl(joint(family_q(raw_q)), joint(family_p(raw_p[0])))
    apart = [kl(joint(family_q(raw)), joint(family_p(raw_p[0]))) for raw in raw_q]
    assert torch.allclose(together, torch.stack(apart))


@pytest.mark.parametrize(("df", "finite"), [(1.0, False), (2.0, False), (2.5, True), (9.0, True)])
def test_student_t_under_a_normal_is_finite_from_two_degrees_of_freedom_on(df: float, finite: bool) -> None:
    """Against quadrature over SciPy's quantiles; families refuse the pair unless more than two are promised."""
    family_q, raw_q = FAMILIES["student-t"]((3,), df=df).double(), made("laplace", (3,), 0)[1]
    family_p, raw_p = made("normal", (3,), 1)
    q, p = family_q(raw_q), family_p(raw_p)
    if not finite:
        assert torch.isposinf(kl(q, p)).all()
        return
    u, weight = quantile_nodes(40_000)
    t, n = st.t(df, array(q.loc), array(q.scale)), st.norm(array(p.loc), array(p.scale))
    x = t.ppf(u.reshape(-1, 1, 1))
    expected = (weight.reshape(-1, 1, 1) * (t.logpdf(x) - n.logpdf(x))).sum(0)
    assert np.allclose(array(kl(q, p)), expected, rtol=2e-2 if df < 3 else 1e-5)


def test_infinite_where_an_end_sticks_out() -> None:
    for name in ("reciprocal", "uniform"):
        family = row_of(name).family((1,))
        wide, narrow = family(torch.tensor([[[0.0], [0.5]]])), family(torch.tensor([[[0.0], [0.0]]]))
        assert torch.isinf(kl(wide, narrow)).all()
        assert torch.isfinite(kl(narrow, wide)).all()


def test_coins_of_a_prior_that_has_rounded_to_one_keep_a_finite_divergence() -> None:
    """Against double precision, where the probabilities have not rounded yet; and its gradient by q."""
    a = torch.tensor([-40.0, -3.0, 0.0, 2.0, 40.0], requires_grad=True)
    b = torch.tensor([20.0, 18.0, -19.0, 25.0, -30.0])
    found = kl(Independent(Bernoulli(logits=a), 1), Independent(Bernoulli(logits=b), 1))
    q, p = torch.sigmoid(a.double()), torch.sigmoid(b.double())
    want = q * (torch.log(q) - torch.log(p)) + torch.sigmoid(-a.double()) * (
        torch.log(torch.sigmoid(-a.double())) - torch.log(torch.sigmoid(-b.double()))
    )
    assert found.item() == pytest.approx(want.sum().item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(found, a)
    assert torch.isfinite(gradient).all()
