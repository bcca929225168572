"""The Gaussian mixture against scipy, scikit-learn, loops over rows and gradients of what EM maximises."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture

from latentia.abilities import HasUpdate, add_statistics
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo
from latentia.errors import AbilityError, DataError, NonFiniteError, ParameterError
from latentia.models import GaussianMixture, mixture
from latentia.posteriors import Exact
from latentia.scaling import Scaling

KINDS = ("full", "tied", "diag", "spherical")
UNITS = Scaling(torch.tensor([3.0, -1.0, 0.0]), torch.tensor([2.0, 0.1, 7.0]))
SCALINGS = (None, UNITS)


def clusters(seed=0, n=90, d=3, k=3, spread=4.0):
    rng = np.random.default_rng(seed)
    centres, roots = spread * rng.normal(size=(k, d)), rng.normal(size=(k, d, d))
    z = np.arange(n) % k
    return torch.tensor(centres[z] + np.einsum("nij,nj->ni", roots[z], rng.normal(size=(n, d))))


def some_model(kind, scaling=None, seed=0, **options):
    model = GaussianMixture(3, 4, covariance=kind, scaling=scaling, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def batches(x, **options):
    return TensorBatches(x, **{"batch_size": 16, "dtype": torch.float64, **options})


def statistics_of(model, data):
    return add_statistics(model.expect(batch).statistics for batch in data.in_order())


def naive_components(model, x):
    weights, means = model.weights().detach().numpy(), model.means().detach().numpy()
    columns = []
    for weight, mean, covariance in zip(weights, means, model.covariances().detach().numpy()):
        columns.append(np.log(weight) + multivariate_normal(mean, covariance).logpdf(x.numpy()))
    return np.stack(columns, 1)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_densities_are_those_of_scipy(kind, scaling):
    model, x = some_model(kind, scaling), clusters()
    joint = naive_components(model, x)
    np.testing.assert_allclose(model.log_components(x).detach(), joint, rtol=1e-8)
    np.testing.assert_allclose(model.log_prob(x).detach(), logsumexp(joint, 1), rtol=1e-8)
    responsibility = np.exp(joint - logsumexp(joint, 1, keepdims=True))
    np.testing.assert_allclose(model.posterior(x).probs.detach(), responsibility, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_log_joint_is_log_components_and_the_elbo_is_exact(kind, scaling):
    model, x = some_model(kind, scaling), clusters()
    every = torch.arange(4).unsqueeze(1)
    torch.testing.assert_close(model.log_joint(x, every).T, model.log_components(x))
    z = torch.arange(len(x)).unsqueeze(0) % 4  # (1, batch)
    torch.testing.assert_close(model.log_joint(x, z)[0], model.log_components(x).gather(1, z.T)[:, 0])
    terms = Elbo()(model, Exact(), Batch(x, torch.arange(len(x))))
    torch.testing.assert_close(terms.value, model.log_prob(x))


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_elbo_is_that_of_log_prob(kind):
    x = clusters()
    one, other = some_model(kind), some_model(kind)
    one.log_prob(x).sum().backward()
    with torch.no_grad():
        q = other.posterior(x)
    Elbo()(other, lambda *_: q, Batch(x, torch.arange(len(x)))).surrogate.sum().backward()
    for a, b in zip(one.parameters(), other.parameters()):
        assert torch.isfinite(a.grad).all()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_one_update_is_that_of_scikit_learn(kind):
    x, test = clusters(n=140).split(90)
    model = some_model(kind, regulariser=0.0)
    ours, theirs = model.covariances().detach().numpy(), {}
    theirs = {
        "full": np.linalg.inv(ours),
        "tied": np.linalg.inv(ours[0]),
        "diag": 1 / np.einsum("kii->ki", ours),
        "spherical": 1 / ours[:, 0, 0],
    }
    start = {"weights_init": model.weights().detach().numpy(), "means_init": model.means().detach().numpy()}
    sklearn = SklearnMixture(4, covariance_type=kind, reg_covar=0, max_iter=1, precisions_init=theirs[kind], **start)
    with pytest.warns(ConvergenceWarning):
        sklearn.fit(x.numpy())
    model.update(statistics_of(model, batches(x)))
    np.testing.assert_allclose(model.log_prob(test).detach(), sklearn.score_samples(test.numpy()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("regulariser", [0.0, 2.5])
@pytest.mark.parametrize("kind", KINDS)
def test_the_update_is_a_loop_over_rows(kind, regulariser):
    x, weight = clusters(), torch.arange(90.0, dtype=torch.float64) % 3
    model = some_model(kind, regulariser=regulariser)
    model.column_variance.copy_(torch.tensor([1.0, 2.0, 3.0]))
    r = model.posterior(x).probs.detach().numpy() * weight.numpy()[:, None]
    means, covariances = _naive_update(kind, x.numpy(), r, regulariser, 0.01 * np.diag([1.0, 2.0, 3.0]))
    model.update(statistics_of(model, batches(x, weight=weight)))
    np.testing.assert_allclose(model.weights().detach(), r.sum(0) / r.sum(), rtol=1e-9)
    np.testing.assert_allclose(model.means().detach(), means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.covariances().detach(), covariances, rtol=1e-8, atol=1e-9)


def _naive_update(kind, x, r, rows, prior):
    n, means, scatters = r.sum(0), [], []
    for k in range(r.shape[1]):
        mean = sum(r[i, k] * x[i] for i in range(len(x))) / n[k]
        means.append(mean)
        scatters.append(sum(r[i, k] * np.outer(x[i] - mean, x[i] - mean) for i in range(len(x))))
    if kind == "tied":
        return means, [(sum(scatters) + rows * prior) / (n.sum() + rows)] * len(n)
    full = [(scatter + rows * prior) / (weight + rows) for scatter, weight in zip(scatters, n)]
    if kind == "diag":
        return means, [np.diag(np.diag(s)) for s in full]
    return means, full if kind == "full" else [np.eye(3) * np.trace(s) / 3 for s in full]


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_update_is_where_the_gradient_of_its_target_vanishes(kind, scaling):
    x, model = clusters(), some_model(kind, scaling, regulariser=1.5)
    r = model.posterior(x).probs.detach()
    model.update(statistics_of(model, batches(x)))
    target = (r * model.log_components(x)).sum() + model.log_penalty()
    target.backward()
    for parameter in model.parameters():
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter.grad), rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_penalty_is_its_formula(kind):
    model = some_model(kind, regulariser=2.0, prior_variance_share=0.5)
    model.column_variance.copy_(torch.tensor([1.0, 2.0, 3.0]))
    covariances = model.covariances().detach().numpy()[: 1 if kind == "tied" else 4]
    prior = 0.5 * np.diag([1.0, 2.0, 3.0])
    expected = -sum(np.linalg.slogdet(s)[1] + np.trace(prior @ np.linalg.inv(s)) for s in covariances)
    assert model.log_penalty().item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_depend_neither_on_batches_nor_on_weight_against_repeats(kind):
    x, model = clusters(), some_model(kind)
    times = torch.arange(90) % 3
    weighted = statistics_of(model, batches(x, weight=times))
    repeated = statistics_of(model, batches(x.repeat_interleave(times, 0), batch_size=1000))
    for name in weighted:
        torch.testing.assert_close(weighted[name], repeated[name], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("start", ["k-means", "random"])
@pytest.mark.parametrize("kind", KINDS)
def test_starts_do_not_tell_weights_from_repeats_in_any_order(kind, start):
    x = clusters()
    times = torch.arange(90) % 3
    order = torch.randperm(int(times.sum()), generator=torch.Generator().manual_seed(0))
    one, other = (GaussianMixture(3, 3, covariance=kind) for _ in range(2))
    one.initialise(batches(x, weight=times), start, 7)
    other.initialise(batches(x.repeat_interleave(times, 0)[order]), start, 7)
    for a, b in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_k_means_starts_near_separate_clusters(kind):
    x = clusters(spread=30.0)
    model = GaussianMixture(3, 3, covariance=kind)
    model.initialise(batches(x), "k-means", 0)
    truth = torch.stack([x[k::3].mean(0) for k in range(3)])
    assert torch.cdist(truth, model.means().detach()).amin(1).max() < 1e-9


def test_a_start_on_many_rows_looks_at_a_sample_drawn_by_weight(monkeypatch):
    monkeypatch.setattr(mixture, "MAX_ROWS", 100)
    x = torch.cat([torch.zeros(5000, 1), torch.ones(5000, 1)]).double() + torch.arange(10_000).unsqueeze(1) * 1e-6
    weight = torch.cat([torch.ones(5000), torch.full((5000,), 3.0)])
    rows, drawn = mixture.distinct_rows(GaussianMixture(1, 2), batches(x, weight=weight), limit=100, seed=0)
    assert len(rows) <= 100
    assert drawn[rows[:, 0] >= 1].sum() == 75
    one, other = GaussianMixture(1, 2), GaussianMixture(1, 2)
    for model in (one, other):
        model.initialise(batches(x, weight=weight, batch_size=1000), "k-means", 3)
    assert torch.equal(one.means(), other.means())
    torch.testing.assert_close(model.weights().sort().values, torch.tensor([0.25, 0.75]).double(), rtol=0, atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scaled_model_is_the_plain_one_with_the_jacobian(kind):
    plain, scaled, x = some_model(kind), some_model(kind, UNITS), clusters()
    user = UNITS.to_user(x)
    torch.testing.assert_close(scaled.log_prob(user), plain.log_prob(x) + UNITS.log_jacobian(3))
    for a, b in (
        (scaled.means(), UNITS.to_user(plain.means())),
        (scaled.posterior(user).probs, plain.posterior(x).probs),
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_a_learnt_mixture_does_not_depend_on_the_units(kind):
    x = clusters()
    plain, scaled = GaussianMixture(3, 3, covariance=kind), GaussianMixture(3, 3, covariance=kind, scaling=UNITS)
    for model, data in ((plain, batches(x)), (scaled, batches(UNITS.to_user(x)))):
        model.initialise(data, "auto", 0)
        for _ in range(10):
            model.update(statistics_of(model, data))
    expected = plain.log_prob(x) + UNITS.log_jacobian(3)
    torch.testing.assert_close(scaled.log_prob(UNITS.to_user(x)), expected, rtol=1e-8, atol=1e-8)


def test_a_component_on_one_point_is_refused_by_number_without_a_prior_and_kept_finite_with_one():
    x = clusters(d=3, k=2)
    x[:10] = 100.0
    for regulariser in (0.0, 0.01):
        model = GaussianMixture(3, 3, regulariser=regulariser)
        model.initialise(batches(x), "k-means", 0)
        lonely = int(model.means().sum(1).argmax())
        if regulariser == 0:
            with pytest.raises(NonFiniteError, match=f"component {lonely} became singular.*Try a regulariser above 0"):
                _updates(model, x)
        else:
            _updates(model, x)
            expected = 0.01 * 0.01 * torch.diag(x.var(0, correction=0)) / (10 + 0.01)
            torch.testing.assert_close(model.covariances()[lonely].detach(), expected, rtol=1e-6, atol=1e-12)


def _updates(model, x, n=20):
    for _ in range(n):
        model.update(statistics_of(model, batches(x)))


@pytest.mark.parametrize("kind", KINDS)
def test_nearly_singular_is_not_singular(kind):
    x = clusters()
    x[:, 2] = x[:, 0] + x[:, 1] + 1e-5 * x[:, 2]  # 1e-13 of its variance
    model = GaussianMixture(3, 2, covariance=kind, regulariser=0.0)
    model.initialise(batches(x), "auto", 0)
    _updates(model, x)
    assert torch.isfinite(model.log_prob(x)).all()


def test_a_shared_covariance_that_is_singular_says_so():
    x = clusters()
    x[:, 2] = x[:, 0] + x[:, 1]
    model = GaussianMixture(3, 2, covariance="tied", regulariser=0.0)
    model.initialise(batches(x), "auto", 0)
    with pytest.raises(NonFiniteError, match="that all components share became singular"):
        _updates(model, x)


@pytest.mark.parametrize("regulariser", [0.0, 0.01])
@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_component_stays_where_it_is(kind, regulariser):
    x = clusters()
    model = some_model(kind, regulariser=regulariser)
    with torch.no_grad():
        model.loc[2] = 1e6
    before = model.log_prob(x).sum() + model.log_penalty()
    covariance = model.covariances()[2].clone()
    model.update(statistics_of(model, batches(x)))
    after = model.log_prob(x).sum() + model.log_penalty()
    assert after > before
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert model.weights()[2] < 1e-20
    assert torch.equal(model.loc[2], torch.full((3,), 1e6, dtype=torch.float64))
    if regulariser == 0 and kind != "tied":
        torch.testing.assert_close(model.covariances()[2], covariance)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_column_needs_the_prior(kind):
    x = clusters()
    x[:, 1] = 0.1
    with pytest.raises(DataError, match="No variance in column 1"):
        GaussianMixture(3, 2, covariance=kind, regulariser=0).initialise(batches(x), "auto", 0)
    model = GaussianMixture(3, 2, covariance=kind)
    model.initialise(batches(x), "auto", 0)
    _updates(model, x)
    assert torch.isfinite(model.log_prob(x)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_moments_of_the_model(kind):
    torch.manual_seed(0)
    model = some_model(kind, UNITS)
    x, z = model.sample(100_000), model.prior().sample(torch.Size((1, 100_000)))
    other = model.likelihood(z).sample()[0]
    weights, means = model.weights(), model.means()
    mean = weights @ means
    covariance = (weights.reshape(-1, 1, 1) * model.covariances()).sum(0) + (means - mean).T @ torch.diag(weights) @ (
        means - mean
    )
    sd = covariance.diagonal().sqrt().detach()
    for draws in (x, other):
        torch.testing.assert_close((draws.mean(0) - mean.detach()) / sd, torch.zeros_like(sd), rtol=0, atol=0.02)
        torch.testing.assert_close(
            draws.T.cov() / sd.outer(sd), (covariance / sd.outer(sd)).detach(), rtol=0, atol=0.03
        )
    assert isinstance(model, HasUpdate)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: GaussianMixture(3, 0), ParameterError, "n_components=0"),
        (lambda: GaussianMixture(3, 2, covariance="round"), ParameterError, "full, tied, diag, spherical"),
        (lambda: GaussianMixture(3, 2, regulariser=-1.0), ParameterError, "regulariser=-1.0"),
        (lambda: GaussianMixture(3, 2, prior_variance_share=0.0), ParameterError, "above 0"),
        (lambda: GaussianMixture(3, 2, scaling=Scaling(0.0, 9.0, levels=(0, 9))), ParameterError, "without levels"),
        (lambda: GaussianMixture(3, 2).initialise(batches(clusters()), "closed-form", 0), ParameterError, "k-means"),
        (lambda: GaussianMixture(3, 91).initialise(batches(clusters()), "auto", 0), DataError, "90 distinct rows"),
        (lambda: GaussianMixture(3, 2).log_prob(clusters(), clusters() > 0), AbilityError, "missing cells"),
        (lambda: GaussianMixture(3, 2).posterior(clusters(), clusters() > 0), AbilityError, "missing cells"),
    ],
)
def test_refusals_say_what_came(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("kind", KINDS)
def test_float32_follows_the_parameters(kind):
    model, x = some_model(kind, UNITS), clusters()
    exact = model.log_prob(x)
    model.float()
    assert model.likelihood(torch.zeros(1, 3, dtype=torch.long)).mean.dtype == torch.float32
    torch.testing.assert_close(model.log_prob(x.float()).double(), exact, rtol=1e-3, atol=1e-3)
    assert all(value.dtype == torch.float64 for value in statistics_of(model, batches(x)).values())
