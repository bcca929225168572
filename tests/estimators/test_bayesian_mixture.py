"""The Bayesian mixture as an estimator: conformance, evidence of data sets, save and load, the command line."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.utils.estimator_checks import parametrize_with_checks

import latentia
from latentia import BayesianGaussianMixture, evidence
from latentia.cli import main
from latentia.data import open_shards
from latentia.errors import AbilityError, ParameterError
from latentia.estimators import EXPECTED_FAILED_CHECKS

ROWS = np.concatenate([np.random.default_rng(k).normal(m, 1, size=(30, 2)) for k, m in enumerate((-4, 4))])


def unit(**options):
    return BayesianGaussianMixture(**{"n_components": 2, "prior_scale": 4.0, "random_state": 0, **options})


def full(**options):
    return BayesianGaussianMixture(**{"n_components": 3, "covariance": "full", "random_state": 0, **options})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [BayesianGaussianMixture(n_components=2), full()],
    expected_failed_checks=lambda estimator: EXPECTED_FAILED_CHECKS[type(estimator).__name__],
)
def test_conformance(estimator, check):
    check(estimator)


def test_the_evidence_of_few_rows_is_the_sum_over_all_assignments():
    """Independent: each assignment's covariance over rows, summed by SciPy."""
    x = ROWS[[0, 1, 30, 31, 2]]
    mixture = unit(n_components=3).fit(x)
    terms = []
    for c in itertools.product(range(3), repeat=5):
        same = np.equal.outer(c, c)
        rows = multivariate_normal(np.zeros(5), 16.0 * same + np.eye(5))
        terms.append(sum(rows.logpdf(column) for column in x.T) - 5 * np.log(3))
    exact, bound = mixture.evidence(x, "exact"), mixture.evidence(x, "elbo")
    assert exact.mean == pytest.approx(np.logaddexp.reduce(terms), abs=1e-9)
    assert bound.mean <= exact.mean
    assert (exact.scope, exact.kind, bound.scope, bound.kind) == ("data set", "exact", "data set", "lower")
    assert str(bound).startswith("log p(x) >= ")
    assert "nats per data set" in str(bound)


def test_the_bound_is_the_historys():
    mixture = full().fit(ROWS)
    assert mixture.evidence(ROWS, "elbo").mean == pytest.approx(60 * mixture.history_[-1]["bound"], abs=1e-6)


def test_row_scores_are_predictive_densities():
    mixture = unit().fit(ROWS)
    far = mixture.score_samples(np.array([[4.0, 4.0], [40.0, 40.0]]))
    assert far[0] > far[1] + 100
    grid = np.stack(np.meshgrid(*[np.linspace(-15, 15, 301)] * 2), -1).reshape(-1, 2)
    for one in (mixture, full().fit(ROWS)):
        mass = np.exp(one.score_samples(grid)).sum() * 0.01
        assert 0.995 < mass < 1 + 1e-6  # an empty component has the tails of a Cauchy


def test_few_components_are_used_where_the_prior_says_so():
    weights = full(n_components=6, weight_concentration=1e-3).fit(ROWS).weights_
    assert (weights > 0.01).sum() == 2


def test_a_change_of_units_changes_densities_by_the_jacobian():
    moved = ROWS * [10.0, 0.1] + [1e6, -5.0]
    plain, other = full().fit(ROWS), full().fit(moved)
    np.testing.assert_allclose(other.score_samples(moved), plain.score_samples(ROWS), atol=1e-5)
    np.testing.assert_allclose(other.predict_proba(moved), plain.predict_proba(ROWS), atol=1e-5)


@pytest.mark.parametrize("make", [unit, full])
def test_save_and_load_give_the_same_numbers(make, tmp_path):
    mixture = make(learn_prior=True).fit(ROWS)
    mixture.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    np.testing.assert_array_equal(again.score_samples(ROWS), mixture.score_samples(ROWS))
    np.testing.assert_array_equal(again.sample(5), mixture.sample(5))
    assert again.evidence(ROWS, "elbo").mean == mixture.evidence(ROWS, "elbo").mean


def test_warm_start_goes_on():
    mixture = full(max_epochs=2, warm_start=True).fit(ROWS)
    before = mixture.evidence(ROWS, "elbo").mean
    assert mixture.fit(ROWS).evidence(ROWS, "elbo").mean >= before - 1e-9


def test_what_has_no_answer_is_refused_in_a_sentence(tmp_path):
    mixture = unit().fit(ROWS)
    with pytest.raises(AbilityError, match=r"2\^60 assignments, too many"):
        mixture.evidence(ROWS, "exact")
    for method in ("importance", "annealed"):
        with pytest.raises(AbilityError, match="all rows of BayesianGaussianMixture share latents"):
            mixture.evidence(ROWS, method)
    with pytest.raises(ParameterError, match="one number for the data set"):
        mixture.score_samples(ROWS, "elbo")
    with pytest.raises(ParameterError, match="Repeat rows"):
        mixture.evidence(ROWS[:4], "exact", sample_weight=[1, 2, 1, 1])
    with pytest.raises(AbilityError, match="shares none"):
        evidence.predictive(latentia.models.ProbabilisticPCA(2, 1), None, torch.zeros(2, 2))
    with pytest.raises(ParameterError, match="covariance='diag'"):
        unit(covariance="diag").fit(ROWS)
    pq.write_table(pa.table({"a": ROWS[:, 0], "b": ROWS[:, 1]}), tmp_path / "rows.parquet")
    streamed = open_shards(tmp_path / "rows.parquet")
    assert mixture.totals(streamed).mean == pytest.approx(mixture.score(ROWS), abs=1e-9)
    with pytest.raises(ParameterError, match="one number for the data set"):
        mixture.totals(streamed, evidence="elbo")


def test_the_command_line_reaches_it(tmp_path, capsys):
    np.savetxt(tmp_path / "rows.csv", ROWS[:10], delimiter=",", header="a,b", comments="")
    rows, run = str(tmp_path / "rows.csv"), str(tmp_path / "run")
    options = ["--n-components", "2", "--prior-scale", "4", "--learner", "variational-em", "--learn-prior"]
    assert main(["fit", rows, "--model", "bgmm", "--out", run, *options]) == 0
    assert (tmp_path / "run" / "report.html").is_file()
    capsys.readouterr()
    numbers = {}
    for how in ("elbo", "exact"):
        assert main(["score", run, rows, "--evidence", how, "--json"]) == 0
        numbers[how] = json.loads(capsys.readouterr().out)
    assert numbers["elbo"]["mean"] <= numbers["exact"]["mean"]
    assert numbers["exact"]["unit"] == "nats per data set"
    assert main(["score", run, rows, "--evidence", "exact"]) == 0
    assert "nats per data set" in capsys.readouterr().out.lower()
    assert main(["sample", run, "-n", "3"]) == 0
    assert main(["encode", run, rows]) == 0
