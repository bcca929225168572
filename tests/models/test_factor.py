"""Probabilistic PCA and factor analysis against dense formulas, scikit-learn and finite differences."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.decomposition import FactorAnalysis as SklearnFactorAnalysis
from torch.func import functional_call

from latentia.abilities import HasUpdate, add_statistics
from latentia.batch import Batch, TensorBatches
from latentia.bounds import Elbo
from latentia.errors import AbilityError, DataError, ParameterError
from latentia.models import FactorAnalysis, ProbabilisticPCA
from latentia.posteriors import Exact
from latentia.scaling import Scaling

MODELS = (ProbabilisticPCA, FactorAnalysis)
UNITS = Scaling(torch.tensor([3.0, -1.0, 0.0, 10.0, 2.0]), torch.tensor([2.0, 0.1, 5.0, 1.0, 30.0]))
SCALINGS = (None, UNITS)


def linear_data(seed=0, n=60, d=5, k=2, noise=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + noise * rng.uniform(0.5, 1.5, d) * rng.normal(size=(n, d))
    return torch.tensor(x + rng.normal(size=d))


def some_model(cls, scaling=None, seed=0):
    model = cls(5, 2, scaling=scaling)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def batches(x, **options):
    return TensorBatches(x, **{"batch_size": 16, "dtype": torch.float64, **options})


def em(model, data, passes, start="auto", seed=0):
    """A loop that owes nothing to the learner; the log-likelihood before each update."""
    model.initialise(data, start, seed)
    history = []
    for _ in range(passes):
        parts = [model.expect(batch) for batch in data.in_order()]
        history.append(sum(b.weighted_sum(e.log_prob).item() for b, e in zip(data.in_order(), parts)))
        model.update(add_statistics(part.statistics for part in parts))
    return history


def some_missing(x, seed=0):
    observed = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) > 0.3
    observed[:, 0] |= ~observed.any(1)
    return torch.where(observed, x, torch.nan), observed


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("cls", MODELS)
def test_log_prob_is_that_of_the_dense_normal(cls, scaling):
    model, x = some_model(cls, scaling), linear_data()
    dense = multivariate_normal(model.mean().detach().numpy(), model.covariance().detach().numpy())
    np.testing.assert_allclose(model.log_prob(x).detach(), dense.logpdf(x), rtol=1e-8)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("cls", MODELS)
def test_a_missing_cell_is_integrated_out(cls, scaling):
    model = some_model(cls, scaling)
    x, observed = some_missing(linear_data())
    mean, covariance = model.mean().detach().numpy(), model.covariance().detach().numpy()
    expected = []
    for row, here in zip(x.numpy(), observed.numpy()):
        expected.append(multivariate_normal(mean[here], covariance[np.ix_(here, here)]).logpdf(row[here]))
    np.testing.assert_allclose(model.log_prob(x, observed).detach(), expected, rtol=1e-8)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("cls", MODELS)
def test_bayes_rule_holds_at_any_z(cls, scaling, missing):
    model, x, observed = some_model(cls, scaling), linear_data(), None
    if missing:
        x, observed = some_missing(x)
        x = x.nan_to_num(0.0)
    z = torch.randn(3, len(x), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    evidence = model.log_joint(x, z, observed) - model.posterior(x, observed).log_prob(z)
    torch.testing.assert_close(evidence, model.log_prob(x, observed).expand(3, -1))


@pytest.mark.parametrize("cls", MODELS)
def test_the_elbo_at_the_exact_posterior_is_log_prob(cls):
    model, x = some_model(cls), linear_data()
    terms = Elbo(n_samples=2, kl="monte-carlo")(model, Exact(), Batch(x, torch.arange(len(x))))
    torch.testing.assert_close(terms.value, model.log_prob(x))
    terms.surrogate.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("cls", MODELS)
def test_gradients_of_log_prob_are_finite_differences(cls):
    model, x = some_model(cls), linear_data(n=4)
    names = [name for name, _ in model.named_parameters()]

    def log_prob(*values):
        return functional_call(_Call(model), dict(zip([f"model.{n}" for n in names], values)), (x,))

    assert torch.autograd.gradcheck(log_prob, [p.detach().clone().requires_grad_() for p in model.parameters()])


class _Call(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.log_prob(x)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("cls", MODELS)
def test_statistics_are_those_of_a_loop_over_rows(cls, missing):
    model, x, observed = some_model(cls), linear_data(n=7), None
    if missing:
        x, observed = some_missing(x)
    weight = torch.tensor([1.0, 2.0, 0.0, 1.0, 0.5, 3.0, 1.0], dtype=torch.float64)
    got = model.expect(Batch(x, torch.arange(7), weight, observed)).statistics
    expected = _naive_statistics(model, x, observed, weight)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


def _naive_statistics(model, x, observed, weight):
    loading, scale = model.loading.detach().numpy(), model.scale.detach().numpy()
    names = ("weight", "latent", "latent_square", "residual", "cross", "residual_square")
    total = dict.fromkeys(names, 0.0)
    for i, w in enumerate(weight.numpy()):
        here = np.ones(5, bool) if observed is None else observed[i].numpy()
        d, a = (x[i].numpy() - model.loc.detach().numpy())[here] / scale[here], (loading.T / scale).T[here]
        v = np.linalg.inv(np.eye(2) + a.T @ a)
        z = v @ a.T @ d
        e, e2, ez = np.zeros(5), np.ones(5), np.zeros((5, 2))
        e[here] = d - a @ z
        e2[here] = e[here] ** 2 + np.einsum("dk,kl,dl->d", a, v, a)
        ez[here] = np.outer(e[here], z) - a @ v
        for name, value in zip(names, (1.0, z, v + np.outer(z, z), e, ez, e2)):
            total[name] = total[name] + w * value
    return total


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("cls", MODELS)
def test_an_update_is_the_regression_of_the_completed_rows_on_the_latents(cls, missing):
    model, x, observed = some_model(cls), linear_data(n=20), None
    if missing:
        x, observed = some_missing(x)
    mean, covariance = _naive_update(model, x, observed)
    model.update(model.expect(Batch(x, torch.arange(20), None, observed)).statistics)
    np.testing.assert_allclose(model.mean().detach(), mean, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(model.covariance().detach(), covariance, rtol=1e-7, atol=1e-8)


def _naive_update(model, x, observed):
    """Mean and covariance of x once (1, z) -> x is fitted to E[(z, x)] and E[(z, x)(z, x)^T] given what was seen."""
    mean, loading = model.loc.detach().numpy(), model.loading.detach().numpy()
    joint_mean = np.concatenate([np.zeros(2), mean])
    noise = np.diag(model.scale.detach().numpy() ** 2)
    joint = np.block([[np.eye(2), loading.T], [loading, loading @ loading.T + noise]])
    first, second = np.zeros(7), np.zeros((7, 7))
    for i, row in enumerate(x.numpy()):
        here = np.r_[np.zeros(2, bool), np.ones(5, bool) if observed is None else observed[i].numpy()]
        gain = joint[:, here] @ np.linalg.inv(joint[np.ix_(here, here)])
        expected = joint_mean + gain @ (row[here[2:]] - joint_mean[here])
        first += expected / len(x)
        second += (np.outer(expected, expected) + joint - gain @ joint[here]) / len(x)
    moments = second - np.outer(first, first)
    zz, xz, xx = moments[:2, :2], moments[2:, :2], moments[2:, 2:]
    slope = xz @ np.linalg.inv(zz)
    left = np.diag(xx - slope @ xz.T)
    left = np.full(5, left.mean()) if isinstance(model, ProbabilisticPCA) else left
    return first[2:], slope @ zz @ slope.T + np.diag(left)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("cls", MODELS)
def test_statistics_depend_neither_on_batches_nor_on_weight_against_repeats(cls, missing):
    model, x, observed = some_model(cls), linear_data(n=30), None
    if missing:
        x, observed = some_missing(x)
    times = torch.arange(30) % 3
    weighted = batches(x, weight=times, observed=observed)
    again = None if observed is None else observed.repeat_interleave(times, 0)
    repeated = batches(x.repeat_interleave(times, 0), batch_size=1000, observed=again)
    one, other = (add_statistics(model.expect(b).statistics for b in data.in_order()) for data in (weighted, repeated))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("start", ["auto", "random"])
@pytest.mark.parametrize("cls", MODELS)
def test_starts_do_not_tell_weights_from_repeats(cls, start):
    x = linear_data(n=15, d=30, k=3)
    times = torch.arange(15) % 4
    one, other = cls(30, 2), cls(30, 2)
    one.initialise(batches(x, weight=times), start, 3)
    other.initialise(batches(x.repeat_interleave(times, 0).flip(0), batch_size=1000), start, 3)
    for a, b in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_the_closed_form_is_that_of_scikit_learn():
    x = linear_data(n=200, d=8, k=3)
    model = ProbabilisticPCA(8, 3)
    model.maximise(batches(x))
    pca = PCA(3).fit(x)
    np.testing.assert_allclose(model.covariance().detach(), pca.get_covariance() * 199 / 200, rtol=1e-9, atol=1e-12)
    assert abs(model.log_prob(x).mean().item() - pca.score(x)) < 1e-4  # theirs divides by n - 1


@pytest.mark.parametrize("n_latent", [1, 4, 5, 7])
def test_the_closed_form_is_a_maximum_for_any_number_of_latents(n_latent):
    x = linear_data()
    model = ProbabilisticPCA(5, n_latent)
    model.maximise(batches(x))
    model.log_prob(x).mean().backward()
    for parameter in model.parameters():
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter.grad), rtol=0, atol=1e-10)


def test_em_from_anywhere_ends_at_the_closed_form_axes_included():
    x = linear_data()
    model, closed = ProbabilisticPCA(5, 2), ProbabilisticPCA(5, 2)
    em(model, batches(x), 300, start="random", seed=5)
    closed.maximise(batches(x))
    torch.testing.assert_close(model.loading, closed.loading, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(model.log_prob(x), closed.log_prob(x), rtol=1e-10, atol=1e-10)


def test_factor_analysis_is_that_of_scikit_learn_at_convergence():
    x, test = linear_data(n=400, d=8, k=2).split(300)
    model = FactorAnalysis(8, 2)
    em(model, batches(x, batch_size=1000), 1000)
    sklearn = SklearnFactorAnalysis(2, tol=1e-13, max_iter=20_000, svd_method="lapack").fit(x)
    np.testing.assert_allclose(model.log_prob(test).detach(), sklearn.score_samples(test), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cls", MODELS)
def test_em_on_missing_cells_climbs_to_a_stationary_point(cls):
    x, observed = some_missing(linear_data(n=80, k=1))
    model = cls(5, 1)
    history = em(model, batches(x, batch_size=50, observed=observed), 300)
    assert np.all(np.diff(history) > -1e-9 * np.abs(history[1:]))
    assert history[-1] > history[0] + 1
    model.log_prob(x.nan_to_num(0.0), observed).mean().backward()
    assert all(parameter.grad.abs().max() < 1e-6 for parameter in model.parameters())


def test_factor_analysis_does_not_depend_on_the_units():
    x = linear_data(n=100)
    plain, scaled = FactorAnalysis(5, 2), FactorAnalysis(5, 2, scaling=UNITS)
    user = UNITS.to_user(x)
    em(plain, batches(x), 200)
    em(scaled, batches(user), 200)
    expected = plain.log_prob(x) + UNITS.log_jacobian(5)
    torch.testing.assert_close(scaled.log_prob(user), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("cls", MODELS)
def test_a_scaled_model_is_the_plain_one_with_the_jacobian(cls):
    plain, scaled, x = some_model(cls), some_model(cls, UNITS), linear_data()
    torch.testing.assert_close(scaled.log_prob(UNITS.to_user(x)), plain.log_prob(x) + UNITS.log_jacobian(5))


@pytest.mark.parametrize("cls", MODELS)
def test_a_huge_offset_changes_nothing(cls):
    x = linear_data()
    near, far = cls(5, 2), cls(5, 2)
    em(near, batches(x), 100)
    em(far, batches(x + 2.0**26), 100)
    torch.testing.assert_close(far.log_prob(x + 2.0**26), near.log_prob(x), rtol=1e-6, atol=1e-6)


def test_ppca_without_noise_ends_at_its_floor():
    x = linear_data(noise=0.0)
    model = ProbabilisticPCA(5, 2, floor=1e-6)
    model.maximise(batches(x))
    expected = 1e-6 * x.var(0, correction=0).mean()
    torch.testing.assert_close(model.scale.square(), expected.expand(5), rtol=1e-9, atol=0)
    assert torch.isfinite(model.log_prob(x)).all()


def test_a_factor_that_is_a_column_takes_its_noise_to_the_floor_and_no_further():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(100, 3, generator=generator, dtype=torch.float64)
    x[:, 2] = x[:, 0] - 0.5 * x[:, 1] + 0.5 * x[:, 2]  # columns 1 and 2 share less than what both share with column 0
    x[:, 1] += x[:, 0]
    model = FactorAnalysis(3, 1, floor=1e-2)
    em(model, batches(x, batch_size=100), 500)
    share = model.scale.square() / x.var(0, correction=0)
    assert share[0].item() == pytest.approx(1e-2, rel=1e-9)
    assert share[1:].min() > 0.1


@pytest.mark.parametrize(
    ("cls", "column", "words"),
    [
        (FactorAnalysis, [2], "No variance in column 2"),
        (FactorAnalysis, [0, 3], "No variance in columns 0, 3"),
        (ProbabilisticPCA, [0, 1, 2, 3, 4], "Every column"),
    ],
)
def test_constant_columns_are_refused_where_they_matter(cls, column, words):
    x = linear_data()
    x[:, column] = 0.1
    with pytest.raises(DataError, match=words):
        cls(5, 2).initialise(batches(x), "auto", 0)


def test_ppca_takes_a_constant_column_and_one_that_varies_in_absent_rows_counts_as_constant():
    x, weight = linear_data(), torch.ones(60)
    x[1:, 2], weight[0] = 0.1, 0.0
    ProbabilisticPCA(5, 2).initialise(batches(x, weight=weight), "auto", 0)
    with pytest.raises(DataError, match="column 2"):
        FactorAnalysis(5, 2).initialise(batches(x, weight=weight), "auto", 0)


LEVELS = Scaling(0.0, 255.0, levels=(0, 255))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: ProbabilisticPCA(5, 0), ParameterError, "n_latent=0"),
        (lambda: FactorAnalysis(0, 1), ParameterError, "n_features=0"),
        (lambda: FactorAnalysis(5, 1, floor=0.0), ParameterError, "floor=0.0"),
        (lambda: ProbabilisticPCA(5, 1, scaling=LEVELS), ParameterError, "without levels"),
        (lambda: FactorAnalysis(5, 1).initialise(batches(linear_data()), "k-means", 0), ParameterError, "k-means"),
        (lambda: FactorAnalysis(4, 1).initialise(batches(linear_data()), "auto", 0), DataError, r"shape \(5,\)"),
        (lambda: _weightless(), DataError, "weights sum to zero"),
        (lambda: _unseen(), DataError, "No cell was observed in column 1"),
        (lambda: _closed_form_with_missing(), AbilityError, "closed form"),
    ],
)
def test_refusals_say_what_came(make, error, words):
    with pytest.raises(error, match=words):
        make()


def _weightless():
    ProbabilisticPCA(5, 1).initialise(batches(linear_data(), weight=torch.zeros(60)), "auto", 0)


def _unseen():
    observed = torch.ones(60, 5, dtype=torch.bool)
    observed[:, 1] = False
    ProbabilisticPCA(5, 1).initialise(batches(linear_data(), observed=observed), "auto", 0)


def _closed_form_with_missing():
    x, observed = some_missing(linear_data())
    ProbabilisticPCA(5, 1).maximise(batches(x, observed=observed))


@pytest.mark.parametrize("cls", MODELS)
def test_float32_follows_the_parameters(cls):
    model, x = some_model(cls, UNITS), linear_data()
    exact = model.log_prob(x)
    model.float()
    assert model.likelihood(torch.zeros(1, 3, 2)).mean.dtype == torch.float32
    torch.testing.assert_close(model.log_prob(x.float()).double(), exact, rtol=1e-3, atol=1e-3)
    statistics = model.expect(Batch(x.float(), torch.arange(60))).statistics
    assert all(value.dtype == torch.float64 for value in statistics.values())


@pytest.mark.parametrize("cls", MODELS)
def test_samples_have_the_moments_of_the_model(cls):
    torch.manual_seed(0)
    model = some_model(cls, UNITS)
    x = model.sample(200_000)
    covariance = model.covariance().detach()
    sd = covariance.diagonal().sqrt()
    torch.testing.assert_close(x.T.cov() / sd.outer(sd), covariance / sd.outer(sd), rtol=0, atol=0.02)
    assert isinstance(model, HasUpdate)


def test_the_floor_is_stated():
    assert "1e-09 of the mean variance" in ProbabilisticPCA(3, 1).floor_text
    assert FactorAnalysis(3, 1).log_penalty() == 0
