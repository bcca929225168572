"""Text at the command line: a run from lines to sentences, and one sentence for each wrong file."""

import gzip
import json
from math import exp
from pathlib import Path

import pytest

from latentia import load
from latentia.cli import main

NOUNS, VERBS = ("cat", "dog", "bird"), ("sat", "ran", "slept")
LINES = [*[f"the {noun} {verb}" for noun in NOUNS for verb in VERBS] * 3, "", "birds"]
SIZES = {"n-latent": 2, "n-embed": 8, "n-hidden": 12, "max-epochs": 2, "max-length": 12, "seed": 0}
OPTIONS = ["--model", "text-vae", *(word for name, size in SIZES.items() for word in (f"--{name}", str(size)))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("text")
    (made / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    assert main(["fit", str(made / "lines.txt"), "--out", str(made / "run"), *OPTIONS]) == 0
    return made


def test_report_shows_sentences(folder: Path) -> None:
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    for title in ("Words and tokens", "Between two sentences", "Samples from the prior", "perplexity"):
        assert title in page


def test_score_states_perplexity_and_its_tokens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(folder / "run"), str(folder / "lines.txt"), "--samples", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    tokens = sum(len(line.split()) + 1 for line in LINES)
    assert found["tokens"] == tokens
    assert found["perplexity"] == pytest.approx(exp(-found["mean"] * len(LINES) / tokens))
    assert main(["score", str(folder / "run"), str(folder / "lines.txt"), "--samples", "4"]) == 0
    assert "perplexity per token" in capsys.readouterr().out


def test_sentences_go_to_the_screen_and_to_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(folder / "run"), "-n", "3"]) == 0
    assert capsys.readouterr().out.count("\n") == 3
    back = folder / "back.txt"
    command = ["reconstruct", str(folder / "run"), str(folder / "lines.txt"), "--out", str(back)]
    assert main(command) == 0
    assert len(back.read_text(encoding="utf-8").split("\n")) == len(LINES) + 1
    assert main(command) == 2  # it is there already
    assert main(["sample", str(folder / "run"), "--out", str(folder / "s.csv")]) == 2
    assert main(["encode", str(folder / "run"), str(folder / "lines.txt"), "--out", str(folder / "z.csv")]) == 0
    assert len((folder / "z.csv").read_text().splitlines()) == len(LINES) + 1


def test_packed_lines_and_carriage_returns_are_the_same_data(folder: Path) -> None:
    packed = folder / "packed.txt.gz"
    packed.write_bytes(gzip.compress("\r\n".join(LINES).encode()))
    model = load(folder / "run")
    from latentia.data import load as load_data

    ours, theirs = load_data(packed), load_data(folder / "lines.txt")
    assert ours.x.tolist() == theirs.x.tolist()
    assert ours.fingerprint == theirs.fingerprint
    assert (model.transform(ours.x) == model.transform(theirs.x)).all()


BAD = {
    "empty": (b"", "is empty"),
    "latin": ("the café\n".encode() + "the café\n".encode("latin-1"), "line 2 is not UTF-8"),
    "utf-16": ("the cat\n".encode("utf-16"), "UTF-16"),
    "utf-16 without a mark": ("the cat\nthe dog\n".encode("utf-16-le"), "UTF-16LE"),
    "utf-32": ("the cat\n".encode("utf-32"), "UTF-32"),
    "bytes": (b"the cat\nthe\0dog\n", "line 2 holds a NUL byte"),
    "one": (b"the cat\n", "at least 2"),
    "no words": (b"\n\n\n", "no word"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_file_gets_one_sentence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = BAD[name]
    (tmp_path / "x.txt").write_bytes(content)
    assert main(["fit", str(tmp_path / "x.txt"), "--out", str(tmp_path / "run"), *OPTIONS]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_a_million_tokens_on_a_line_are_cut_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.txt").write_text("a b\nc d\n" * 5 + "a " * 1_000_000 + "\n")
    assert main(["fit", str(tmp_path / "x.txt"), "--out", str(tmp_path / "run"), *OPTIONS, "--no-report"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "1 sentences are longer than max_length=12 tokens" in said


def test_numbers_for_a_text_model_and_text_for_another_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "iris", "--out", str(tmp_path / "a"), *OPTIONS]) == 2
    assert "list of strings was expected" in capsys.readouterr().err
    (tmp_path / "x.txt").write_text("a b\nc d\n")
    assert main(["fit", str(tmp_path / "x.txt"), "--out", str(tmp_path / "b")]) == 2
    assert "text-vae" in capsys.readouterr().err


def test_the_doctor_reads_sentences(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(folder / "run"), "--no-lag", "--json"]) == 0
    words = next(f for f in json.loads(capsys.readouterr().out)["findings"] if f["what"] == "words")
    assert (words["verdict"], words["numbers"]["unknown"]) == ("fine", 0.0)
    strange = tmp_path / "strange.txt"
    strange.write_text("the unicorn sat\n" * 30, encoding="utf-8")
    assert main(["doctor", str(folder / "run"), "--on", str(strange), "--no-lag", "--json"]) == 0
    words = next(f for f in json.loads(capsys.readouterr().out)["findings"] if f["what"] == "words")
    assert words["verdict"] == "look"
    assert words["numbers"]["unknown"] == pytest.approx(1 / 4)  # the end is a token


@pytest.mark.parametrize("what", ["field", "components", "traversal"])
def test_pictures_of_numbers_are_not_drawn_of_sentences(
    what: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", str(folder / "run"), what]) == 2
    assert "the rows of this run are sentences" in capsys.readouterr().err


def test_cures_and_diagnosis_of_collapse_are_options_of_text_too(folder: Path) -> None:
    out = folder / "committed"
    told = ["--committed-rate", "1", "--diagnose-every", "1", "--no-report"]
    assert main(["fit", str(folder / "lines.txt"), "--out", str(out), *OPTIONS, *told]) == 0
    probes = [row for row in load(out).history_ if row["split"] == "probe"]
    assert [row["epoch"] for row in probes] == [1, 2]
    assert all(row["kl"] >= 0.9 for row in probes)  # one nat, as drawn


def test_runs_of_other_words_do_not_compare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = str(folder / "lines.txt")
    assert main(["fit", lines, "--out", str(folder / "few"), *OPTIONS, "--max-words", "2"]) == 0
    for other, warned in (("few", True), ("run", False)):
        capsys.readouterr()
        assert main(["compare", str(folder / "run"), str(folder / other), "--on", lines, "--samples", "2"]) == 0
        assert ("count other tokens" in " ".join(capsys.readouterr().out.split())) is warned
