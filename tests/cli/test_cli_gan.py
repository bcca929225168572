"""`latentia fit --model gan` and what follows it, at the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentia.cli import main

TINY = ["--n-latent", "2", "--hidden", "8", "--max-epochs", "3", "--device", "cpu"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gan") / "three.csv"
    x = np.random.default_rng(0).normal(size=(120, 3)) * [1, 5, 0.1]
    np.savetxt(path, x, delimiter=",", header="a,b,c", comments="")
    return path


@pytest.fixture(scope="module")
def run(table: Path) -> Path:
    out = table.parent / "run"
    assert main(["fit", str(table), "--model", "gan", "--out", str(out), *TINY]) == 0
    return out


def test_a_fit_prints_no_bound_but_distances(table: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    more = ["--objective", "hinge", "--pack", "2", "--batch-size", "32", "--betas", "0.0,0.9", "--r1", "0.5"]
    assert main(["fit", str(table), "--model", "gan", "--out", str(out), *TINY, *more, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["evidence"] == []
    assert "no bound on log p(x)" in result["status"]
    assert result["quality"]["numbers"][0]["name"].startswith("Frechet distance, raw features, N=")


def test_the_report_shows_the_game_and_no_evidence(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    for words in ("The game", "Samples through training", "No log p(x)", "Frechet distance", "How it ended"):
        assert words in page
    for words in ("ELBO", ">nan<", "Reconstructions beside"):
        assert words not in page


def test_samples_and_distances(run: Path, table: Path, capsys: Any) -> None:
    assert main(["sample", str(run), "-n", "5", "--out", str(run / "new.npy"), "--force"]) == 0
    assert np.load(run / "new.npy", allow_pickle=False).shape == (5, 3)
    capsys.readouterr()
    assert main(["quality", str(run), str(table), "--features", "raw", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 120


def test_a_score_needs_a_stated_noise(run: Path, table: Path, capsys: Any) -> None:
    assert main(["score", str(run), str(table)]) == 2
    assert "annealed" in capsys.readouterr().err
    asked = ["score", str(run), str(table), "--evidence", "annealed", "--noise", "0.5", "--limit", "5", "--steps", "20"]
    assert main([*asked, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kind"] == "lower"
    assert np.isfinite(result["mean"])


def beside(run: Path, table: Path) -> list[str]:
    return ["compare", str(run), str(run), "--on", str(table), "--features", "raw"]


BAD = {
    "encode": (lambda run, table: ["encode", str(run), str(table)], "without a q(z|x)"),
    "reconstruct": (lambda run, table: ["reconstruct", str(run), str(table)], "without a q(z|x)"),
    "pack": (
        lambda run, table: ["fit", str(table), "--model", "gan", "--out", str(run) + "2", *TINY, "--pack", "7"],
        "does not divide",
    ),
    "a score that it has not": (lambda run, table: ["score", str(run), str(table)], "--evidence annealed --noise 0.1"),
    "a comparison of scores": (
        lambda run, table: ["compare", str(run), str(run), "--on", str(table)],
        "compare RUN RUN --features",
    ),
    "noise without features": (
        lambda run, table: ["compare", str(run), str(run), "--on", str(table), "--noise", "0.1"],
        "Add --features",
    ),
    "an idle limit": (lambda run, table: [*beside(run, table), "--limit", "3"], "Add --noise"),
    "idle samples": (lambda run, table: [*beside(run, table), "--samples", "3"], "Add --noise"),
    "no rows": (lambda run, table: [*beside(run, table), "--noise", "0.1", "--limit", "0"], "--limit 0"),
    "another evidence": (lambda run, table: [*beside(run, table), "--evidence", "exact"], "--evidence exact"),
    "no such part": (lambda run, table: [*beside(run, table), "--split", "nonsense"], "no part 'nonsense'"),
    "betas": (
        lambda run, table: ["fit", str(table), "--model", "gan", "--out", str(run) + "3", *TINY, "--betas", "big"],
        "--betas",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_get_a_sentence(name: str, run: Path, table: Path, capsys: Any) -> None:
    command, words = BAD[name]
    assert main(command(run, table)) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.filterwarnings("ignore:3 of 64 columns are constant")
def test_compare_sets_samples_side_by_side(tmp_path: Path, capsys: Any) -> None:
    quick = ["--n-latent", "2", "--hidden", "8", "--max-epochs", "1", "--device", "cpu", "--no-report"]
    runs = [str(tmp_path / name) for name in ("vae", "gan", "both")]
    kinds = (["vae"], ["gan"], ["vae", "--learner", "adversarial"])
    for out, kind in zip(runs, kinds):
        assert main(["fit", "digits", "--model", *kind, "--out", out, *quick]) == 0
    capsys.readouterr()
    more = [
        "--features",
        "pca-5",
        "--noise",
        "0.2",
        "--limit",
        "3",
        "--samples",
        "2",
        "--pictures",
        str(tmp_path / "p.png"),
    ]
    assert main(["compare", *runs, "--on", "digits", *more, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["learner"] for row in found["runs"]] == ["amortized", "adversarial", "adversarial"]
    assert all(row["frechet"] > 0 and np.isfinite(row["log_prob"]["mean"]) for row in found["runs"])
    assert found["features"] == "PCA-5"
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_comparison_says_what_stands_in_its_way(run: Path, table: Path, tmp_path: Path, capsys: Any) -> None:
    other = tmp_path / "other"
    given = ["fit", str(table), "--model", "gan", "--scale", "none", "--out", str(other), *TINY, "--no-report"]
    assert main(given) == 0
    asked = ["compare", str(run), str(other), "--on", str(table), "--features", "raw", "--noise", "0.2"]
    asked += ["--limit", "7", "--samples", "2"]
    capsys.readouterr()
    assert main(asked) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "scale the data differently" in said
    assert "7 rows" in said.replace("│", "")
    assert main([*asked, "--json"]) == 0
    assert "--scale" in json.loads(capsys.readouterr().out)["warnings"][0]
    same = [str(run) if part == str(other) else part for part in asked]
    assert main([*same, "--json"]) == 0
    assert not any("--scale" in text for text in json.loads(capsys.readouterr().out).get("warnings", []))


def test_a_narrow_terminal_cuts_no_number(run: Path, table: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    asked = [*beside(run, table), "--noise", "0.2", "--limit", "5", "--samples", "3"]
    capsys.readouterr()
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["runs"][0]
    assert main(asked) == 0
    said = capsys.readouterr().out
    for number in (
        f">= {found['log_prob']['mean']:.2f} ",
        f"± {found['log_prob']['row_error']:.2f} ",
        f"{found['kernel']:.4f}",
    ):
        assert number in said
    assert "annealed (3 chains" in " ".join(said.split())


def test_a_fit_that_diverges_keeps_what_it_had(table: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    from latentia.learn.games.players import Players

    whole, calls = Players.critic_loss, []

    def breaking(self: Any, batch: Any) -> Any:
        calls.append(1)
        terms, loss = whole(self, batch)
        return terms, loss if len(calls) < 3 else loss * float("nan")

    monkeypatch.setattr(Players, "critic_loss", breaking)
    out = tmp_path / "run"
    given = ["fit", str(table), "--model", "gan", "--out", str(out), *TINY, "--batch-size", "108"]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert "The weights are those of step 2." in said
    assert "Traceback" not in said
    assert main(["sample", str(out), "-n", "3", "--out", str(tmp_path / "three.csv")]) == 0
    assert main([*given]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_fit_to_three_rows_ends_without_distances(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "few.csv").write_text("a,b\n1,2\n3,4\n2,5\n")
    given = ["fit", str(tmp_path / "few.csv"), "--model", "gan", "--out", str(tmp_path / "run"), *TINY]
    assert main([*given, "--json"]) == 0
    assert "quality" not in json.loads(capsys.readouterr().out)
    assert "Samples beside data, in numbers" not in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    "options", ["pack=a", "critic_steps=x", "average=a", "critic_learning_rate=x", "betas=0.5", "spectral=maybe"]
)
def test_options_of_a_wrong_kind_are_a_sentence(options: str, table: Path, tmp_path: Path, capsys: Any) -> None:
    given = ["fit", str(table), "--learner", "adversarial", "--out", str(tmp_path / "run"), *TINY]
    assert main([*given, "--learner-options", options]) == 2
    assert options.split("=")[0] in capsys.readouterr().err


def test_a_pair_of_options_is_written_with_a_colon(table: Path, tmp_path: Path) -> None:
    given = ["fit", str(table), "--learner", "adversarial", "--out", str(tmp_path / "run"), *TINY, "--no-report"]
    assert main([*given, "--learner-options", "betas=0.5:0.9"]) == 0


def test_the_doctor_says_what_the_game_says(table: Path, tmp_path: Path, capsys: Any) -> None:
    given = ["fit", str(table), "--model", "gan", "--out", str(tmp_path / "run"), *TINY, "--no-report"]
    assert main([*given, "--learning-rate", "10"]) == 0
    capsys.readouterr()
    main(["doctor", str(tmp_path / "run"), "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert any(f["what"] == "game" and "diverged" in f["text"] for f in found)
    assert not any("continuous-bernoulli" in f["text"] for f in found)
