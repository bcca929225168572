"""Run the commands of docs/gallery.md, from the project's root: `.venv/bin/python docs/make_gallery.py`."""

import re
import shlex
import shutil
from pathlib import Path

from latentia.cli import main

PAGE = Path(__file__).parent / "gallery.md"


def commands(text: str) -> list[list[str]]:
    """Arguments of each `latentia` line in the page's blocks."""
    blocks = re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("latentia ")]
    return [shlex.split(line)[1:] for line in lines]


def make() -> None:
    """Fit into runs/gallery, draw into docs/images."""
    shutil.rmtree("runs/gallery", ignore_errors=True)
    for arguments in commands(PAGE.read_text(encoding="utf-8")):
        print("latentia", *arguments, flush=True)
        force = ["--force"] if arguments[0] == "explore" else []
        if main([*arguments, *force]) != 0:
            raise SystemExit(1)


if __name__ == "__main__":
    make()
