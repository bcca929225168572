"""Options of the posterior's, the prior's and the likelihood's family, from the command line into the run and back."""

import json
from pathlib import Path

import numpy as np
import pytest

import latentia
from latentia.cli import main


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(60, 4)) @ np.diag([1.0, 2.0, 0.5, 1.0])
    np.savetxt("t.csv", x, delimiter=",", header="a,b,c,d", comments="")
    return "t.csv"


def fit(table: str, *options: str) -> int:
    small = ("--max-epochs", "2", "--hidden", "8", "--n-latent", "3", "--seed", "0", "--no-report")
    return main(["fit", table, "--out", "run", *small, *options])


@pytest.mark.parametrize(
    ("options", "part", "name", "value"),
    [
        (("--posterior", "student-t", "--posterior-options", "df=5"), "q", "df", 5),
        (("--posterior", "low-rank-normal", "--posterior-options", "rank=1"), "q", "rank", 1),
        (("--posterior", "erlang", "--posterior-options", "shape=3"), "q", "shape", 3),
        (("--prior", "student-t", "--prior-options", "df=4.5"), "p", "df", 4.5),
        (("--prior", "normal", "--prior-options", "scale=2"), "p", "scale", 2),
        (("--likelihood", "student-t", "--likelihood-options", "least_df=2"), "x", "least_df", 2),
    ],
)
def test_an_option_reaches_the_family_and_a_loaded_run(
    options: tuple[str, ...], part: str, name: str, value: float, table: str
) -> None:
    assert fit(table, *options) == 0
    model = latentia.load("run")
    family = {
        "q": lambda: model.posterior_.encoder.family,
        "p": lambda: model.model_.prior_module.family,
        "x": lambda: model.model_.conditional.family,
    }[part]()
    assert getattr(family, name) == value
    assert np.isfinite(model.score_samples(np.zeros((2, 4)))).all()


def test_a_flow_takes_sizes(table: str) -> None:
    given = "n_transforms=2,hidden=8x8"
    assert fit(table, "--posterior", "coupling-flow", "--posterior-options", given) == 0
    assert json.loads(Path("run/run.json").read_text())["params"]["posterior_options"] == {
        "n_transforms": 2,
        "hidden": [8, 8],
    }
    sizes = {size for p in latentia.load("run").posterior_.encoder.family.parameters() for size in p.shape}
    assert 8 in sizes
    assert 64 not in sizes  # what it has by itself


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--posterior", "student-t", "--posterior-options", "dff=5"), "has no option 'dff'. It has df, least_df"),
        (("--posterior", "gamma", "--posterior-options", "df=5"), "has no option 'df'. It has none"),
        (("--posterior", "student-t", "--posterior-options", "df=-1"), "df=-1"),
        (("--posterior", "student-t", "--posterior-options", "df=2"), "KL(q || p) is infinite"),
        (("--posterior", "categorical", "--posterior-options", "n_categories=3"), "argument latent_categories"),
        (("--prior", "vamp", "--prior-options", "df=3"), "prior_options are those of a family"),
        (("--likelihood", "normal", "--likelihood-options", "scale=2"), "`noise` decide"),
        (("--posterior-options", "rank"), "name=value"),
        (("--model", "ppca", "--posterior-options", "rank=1"), "not an option of --model ppca"),
    ],
)
def test_refusals_are_one_sentence(
    options: tuple[str, ...], words: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(table, *options) == 2
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert "Traceback" not in said
