"""Every target runs on small stand-ins for its data; what is kept can be read again; the docs show what is kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentia.cli import main
from latentia.data import Dataset
from latentia.errors import ParameterError, RunError
from latentia.reproduce import (
    TARGETS,
    Budget,
    Number,
    Reproduced,
    autoencoders,
    deep,
    games,
    keep,
    lagging,
    linear,
    read_all,
    reproduce,
    table,
)
from latentia.reproduce.records import read, shown

ROOT = Path(__file__).parents[2]
NAMES = [target.name for target in TARGETS]


def small(name: str, split: str = "train") -> Dataset:
    rng = np.random.default_rng({"train": 0, "test": 1}[split])
    n, d = (240, 60)
    grey = 255 / (1 + np.exp(-(rng.normal(size=(n, 3)) @ np.random.default_rng(5).normal(size=(3, d)))))
    x = (rng.random((n, d)) < grey / 255).astype(float) if name == "mnist_static" else np.round(grey)
    return Dataset(x, tuple(f"p{i}" for i in range(d)), name)


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "load", small)
    monkeypatch.setattr(deep, "load", small)
    monkeypatch.setattr(autoencoders, "load", small)
    text, recipe = lagging.make_text(lagging.Settings(sizes=(160, 40, 40))), lagging.Recipe(epochs=1)
    monkeypatch.setattr(lagging, "make_text", lambda: text)
    monkeypatch.setattr(lagging, "Recipe", lambda: recipe)
    honest = deep.learnt
    for room in (deep, autoencoders, games):
        monkeypatch.setattr(room, "learnt", lambda build, x, seconds, **_: honest(build, x[:240], seconds, most=2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("stand_ins")
def test_each_target_runs_and_says_what_differs(name: str) -> None:
    found = reproduce(name, Budget(0.01, rows=40))
    assert found.numbers
    assert all(np.isfinite(number.ours) for number in found.numbers)
    assert all(number.error is None or number.error >= 0 for number in found.numbers)
    assert found.differences or name in ("ppca",)
    assert found.seed == 0
    assert Reproduced(**{**found.as_dict(), "numbers": found.numbers, "differences": found.differences}) == found


@pytest.mark.usefixtures("stand_ins")
def test_the_numbers_of_a_target_are_those_of_a_dumber_way() -> None:
    found = reproduce("pca", Budget(1, rows=40))
    train, test = (small("mnist", split).x / 255 for split in ("train", "test"))
    mean = train.mean(0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:2]
    centred = test[:40] - mean
    errors = ((centred - centred @ axes.T @ axes) ** 2).sum(1)
    assert found.numbers[0].ours == pytest.approx(errors.mean(), rel=1e-6)
    assert found.numbers[0].met is None  # forty images are not the published ten thousand


def test_the_smoothed_score_is_the_gradient_of_the_log_density() -> None:
    centres, variance = np.array([[0.0, 1.0], [2.0, -1.0]]), 0.4
    density = lambda x: np.log(np.exp(-((x - centres) ** 2).sum(-1) / (2 * variance)).sum())  # noqa: E731
    for point in np.random.default_rng(0).normal(size=(5, 2)):
        wanted = [(density(point + h) - density(point - h)) / 2e-5 for h in 1e-5 * np.eye(2)]
        np.testing.assert_allclose(autoencoders.smoothed_score(point[None], centres, variance)[0], wanted, rtol=1e-5)


@pytest.mark.usefixtures("stand_ins")
def test_em_has_some_way_to_go() -> None:
    """From the maximum it would only confirm it, in two passes; from anywhere it ends where the closed form is."""
    found = {number.what: number.ours for number in reproduce("ppca", Budget(3)).numbers}
    (by_em,) = (what for what in found if "by EM" in what)
    assert int(by_em.split("(")[1].split()[0]) > 5
    assert found[by_em] == pytest.approx(found["nats per image, k = 20"], abs=0.05)


@pytest.mark.usefixtures("stand_ins")
def test_pixels_are_flipped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of zeros and ones that were taken for grey levels would be blank, and cost next to nothing."""
    seen = []
    honest = deep.importance

    def watched(model: object, posterior: object, x: torch.Tensor, **options: object) -> object:
        seen.append(x)
        return honest(model, posterior, x, **{**options, "n_samples": 20})

    monkeypatch.setattr(deep, "importance", watched)
    found = reproduce("iwae", Budget(0.01, rows=40))
    assert all(0.2 < float(x.mean()) < 0.8 and set(x.unique().tolist()) == {0.0, 1.0} for x in seen)
    fair = 60 * np.log(2)  # nats of as many fair coins
    assert all(0.5 * fair < n.ours < 1.5 * fair for n in found.numbers if n.what.startswith("-L_5000"))


def test_some_rows_are_of_all_classes() -> None:
    rows = np.repeat(np.arange(10), 1000)[:, None]  # sorted by class, as the static set is
    for n in (10, 100, 999):
        assert set(np.bincount(deep.some(rows, n)[:, 0], minlength=10) - n // 10) <= {0, 1}
    assert len(deep.some(rows, 20_000)) == 10_000


def run_of(seed: int = 0, ours: float = 1.5) -> Reproduced:
    return Reproduced("pca", (Number("error", "1.4", ours, 0.1, True),), ("few rows",), seed, 1.0, 2.0, "a machine", {})


def test_runs_are_kept_until_a_longer_one_of_the_same_seed_comes(tmp_path: Path) -> None:
    for run in (run_of(), run_of(1), run_of(0, 1.6)):
        keep(run, tmp_path)
    assert read_all(tmp_path) == [run_of(1), run_of(0, 1.6)]
    shown_table = table(read_all(tmp_path))
    keep(replace(run_of(1), minutes=50.0), tmp_path)
    keep(replace(run_of(1), minutes=20.0), tmp_path)
    assert sorted(run.minutes for run in read_all(tmp_path) if run.seed == 1) == [20.0, 50.0]  # the longer one stays
    assert "| 2. `pca` | error | 1.4 | 1.600 | 0.100 | yes |\n" in shown_table
    assert "\n2. `pca`: few rows; seed 0, 2 s on a machine.\n" in shown_table
    (tmp_path / "pca.json").write_text('[{"name": "pca"}]')
    with pytest.raises(RunError, match="is damaged"):
        read(tmp_path / "pca.json")


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(linear, "load", small)
    assert main(["reproduce", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in listed] == NAMES
    assert main(["reproduce", "list"]) == 0
    assert "static-mnist" in capsys.readouterr().out
    assert main(["reproduce", "pca", "--budget", "0.1", "--rows", "30", "--out", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["kept"]) == tmp_path / "pca.json"
    assert main(["reproduce", "table", "--out", str(tmp_path)]) == 0
    assert shown(found["numbers"][0]["ours"]) in capsys.readouterr().out
    assert main(["reproduce", "pca", "--rows", "30", "--out", str(tmp_path / "none"), "--no-keep"]) == 0
    assert not (tmp_path / "none").exists()


BAD: list[tuple[list[str], str]] = [
    (["reproduce", "gan"], "is no target"),
    (["reproduce", "pca", "--budget", "0"], "--budget 0"),
    (["reproduce", "pca", "--rows", "1"], "--rows 1"),
]


@pytest.mark.parametrize(("given", "text"), BAD)
def test_bad_input_is_a_sentence(given: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 2
    assert text in capsys.readouterr().err


def test_an_unknown_target_is_told_its_neighbours() -> None:
    with pytest.raises(ParameterError, match="static-mnist"):
        reproduce("mnist")


def test_the_docs_show_the_numbers_that_are_kept() -> None:
    page = (ROOT / "docs" / "reproduced.md").read_text(encoding="utf-8")
    assert table(read_all(ROOT / "benchmarks" / "reproduced")) in page, (
        "run `latentia reproduce table` and put it there"
    )


def test_a_folder_without_runs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table", "--out", str(tmp_path / "none")]) == 0
    assert "No runs are kept in" in capsys.readouterr().out
    assert main(["reproduce", "table", "--out", str(tmp_path / "none"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
