"""What the pages show is true: their code runs, their output is what is printed, their links lead somewhere."""

import re
import shlex
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from latentia.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
NUMBER = re.compile(r"[-+±]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    code: str
    line: int
    follows: int  # where the block before it ended and this one begins: characters between them


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    end = 0
    for match in FENCE.finditer(text):
        code = textwrap.dedent(match["code"])
        between = text[end : match.start()].strip()
        yield Block(match["language"], code, text.count("\n", 0, match.start()) + 2, len(between))
        end = match.end()


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def masked(text: str) -> str:
    """Text without its numbers and its spacing: what is the same on every machine."""
    return " ".join(NUMBER.sub("#", text).split())


# --- code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [p for p in PAGES if list(blocks(p))], ids=name)
def test_code_runs_and_prints_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    names: dict[str, Any] = {"__name__": "page"}
    printed = ""
    for block in blocks(page):
        where = f"{name(page)}:{block.line}"
        if block.language == "text" and block.follows == 0:
            assert masked(block.code) == masked(printed), f"{where} is not what the block above prints:\n{printed}"
            continue
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the digits have pixels that are always blank
            run(block, where, names)
        printed = capsys.readouterr().out


def run(block: Block, where: str, names: dict[str, Any]) -> None:
    """Run a block of Python in the page's names, or each line of a shell block."""
    if block.language == "python":
        code = "\n" * (block.line - 1) + block.code
        exec(compile(code, where.rsplit(":", 1)[0], "exec"), names)
    elif block.language in ("sh", "bash"):
        for number, line in enumerate(block.code.replace("\\\n", " ").splitlines()):
            run_line(shlex.split(line, comments=True), f"{where}, line {number + 1}")
    else:
        assert block.language in ("", "text", "csv", "json", "toml"), f"{where}: is {block.language} to be run?"


def run_line(words: list[str], where: str) -> None:
    """Run `latentia ...`; of other commands, check that what they name is there."""
    words = words[next((i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)), len(words)) :]
    if not words:
        return
    command, *rest = words
    command = command.removeprefix(".venv/bin/")
    if command == "latentia":
        assert main(rest) == 0, f"{where}: {' '.join(words)}"
    elif command == "make":
        targets = set(re.findall(r"^([.a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
        assert {word for word in rest if "=" not in word} <= targets, where
    elif command == "python":
        assert (ROOT / next(word for word in rest if not word.startswith("-"))).exists() or rest[0] == "-m", where
    else:
        assert command in ("pip", "git"), f"{where}: nobody checks {command}"


# --- links -----------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Ids of a page's headings, as mkdocs makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target = match["target"]
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name(page)}: {target}"
        assert not anchor or anchor in anchors(found), f"{name(page)}: no heading {anchor} in {found.name}"


def test_pages_in_the_menu_are_the_pages_there_are() -> None:
    menu = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert menu == {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")}


def test_the_site_builds(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = "".join(page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html"))
    assert not re.findall(r"""(?:src|href)="https?://(?!squidfunk\.github\.io)[^"]*""", pages)  # nothing is fetched


def test_pictures_are_small() -> None:
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, picture.name
