"""Mixtures whose parameters are latents: densities, evidence and bound against enumeration, quadrature and scikit-learn."""

import itertools
from math import lgamma, log

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import invwishart, multivariate_normal, multivariate_t, norm
from sklearn.mixture import BayesianGaussianMixture as Sklearn

from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo
from latentia.errors import AbilityError, DataError, ParameterError
from latentia.learn import VariationalEM
from latentia.models import BayesianGaussianMixture, NormalWishartMixture
from latentia.posteriors import MeanField
from latentia.scaling import Scaling

SCALING = Scaling(torch.tensor([1.0, -2.0]), torch.tensor([2.0, 0.5]))


def rows(n=6, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * 2 + 3 * rng.integers(0, 2, size=(n, 1))


def fitted(model, x, **options):
    """q(theta) at convergence, and the bound of the data set."""
    learner = VariationalEM(MeanField(model.prior_globals()), **{"tol": 1e-12, "max_iter": 5000, **options})
    batches = TensorBatches(torch.as_tensor(x), batch_size=100, dtype=torch.float64)
    state, info = learner.init(model, batches), None
    while info is None or not info.done:
        state, info = learner.step(model, batches, state)
    return learner.posterior, float(info.bound) * len(x)


def every_assignment(n, k):
    return torch.tensor(list(itertools.product(range(k), repeat=n)))


# --- p(x, c): written out ------------------------------------------------------------------------------------------


def unit_by_hand(x, c, sigma, k):
    """Rows of one component have the covariance sigma^2 between them, those of two components none."""
    same = (c[:, None] == c[None, :]).astype(float)
    covariance = sigma**2 * same + np.eye(len(x))
    return sum(multivariate_normal(np.zeros(len(x)), covariance).logpdf(column) for column in x.T) - len(x) * log(k)


def wishart_by_hand(x, c, model):
    """The chain rule over rows: each row's Student t given the rows before it in its component; weights likewise."""
    k, d = model.n_components, x.shape[1]
    m0, inverse0 = model.loc.numpy(), (model.tril @ model.tril.mT).numpy()
    b0, nu0, a0 = (float(value) for value in (model.precision, model.dof, model.concentration))
    total, seen = 0.0, {j: [] for j in range(k)}
    for i, row in enumerate(x):
        before = np.array(seen[c[i]]).reshape(-1, d)
        n = len(before)
        total += log((a0 + n) / (k * a0 + i))
        mean = before.mean(0) if n else m0
        b, nu = b0 + n, nu0 + n
        m = (b0 * m0 + n * mean) / b
        scatter = (before - mean).T @ (before - mean) + b0 * n / b * np.outer(mean - m0, mean - m0)
        shape = (inverse0 + scatter) * (b + 1) / (b * (nu - d + 1))
        total += multivariate_t(m, shape, df=nu - d + 1).logpdf(row)
        seen[c[i]].append(row)
    return total


def general(d=2, k=3, **options):
    model = NormalWishartMixture(d, k, **{"concentration": 0.7, "mean_precision": 0.5, "dof": d + 1.5, **options})
    model.set_prior(TensorBatches(torch.tensor(rows(20, d, 9)), dtype=torch.float64))
    return model


def test_log_assignments_of_unit_variance_is_a_normal_with_ties():
    x, model = rows(5), BayesianGaussianMixture(2, 3, prior_scale=1.7)
    c = every_assignment(5, 3)[::7]
    by_hand = [unit_by_hand(x, row.numpy(), 1.7, 3) for row in c]
    np.testing.assert_allclose(model.log_assignments(torch.tensor(x), c).detach(), by_hand, atol=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_log_assignments_of_the_general_mixture_is_the_chain_rule(d):
    x, model = rows(5, d), general(d)
    c = every_assignment(5, 3)[::11]
    by_hand = [wishart_by_hand(x, row.numpy(), model) for row in c]
    np.testing.assert_allclose(model.log_assignments(torch.tensor(x), c).detach(), by_hand, atol=1e-8)


@pytest.mark.parametrize("make", [BayesianGaussianMixture, NormalWishartMixture])
def test_densities_are_in_the_users_units(make):
    x = rows(7)
    scaled, plain = make(2, 2, scaling=SCALING), make(2, 2)
    z = SCALING.to_model(torch.tensor(x))
    jacobian, c = -log(2.0) - log(0.5), torch.zeros(1, 7, dtype=torch.int64)
    theta = plain.prior_globals()
    ours, theirs = scaled.log_predictive(torch.tensor(x), theta), plain.log_predictive(z, theta) + jacobian
    np.testing.assert_allclose(ours, theirs)
    ours, theirs = scaled.log_assignments(torch.tensor(x), c), plain.log_assignments(z, c) + 7 * jacobian
    np.testing.assert_allclose(ours, theirs)
    density = scaled.likelihood(torch.zeros(1, 7, dtype=torch.int64)).log_prob(torch.tensor(x))
    density = density.sum(-1) if density.ndim == 3 else density
    np.testing.assert_allclose(density[0], scaled.log_predictive(torch.tensor(x), theta))
    np.testing.assert_allclose(scaled.means(theta)[0], SCALING.to_user(plain.means(theta)[0]))


# --- the bound -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_never_exceeds_the_evidence(seed):
    x = rows(7, 1 + seed % 2, seed)
    for model in (BayesianGaussianMixture(x.shape[1], 2, prior_scale=0.3 + seed), general(x.shape[1], 2)):
        _, bound = fitted(model, x, start="random", seed=seed)
        evidence = float(torch.logsumexp(model.log_assignments(torch.tensor(x), every_assignment(7, 2)), 0))
        assert evidence - 7 * log(2) < bound <= evidence + 1e-9


@pytest.mark.parametrize("d", [1, 2, 3])
def test_with_one_component_the_bound_is_the_evidence(d):
    x = rows(9, d)
    for model in (BayesianGaussianMixture(d, 1, prior_scale=2.0), general(d, 1)):
        _, bound = fitted(model, x)
        evidence = float(model.log_assignments(torch.tensor(x), torch.zeros(1, 9, dtype=torch.int64)))
        assert bound == pytest.approx(evidence, abs=1e-8)


def test_kl_of_unit_means_by_quadrature():
    model = BayesianGaussianMixture(1, 1, prior_scale=1.5)
    theta = {"loc": torch.tensor([[0.8]]), "scale": torch.tensor([0.4])}
    q, p = norm(0.8, 0.4), norm(0.0, 1.5)
    by_quadrature = quad(lambda m: q.pdf(m) * (q.logpdf(m) - p.logpdf(m)), -5, 5)[0]
    assert float(model.globals_kl(theta)) == pytest.approx(by_quadrature, abs=1e-6)


def test_kl_of_the_general_globals_by_drawing():
    model = general(2, 2)
    model_x = torch.tensor(rows(8, 2, 3))
    theta = model.update_globals(model.statistics(model_x, torch.full((8, 2), 0.5, dtype=torch.float64)))
    prior, rng, n = model.prior_globals(), np.random.default_rng(0), 40_000
    total = np.zeros(n)
    for k in range(2):
        drawn = []
        for t in (theta, prior):
            inverse = (t["tril"][k] @ t["tril"][k].mT).numpy()
            drawn.append((float(t["dof"][k]), inverse, t["loc"][k].numpy(), float(t["precision"][k])))
        (nu, inverse, m, b), (nu0, inverse0, m0, b0) = drawn
        s = invwishart(nu, inverse).rvs(n, random_state=rng)
        mu = m + np.einsum("nij,nj->ni", np.linalg.cholesky(s), rng.normal(size=(n, 2))) / np.sqrt(b)
        total += invwishart(nu, inverse).logpdf(np.moveaxis(s, 0, -1)) - invwishart(nu0, inverse0).logpdf(
            np.moveaxis(s, 0, -1)
        )
        total += _normals(mu, m, s / b) - _normals(mu, m0, s / b0)
    a, a0 = theta["concentration"].numpy(), prior["concentration"].numpy()
    w = rng.dirichlet(a, n)
    total += ((a - a0) * np.log(w)).sum(1) + _dirichlet_constant(a) - _dirichlet_constant(a0)
    error = total.std() / np.sqrt(n)
    assert abs(total.mean() - float(model.globals_kl(theta))) < 5 * error


def _normals(x, mean, covariance):
    d = x - mean
    quadratic = np.einsum("ni,nij,nj->n", d, np.linalg.inv(covariance), d)
    return -0.5 * (quadratic + np.linalg.slogdet(covariance)[1] + x.shape[1] * np.log(2 * np.pi))


def _dirichlet_constant(a):
    return lgamma(a.sum()) - sum(map(lgamma, a))


def test_the_bound_of_terms_is_the_learners():
    x = rows(9)
    for model in (BayesianGaussianMixture(2, 2), general(2, 2)):
        posterior, bound = fitted(model, x)
        terms = Elbo()(model, posterior, Batch(torch.tensor(x), torch.arange(9)))
        assert terms.shared is not None
        assert float(terms.value.sum() + terms.shared) == pytest.approx(bound, abs=1e-8)
        assert torch.allclose(terms.value, terms.parts["reconstruction"] - terms.parts["kl"])
        assert (terms.value <= model.log_predictive(torch.tensor(x), posterior.theta) + 1e-9).all()


# --- scikit-learn --------------------------------------------------------------------------------------------------


def twin(model, x, **options):
    """scikit-learn's estimator with the same prior."""
    prior = {
        "weight_concentration_prior": float(model.concentration),
        "mean_precision_prior": float(model.precision),
        "mean_prior": model.loc.numpy(),
        "degrees_of_freedom_prior": float(model.dof),
        "covariance_prior": (model.tril @ model.tril.mT).numpy(),
    }
    kind = {"weight_concentration_prior_type": "dirichlet_distribution", "reg_covar": 0.0}
    return Sklearn(
        n_components=model.n_components, tol=1e-12, max_iter=20_000, random_state=0, **prior, **kind, **options
    ).fit(x)


@pytest.mark.parametrize("seed", range(4))
def test_the_general_mixture_agrees_with_scikit_learn(seed):
    """From scikit-learn's own responsibilities, clusters apart or not, coordinate ascent stays where scikit-learn ended."""
    x = rows(80, 1 + seed, seed)
    model = NormalWishartMixture(1 + seed, 3, concentration=0.4, dof=2.5 + seed)
    model.set_prior(TensorBatches(torch.tensor(x), dtype=torch.float64))
    theirs = twin(model, x)
    r = torch.tensor(theirs.predict_proba(x))
    posterior = MeanField(model.prior_globals())
    posterior.move(model.update_globals(model.statistics(torch.tensor(x), r)))
    learner = VariationalEM(posterior, tol=1e-13, start="current", max_iter=3000)
    batches = TensorBatches(torch.tensor(x), dtype=torch.float64)
    state, info, bounds = learner.init(model, batches), None, []
    while info is None or not info.done:
        state, info = learner.step(model, batches, state)
        bounds.append(float(info.bound))
    theta = posterior.theta
    np.testing.assert_allclose(model.means(theta), theirs.means_, atol=1e-4)
    np.testing.assert_allclose(model.predictive_weights(theta), theirs.weights_, atol=1e-4)
    np.testing.assert_allclose(model.covariances(theta), theirs.covariances_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(theta["dof"], theirs.degrees_of_freedom_, rtol=1e-4)
    np.testing.assert_allclose(posterior(Batch(torch.tensor(x), torch.arange(80)), model).probs, r, atol=1e-3)
    assert bounds[-1] - bounds[0] < 1e-5


def test_differences_of_the_bound_are_scikit_learns():
    """Its lower bound leaves constants out; they drop from differences between two points."""
    x = rows(60, 2, 5)
    model = NormalWishartMixture(2, 3)
    model.set_prior(TensorBatches(torch.tensor(x), dtype=torch.float64))
    theirs, ours = [], []
    for steps in (1, 40):
        fit = twin(model, x).set_params(max_iter=steps, tol=0.0)
        with pytest.warns(match="did not converge"):
            fit.fit(x)
        log_r = fit._estimate_log_prob_resp(x)[1]
        fit._m_step(x, log_r)
        theirs.append(fit._compute_lower_bound(log_r, None))
        theta = model.update_globals(model.statistics(torch.tensor(x), torch.tensor(np.exp(log_r))))
        ours.append(_bound_at(model, theta, x, np.exp(log_r)))
    assert ours[1] - ours[0] == pytest.approx(theirs[1] - theirs[0], abs=1e-6)


def _bound_at(model, theta, x, r):
    """The bound for a q(c) that need not be the best."""
    entropy = -(r * np.log(np.maximum(r, 1e-300))).sum()
    inside = model.expected_log_likelihood(torch.tensor(x), theta) + model.expected_log_weights(theta)
    return float((inside * torch.tensor(r)).sum() + entropy - model.globals_kl(theta))


# --- what is drawn, what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [BayesianGaussianMixture(1, 3, prior_scale=2.0), general(1, 3)])
def test_single_rows_of_the_prior_have_the_prior_predictive(model):
    """First rows of data sets drawn one by one, and predictive draws at the prior, against the density."""
    torch.manual_seed(0)
    first = torch.stack([model.sample(1)[0] for _ in range(4000)])
    at_once = model.sample_predictive(4000, model.prior_globals())
    grid = torch.linspace(-200, 200, 200_001, dtype=torch.float64)
    density = model.log_predictive(grid.unsqueeze(1), model.prior_globals()).exp()
    cdf = torch.cumulative_trapezoid(density, grid)
    for drawn in (first, at_once):
        ranks = np.interp(drawn.flatten().numpy(), grid[1:].numpy(), cdf.numpy())
        deviation = np.abs(np.sort(ranks) - (np.arange(4000) + 0.5) / 4000).max()
        assert deviation < 2.7 / np.sqrt(4000)  # Kolmogorov: once in a million


def test_rows_of_one_data_set_share_their_means():
    torch.manual_seed(0)
    model = BayesianGaussianMixture(1, 1, prior_scale=50.0)
    assert all(model.sample(50).std() < 2 for _ in range(20))


def test_learning_the_prior_scale_raises_the_evidence_of_the_bound():
    x = rows(30, 2, 1) * 3
    fixed, learnt = BayesianGaussianMixture(2, 2), BayesianGaussianMixture(2, 2, learn_prior=True)
    (_, low), (q, high) = fitted(fixed, x), fitted(learnt, x)
    assert high > low + 1
    second = q.theta["loc"].square() + q.theta["scale"].square().unsqueeze(1)
    assert float(learnt.prior_scale) ** 2 == pytest.approx(float(second.mean()), rel=1e-4)


def test_log_normalisers_sum_to_the_evidence_of_no_rows():
    for model in (BayesianGaussianMixture(2, 3), general(2, 3)):
        none = model.log_assignments(torch.zeros(0, 2), torch.zeros(1, 0, dtype=torch.int64))
        assert float(none) == 0
        assert float(model.globals_kl(model.prior_globals())) == pytest.approx(0, abs=1e-12)
    assert logsumexp([0.0]) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BayesianGaussianMixture(2, 3, prior_scale=0.0), "prior_scale=0.0"),
        (lambda: BayesianGaussianMixture(2, 0), "n_components=0"),
        (lambda: NormalWishartMixture(3, 2, dof=2.0), "dof=2.0 cannot be used. Use a number above 2"),
        (lambda: NormalWishartMixture(3, 2, concentration=-1.0), "concentration=-1.0"),
    ],
)
def test_what_cannot_be_used_is_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_missing_cells_and_other_columns_are_refused():
    model = BayesianGaussianMixture(2, 2)
    with pytest.raises(AbilityError, match="missing cells"):
        model.responsibilities(torch.zeros(3, 2), model.prior_globals(), torch.ones(3, 2, dtype=torch.bool))
    with pytest.raises(DataError, match="rows of shape"):
        model.log_predictive(torch.zeros(3, 1), model.prior_globals())
