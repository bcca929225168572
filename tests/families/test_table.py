"""The table of families: refusals in a sentence, names, data without a density, starts, and the page that shows it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from families_made import CASES, array
from torch.distributions import Exponential, Independent

import latentia
from latentia import families as f
from latentia.cli import main
from latentia.conditional import Conditional
from latentia.distributions import Rescaled, centre
from latentia.errors import AbilityError, DataError, ParameterError, UserError
from latentia.evidence import elbo
from latentia.families.listing import all_facts, markdown
from latentia.learn import AmortizedVI
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Amortized

ROOT = Path(__file__).parents[2]
PRIOR_MODULE = StandardNormal(2)
PRIOR = PRIOR_MODULE()


# --- posteriors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "prior"),
    [
        (f.Cauchy((2,)), PRIOR),
        (f.StudentT((2,), df=2.0), PRIOR),
        (f.StudentT((2,), df=1.0), PRIOR),
        (f.StudentT((2,)), PRIOR),
        (f.MultivariateStudentT((2,), df=1.5), PRIOR),
        (f.Cauchy((2,)), f.Laplace((2,))),
        (f.Pareto((2,)), f.Gamma((2,))),
        (f.FisherSnedecor((2,)), f.Exponential((2,))),
    ],
)
def test_a_pair_whose_kl_is_infinite_is_refused(q: f.Family, prior: Any) -> None:
    with pytest.raises(AbilityError, match=r"KL\(q \|\| p\) is infinite") as error:
        f.check_posterior(q, prior)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("q", "prior"),
    [
        (f.Normal((2,)), Independent(Exponential(torch.ones(2)), 1)),
        (f.Normal((2,)), f.Beta((2,))),
        (f.Normal((2,)), f.Uniform((2,))),
        (f.Gamma((2,)), f.Beta((2,))),
        (f.Gamma((2,)), f.Pareto((2,))),
        (f.VonMisesFisher((2,)), PRIOR),
        (f.Dirichlet((2,)), PRIOR),
        (f.Bernoulli((2,)), PRIOR),
        (f.Poisson((2,)), f.Bernoulli((2,))),
        (f.Normal((2,)), f.Poisson((2,))),
    ],
)
def test_a_posterior_whose_support_does_not_fit_is_refused(q: f.Family, prior: Any) -> None:
    with pytest.raises(AbilityError, match="support") as error:
        f.check_posterior(q, prior)
    assert "Use " in str(error.value)


@pytest.mark.parametrize(
    ("q", "prior"),
    [
        (f.Normal((2,)), PRIOR),
        (f.FullNormal((2,)), PRIOR),
        (f.SplineFlow((2,), n_context=3), PRIOR),
        (f.StudentT((2,), df=2.5), PRIOR),
        (f.StudentT((2,), least_df=2.0001), PRIOR),
        (f.Cauchy((2,)), f.StudentT((2,))),
        (f.Gamma((2,)), PRIOR),
        (f.Kumaraswamy((2,)), f.Beta((2,))),
        (f.Weibull((2,)), f.Gamma((2,))),
        (f.Bernoulli((2,)), f.Poisson((2,))),
        (f.Uniform((2,)), f.Uniform((2,))),
        (f.VonMisesFisher((2,)), f.VonMisesFisher((2,))),
    ],
)
def test_a_posterior_that_fits_passes(q: f.Family, prior: Any) -> None:
    f.check_posterior(q, prior)


T = f.StudentT((2,))  # of degrees of freedom that may come near zero
HEAVY = {
    "t, its own kind": (T, T),
    "t, cauchy": (T, f.Cauchy((2,))),
    "rows of t, their own kind": (f.MultivariateStudentT((2,)), f.MultivariateStudentT((2,))),
    "cauchy, t": (f.Cauchy((2,)), T),
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_tails_under_heavy_tails_have_a_finite_kl(name: str) -> None:
    """E_q log(1 + z^2) is finite for every t: SciPy's quadrature of the worst that a network gives."""
    f.check_posterior(*HEAVY[name])
    q, p = scipy.stats.t(0.5), scipy.stats.t(5.0)
    v = np.linspace(-36, 36, 20_001)
    u = 1 / (1 + np.exp(-v))
    z = q.ppf(np.clip(u, 1e-15, 1 - 1e-15))
    terms = u * (1 - u) * (q.logpdf(z) - p.logpdf(z))
    assert np.isfinite(terms).all()
    assert 0 < np.trapezoid(terms, v) < 5


def test_a_flow_is_called_by_its_own_name() -> None:
    for name in ("autoregressive-flow", "coupling-flow", "spline-flow"):
        prior = f.family(name, (2,))
        with pytest.raises(AbilityError, match=f"{name} prior"):
            f.check_posterior(f.Bernoulli((2,)), prior(torch.zeros(prior.raw_shape)))


def test_a_pair_that_is_refused_is_infinite_indeed() -> None:
    """E_q[-log p] under a normal prior, truncated ever further out, does not settle for t with two degrees of freedom."""
    x = torch.linspace(-1, 1, 400_001, dtype=torch.float64)
    for df, settles in ((2.0, False), (3.0, True)):
        q = torch.distributions.StudentT(torch.tensor(df, dtype=torch.float64))
        sums = [torch.trapezoid(q.log_prob(end * x).exp() * (end * x) ** 2, end * x) for end in (1e3, 1e4)]
        assert bool(sums[1] - sums[0] < 0.1) == settles


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"\(3,\).*\(2,\)"):
        f.check_posterior(f.Normal((3,)), PRIOR)


@pytest.mark.parametrize("name", ["uniform", "triangular", "pareto", "reciprocal"])
def test_moving_supports(name: str) -> None:
    with pytest.raises(AbilityError, match="support moves"):
        f.check_gradient(name, "score")
    with pytest.raises(AbilityError, match="support moves"):
        f.check_standing(name, "likelihood")
    f.check_gradient(name, "pathwise")


def test_gradients_that_are_not_known_are_refused() -> None:
    f.check_gradient("gamma", "pathwise")
    f.check_gradient("straight-through-bernoulli", "pathwise")
    f.check_gradient("categorical", "auto")
    with pytest.raises(AbilityError, match="Use enumeration or score"):
        f.check_gradient("categorical", "pathwise")
    with pytest.raises(AbilityError, match="support moves"):
        f.check_gradient("uniform", "sticking-the-landing")
    with pytest.raises(AbilityError, match="relaxed-bernoulli"):
        f.check_gradient("bernoulli", "pathwise")
    with pytest.raises(AbilityError, match="Use score"):
        f.check_gradient("poisson", "pathwise")
    with pytest.raises(AbilityError, match="no density"):
        f.check_standing("cross-entropy", "posterior")


def test_the_score_function_misses_the_ends_of_a_moving_support() -> None:
    """d E[z] / d high is 1/2 for a uniform; the score function's mean is -E[z] / width, another number."""
    high = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    q = torch.distributions.Uniform(torch.zeros((), dtype=torch.float64), high)
    z = torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64)
    (score,) = torch.autograd.grad((z * q.log_prob(z)).mean(), high)
    assert float(score) == pytest.approx(-0.5)


# --- names and parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"), [("norml", "normal"), ("student", "student-t"), ("log_normal", "lognormal")]
)
def test_the_nearest_names_are_offered(wrong: str, right: str) -> None:
    with pytest.raises(ParameterError, match=f"Did you mean .*{right}"):
        f.family(wrong, (2,))


def test_families_by_name() -> None:
    for name in f.FAMILIES:
        assert f.family(name, (2,)).name == name
    assert isinstance(f.family("zero-inflated-negative-binomial", (2,)).inner, f.NegativeBinomial)  # type: ignore[union-attr]
    with pytest.raises(ParameterError, match=r"gamma has no option 'width'\. It has none"):
        f.family("gamma", (2,), width=3)


BAD: list[tuple[type[f.Family], tuple[int, ...], dict[str, Any]]] = [
    (f.StudentT, (2,), {"df": 0.0}),
    (f.StudentT, (2,), {"df": float("nan")}),
    (f.StudentT, (2,), {"df": "networks"}),
    (f.MultivariateStudentT, (2,), {"df": -1.0}),
    (f.Erlang, (2,), {"shape": 0}),
    (f.Erlang, (2,), {"shape": 1.5}),
    (f.RelaxedBernoulli, (2,), {"temperature": 0.0}),
    (f.StraightThroughCategorical, (1,), {}),
    (f.RelaxedCategorical, (), {}),
    (f.LowRankNormal, (2,), {"rank": 0}),
    (f.FullNormal, (2, 2), {}),
    (f.Dirichlet, (1,), {}),
    (f.VonMisesFisher, (1,), {}),
    (f.ZeroInflated, (2,), {"of": "gamma"}),
    (f.ZeroInflated, (2,), {"of": f.Poisson((3,))}),
    (f.DiscretisedLogisticMixture, (2,), {"n_components": 0}),
    (f.DiscretisedLogisticMixture, (2,), {"low": 3, "high": 3}),
    (f.CouplingFlow, (2,), {"n_context": -1}),
]


@pytest.mark.parametrize(("kind", "shape", "options"), BAD)
def test_parameters_that_cannot_be_are_refused(kind: type[f.Family], shape: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ParameterError) as error:
        kind(shape, **options)
    assert "Use " in str(error.value)
    assert "\n" not in str(error.value)


def test_flows_without_zuko_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(AbilityError, match=r"latentia\[flows\]"):
        f.SplineFlow((2,))


def test_validation_stays_as_it_was() -> None:
    """In a process of its own: zuko's import would switch it off."""
    code = (
        "from torch.distributions import Distribution; before = Distribution._validate_args;"
        "from latentia import families; families.SplineFlow((2,)); print(before, Distribution._validate_args)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "True"]
    before = torch.distributions.Distribution._validate_args
    for case in CASES.values():
        case.distribution().sample()
    assert torch.distributions.Distribution._validate_args is before
    with pytest.raises(ValueError, match="constraint"):
        torch.distributions.Normal(torch.zeros(1), -torch.ones(1))


# --- data ----------------------------------------------------------------------------------------------------------

WRONG = [
    (f.Gamma((2,)), [[1.0, 0.0]], "row 0, column 1 holds 0"),
    (f.LogNormal((2,)), [[1.0, -1.0]], "positive numbers"),
    (f.Weibull((2,)), [[1.0, float("nan")]], "holds nan"),
    (f.Beta((2,)), [[0.5, 1.0]], "holds 1"),
    (f.Poisson((2,)), [[0.0, 1.5]], "whole numbers from 0"),
    (f.ZeroInflated((2,)), [[0.0, -1.0]], "holds -1"),
    (f.DiscretisedLogisticMixture((2,)), [[0.0, 256.0]], "from 0 to 255"),
    (f.Dirichlet((2,)), [[0.5, 0.5], [0.7, 0.7]], "row 1 sums to 1.4"),
    (f.VonMisesFisher((2,)), [[0.6, 0.8], [1.0, 1.0]], "row 1 has length"),
]


@pytest.mark.parametrize(("family", "x", "words"), WRONG)
def test_values_without_a_density_are_named(family: f.Family, x: list[list[float]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        family.check(np.array(x))


def test_values_with_a_density_pass() -> None:
    for family in (f.Gamma((2,)), f.Poisson((2,)), f.Laplace((2,)), f.DiscretisedLogisticMixture((2,))):
        family.check(np.array([[1.0, 3.0]]))
    f.Dirichlet((2,)).check(np.array([[0.25, 0.75]]))


STARTS = {
    **dict.fromkeys(("laplace", "logistic", "gumbel", "uniform", "triangular", "gamma", "lognormal"), True),
    **dict.fromkeys(("weibull", "negative-binomial", "student-t of 5"), True),
    **dict.fromkeys(("exponential", "rayleigh", "gompertz", "erlang", "chi-squared", "poisson"), False),
}


@pytest.mark.parametrize("name", STARTS)
def test_start_fits_the_columns(name: str) -> None:
    family = CASES[name].make((2,))
    mean, scale = torch.tensor([2.0, 5.0]), torch.tensor([1.6, 3.0])
    d = family(family.start(mean, scale).unsqueeze(0))
    assert torch.allclose(d.mean, mean.unsqueeze(0), rtol=0.05)
    if STARTS[name] and "student" not in name:
        assert torch.allclose(d.stddev, scale.unsqueeze(0), rtol=0.1)


def test_start_of_the_others() -> None:
    beta = f.Beta((2,))
    d = beta(beta.start(torch.tensor([0.3, 0.6]), torch.tensor([0.2, 0.1])).unsqueeze(0))
    assert torch.allclose(d.mean, torch.tensor([[0.3, 0.6]]), rtol=1e-3)
    assert torch.allclose(d.stddev, torch.tensor([[0.2, 0.1]]), rtol=1e-3)
    full = f.FullNormal((2,))
    d = full(full.start(torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.5])).unsqueeze(0))
    assert torch.allclose(d.mean, torch.tensor([[3.0, 1.0]]))
    assert torch.allclose(d.stddev, torch.tensor([[2.0, 0.5]]), rtol=1e-2)


def test_the_value_to_show_where_there_is_no_mean() -> None:
    cauchy = f.Cauchy((2,))(torch.zeros(1, 2, 2))
    shown = centre(Rescaled(cauchy, torch.tensor(3.0), torch.tensor(2.0)))
    assert torch.equal(shown, torch.full((1, 2), 3.0))
    assert torch.equal(centre(f.MultivariateStudentT((2,), df=1.0)(torch.zeros(1, 5))), torch.zeros(1, 2))


def test_a_joint_density_in_other_units() -> None:
    base = f.FullNormal((2,)).double()(torch.randn(1, 5, dtype=torch.float64))
    loc, scale = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([3.0, 0.5], dtype=torch.float64)
    stretch = torch.diag(scale)
    expected = torch.distributions.MultivariateNormal(
        loc + base.mean * scale, stretch @ base.covariance_matrix @ stretch
    )
    y = torch.randn(4, 1, 2, dtype=torch.float64)
    assert np.allclose(array(Rescaled(base, loc, scale).log_prob(y)), array(expected.log_prob(y)))


# --- where the table is shown --------------------------------------------------------------------------------------


def test_the_page_shows_the_table() -> None:
    assert markdown() in (ROOT / "docs" / "families.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", ["80", "140"])
def test_the_command_prints_every_family(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["families"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in f.FAMILIES)
    assert main(["families", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == all_facts()


def test_every_family_documents_its_parameters() -> None:
    for row in f.TABLE:
        assert row.parameters.endswith((".", "."))
        assert row.support
        assert row.gradients or row.stands == ("likelihood",)


# --- where a fit begins --------------------------------------------------------------------------------------------


def learner(q: f.Family) -> AmortizedVI:
    return AmortizedVI(Amortized(Conditional(MLP(4, q.n_outputs, (5,)), q, (4,), joint=True)), learning_rate=0.01)


def decoder(p: f.Family) -> LatentVariableModel:
    return LatentVariableModel(PRIOR_MODULE, Conditional(MLP(2, p.n_outputs, (5,)), p, (2,)))


@pytest.mark.parametrize(
    ("q", "words"),
    [
        (f.Cauchy((2,)), "infinite"),
        (f.VonMisesFisher((2,)), "sphere"),
        (f.Bernoulli((2,)), "support"),
        (f.Normal((3,)), "Give both the same"),
        (f.CrossEntropy((2,)), "no density"),
    ],
)
def test_a_fit_refuses_before_it_begins(q: f.Family, words: str) -> None:
    with pytest.raises(UserError, match=words):
        latentia.fit(decoder(f.Normal((4,))), learner(q), torch.randn(20, 4), max_epochs=1)


def test_a_likelihood_that_the_table_forbids_is_refused_by_the_model() -> None:
    with pytest.raises(AbilityError, match="support moves"):
        decoder(f.Uniform((4,)))
    with pytest.raises(AbilityError, match="never relaxed"):
        decoder(f.RelaxedBernoulli((4,)))


FITS = {
    "full-normal, student-t": (f.FullNormal((2,)), f.StudentT((4,)), torch.randn),
    "low-rank-normal, full-normal": (f.LowRankNormal((2,)), f.FullNormal((4,)), torch.randn),
    "student-t, laplace": (f.StudentT((2,), least_df=3.0), f.Laplace((4,)), torch.randn),
    "logistic, gamma": (f.Logistic((2,)), f.Gamma((4,)), lambda *s: torch.rand(*s) + 0.1),
    "gamma, weibull": (f.Gamma((2,)), f.Weibull((4,)), lambda *s: torch.rand(*s) + 0.1),
    "beta, poisson": (f.Beta((2,)), f.Poisson((4,)), lambda *s: torch.randint(0, 5, s).float()),
    "spline-flow, zero-inflated": (
        f.SplineFlow((2,), n_context=3, n_transforms=1, hidden=(5,)),
        f.ZeroInflated((4,), of="negative-binomial"),
        lambda *s: torch.randint(0, 5, s).float(),
    ),
    "relaxed-bernoulli, mixture": (
        f.RelaxedBernoulli((2,)),
        f.DiscretisedLogisticMixture((4,), n_components=2),
        lambda *s: torch.randint(0, 256, s).float(),
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_families_learn_and_give_evidence(name: str) -> None:
    """A posterior and a likelihood of each kind: the bound rises, evaluation takes its noise from the rows."""
    q, p, draw_rows = FITS[name]
    torch.manual_seed(0)
    x, model, who = draw_rows(60, 4), decoder(p), learner(q)
    fit = latentia.fit(model, who, x, max_epochs=15, batch_size=30, seed=0, device="cpu")
    bounds = [row["bound"] for row in fit.history]
    assert bounds[-1] > bounds[0]
    first, second = (elbo(model, who.posterior, x, n_samples=4, seed=1) for _ in range(2))
    assert np.isfinite(first.mean)
    assert first.mean == second.mean
