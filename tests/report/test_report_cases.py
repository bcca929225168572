"""Models and data of all kinds, on pages whose figures are made and not drawn."""

import ast
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import report_made as made
import torch

from latentia.data import Dataset
from latentia.errors import DataError, RunError
from latentia.estimate import Estimate
from latentia.estimators.linear import FactorAnalysis, ProbabilisticPCA
from latentia.report import write_report
from latentia.report.latent_sections import map_section
from latentia.report.numbers import score
from latentia.report.view import make_view

parse, no_drawing = made.parse, made.no_drawing
blobs, mixture_fit, table, table_fit = made.blobs, made.mixture_fit, made.table, made.table_fit
pytestmark = pytest.mark.usefixtures("no_drawing")


def named(x, name="rows", **options):
    return Dataset(np.asarray(x, dtype=float), tuple(f"c{i}" for i in range(np.shape(x)[1])), name, **options)


@pytest.fixture
def report(parse, tmp_path):
    def write(estimator, data, **options):
        return parse(write_report(estimator, data, tmp_path / "r.html", **options))

    return write


def ids(page):
    return [a["id"] for a in page.all("section")]


def test_a_mixture_shows_its_components_and_no_axes(report, mixture_fit, blobs):
    page = report(mixture_fit, blobs)
    assert "components" in ids(page)
    assert not {"units", "traversals", "interpolation"} & set(ids(page))
    exact = mixture_fit.evidence(blobs.x).mean
    assert f"= {exact:.3f}".replace("-", "−") in page.text
    assert "active latent units" not in page.text


@pytest.mark.parametrize("cls", [ProbabilisticPCA, FactorAnalysis])
def test_a_linear_model_has_exact_evidence_and_units(report, blobs, cls):
    page = report(cls(n_latent=1, random_state=0).fit(blobs.x), blobs)
    assert "exact" in page.text
    assert "bits per dimension" not in page.text
    assert "1 of 1" in page.text


def test_a_likelihood_that_is_no_density_has_no_evidence_and_says_why(report):
    x = np.random.default_rng(0).uniform(size=(40, 6))
    page = report(made.vae(likelihood="cross-entropy").fit(x), named(x))
    assert "is a reconstruction error" in page.text
    assert "importance-weighted" not in page.text
    assert "held-out score" in page.text


def test_zeros_and_ones_have_bits(report):
    x = np.random.default_rng(0).integers(0, 2, size=(50, 4))
    assert "bits per dimension" in report(made.vae().fit(x), named(x)).text


def test_coin_flips_are_said_and_shown(report):
    x = np.random.default_rng(0).integers(0, 256, size=(50, 12))
    page = report(made.vae(binarize="stochastic").fit(x), named(x, image_shape=(2, 2, 3)))
    assert "coin flips, anew in every epoch" in page.text
    assert "as the model saw them" in page.text


@pytest.mark.parametrize("n_latent", [1, 20])
def test_any_number_of_units(report, blobs, n_latent):
    page = report(made.vae(n_latent, validation_fraction=0).fit(blobs.x), blobs)
    assert f"of {n_latent}" in page.text
    assert "No rows were held out" in page.text
    assert ("most active of 20 units are shown" in page.text) == (n_latent == 20)


def test_a_wide_table_says_which_columns_it_shows(report):
    x = np.random.default_rng(0).normal(size=(50, 40))
    assert "Shown are the 24 of 40 columns that vary most" in report(made.vae().fit(x), named(x)).text


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (np.arange(80.0), "coloured by its label"),
        (np.array([f"name {i}" for i in range(80)]), "80 different values"),
        (np.array([None] * 40 + ["a"] * 40, dtype=object), "coloured by its label"),
        (np.full(80, np.nan), "no label to colour by"),
        (None, "no label to colour by"),
    ],
)
def test_labels_of_any_kind(mixture_fit, blobs, label, text):
    section = map_section(make_view(mixture_fit, replace(blobs, label=label)))
    assert text in " ".join([*section.text, *(picture.caption for picture in section.pictures)])


def test_bounds_of_many_cells_are_of_the_same_rows(monkeypatch):
    x = np.random.default_rng(0).normal(size=(700, 4))
    monkeypatch.setattr("latentia.report.numbers.MAX_CELLS", 128 * 4 * 300)
    scored, _ = score(make_view(made.vae(validation_fraction=0.5).fit(x), named(x)))
    elbo, weighted, learnt = (s.estimate for s in scored)
    assert [len(e.values) for e in (elbo, weighted, learnt)] == [300, 300, 300]
    assert elbo.mean < weighted.mean + 0.1


def test_rows_that_chose_the_weights_are_said_to_flatter(report, blobs):
    assert "a little too good" in report(made.vae().fit(blobs.x), blobs).text


def test_many_rows_are_thinned_and_it_is_said(report, mixture_fit, blobs, monkeypatch):
    monkeypatch.setattr("latentia.report.view.MAX_ROWS", 33)
    assert "show 33 rows, drawn at random by the seed" in report(mixture_fit, blobs).text


def test_given_evidence_is_shown_and_none_is_computed(report, table_fit, table, monkeypatch):
    monkeypatch.setattr(type(table_fit), "evidence", lambda *_: pytest.fail("evidence was computed"))
    given = Estimate(torch.tensor([-3.0, -4.0]), "lower", "annealed", 7, torch.tensor([0.3, 0.4]), warning="Warning: w")
    page = report(table_fit, table, evidence=[given])
    assert "≥ −3.500" in page.text
    assert "Warning: w" in page.text
    assert "held-out bound" in page.text


def test_weights_count_in_the_evidence(report, blobs):
    weight = np.repeat([1.0, 3.0], 40)
    fit = ProbabilisticPCA(n_latent=1, random_state=0).fit(blobs.x, sample_weight=weight)
    page = report(fit, replace(blobs, weight=weight))
    log_p = fit.score_samples(blobs.x)
    assert f"= {np.average(log_p, weights=weight):.3f}".replace("-", "−") in page.text
    assert "Rows have weights" in page.text


def test_columns_that_do_not_belong_are_refused(mixture_fit, blobs, tmp_path):
    with pytest.raises(DataError, match="2 columns; the model was fitted to 3"):
        write_report(mixture_fit, named(blobs.x[:, :2]), tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_columns_in_another_order_are_refused_where_the_fit_knew_their_names(blobs, report):
    pandas = pytest.importorskip("pandas")
    fit = ProbabilisticPCA(n_latent=1).fit(pandas.DataFrame(blobs.x, columns=blobs.columns))
    report(fit, blobs)
    with pytest.raises(DataError, match="'b' where the model was fitted to 'a'"):
        report(fit, replace(blobs, columns=("b", "a", "c")))


def test_a_page_that_cannot_be_written_leaves_the_old_one(mixture_fit, blobs, tmp_path, monkeypatch):
    path = write_report(mixture_fit, blobs, tmp_path / "r.html")
    old = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(RunError, match=r"could not be written|disk"):
        write_report(mixture_fit, blobs, path, title="new")
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_report_changes_nothing_global_and_repeats_itself(report, table_fit, table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it now fails
    settings = lambda: {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != "backend"}  # noqa: E731
    before, torchs, numpys = settings(), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = write_report(table_fit, table, tmp_path / "a.html").read_bytes()
    assert write_report(table_fit, table, tmp_path / "b.html").read_bytes() == first
    assert settings() == before
    assert torch.equal(torchs, torch.get_rng_state())
    assert (numpys == np.random.get_state()[1]).all()  # noqa: NPY002


def imported_at_once(name):
    """Modules that a module of latentia imports before any of its functions runs."""
    spec = importlib.util.find_spec(name)
    package = name if spec.submodule_search_locations else name.rpartition(".")[0]
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield importlib.util.resolve_name("." * node.level + (node.module or ""), package)


def test_importing_the_report_loads_no_plotting():
    seen, left = set(), ["latentia.report", "latentia.explore"]
    while left:
        name = left.pop()
        seen.add(name)
        if name.startswith(("latentia.report", "latentia.explore")):
            left += set(imported_at_once(name)) - seen
    assert "latentia.report.writing" in seen
    assert not {name.partition(".")[0] for name in seen} & {"matplotlib", "jinja2", "PIL"}


def test_a_game_beside_a_bound_is_shown(report, table):
    from latentia import VAE

    quick = {"hidden": (8,), "max_epochs": 2, "batch_size": 30, "random_state": 0, "device": "cpu"}
    assert "game" in ids(report(made.fitted(VAE(2, learner="adversarial", **quick), table.x), table))
    assert "game" not in ids(report(made.fitted(VAE(2, **quick), table.x), table))


def test_samples_far_from_every_row_count_for_no_label():
    from latentia.report.game_sections import among

    rows = np.random.default_rng(0).normal(size=(200, 2))
    near, far = rows[:7] + 1e-6, rows[:7] + 50
    assert among(near, rows).tolist() == list(range(7))
    assert len(among(far, rows)) == 0
