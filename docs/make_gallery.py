"""Run the commands of docs/gallery.md, from the project's root: `.venv/bin/python docs/make_gallery.py`."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from latentia.cli import main

PAGE = Path(__file__).parent / "gallery.md"
MOST_BYTES = 250_000


def commands(text: str) -> list[list[str]]:
    """Words of each line in the page's blocks."""
    blocks = re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]


def shrink(picture: Path) -> None:
    """Fewer colours for a picture that is too large for a page."""
    if picture.stat().st_size > MOST_BYTES:
        Image.open(picture).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(picture, optimize=True)


def make() -> None:
    """Fit into runs/gallery, draw into docs/images."""
    shutil.rmtree("runs/gallery", ignore_errors=True)
    for program, *arguments in commands(PAGE.read_text(encoding="utf-8")):
        print(program, *arguments, flush=True)
        if program == "python":
            subprocess.run([sys.executable, *arguments], check=True)
            continue
        force = ["--force"] if arguments[0] == "explore" else []
        if main([*arguments, *force]) != 0:
            raise SystemExit(1)
    for picture in (PAGE.parent / "images").glob("gallery_*.png"):
        shrink(picture)


if __name__ == "__main__":
    make()
