"""What the command line asked of `latentia explore`, and what each picture takes."""

from dataclasses import dataclass, fields
from math import inf
from pathlib import Path

from ..errors import ParameterError, choose
from ..explore.paths import KINDS

TAKES: dict[str, tuple[str, ...]] = {
    "traversal": ("units",),
    "interpolation": ("rows", "n", "way"),
    "manifold": ("units", "n"),
    "map": (),
    "training": ("every",),
    "field": ("n", "zoom"),
    "components": ("n",),
    "neighbours": ("rows", "n"),
    "reconstructions": ("rows",),
}
WHAT = tuple(TAKES)
SIZES = {
    "interpolation": (2, 200),
    "manifold": (2, 60),
    "field": (2, 200),
    "components": (1, 200),
    "neighbours": (1, 200),
}


@dataclass(frozen=True)
class Asked:
    """What the command line asked for; None is each picture's own choice.

    Arguments:
        rows: numbers of rows of the data, from 0.
        units: numbers of latent units, from 0.
        n: points, components or neighbours.
        way: of an interpolation.
        zoom: of a field.
        every: epochs between two frames of a training.
        init: the run whose weights the fit began from, as it was asked for.
    """

    rows: tuple[int, ...] | None = None
    units: tuple[int, ...] | None = None
    n: int | None = None
    way: str | None = None
    zoom: float | None = None
    every: int | None = None
    init: Path | None = None

    def check(self, what: str) -> None:
        """Raise `ParameterError` for an option that this picture does not take, or that cannot be used."""
        given = [f.name for f in fields(self) if f.name != "init" and getattr(self, f.name) is not None]
        takes = TAKES[what]
        for name in given:
            if name not in takes:
                known = ", ".join(f"--{other}" for other in takes) or "none of its own"
                raise ParameterError(f"--{name} came, and a {what} does not take it. Its options: {known}.")
        if self.n is not None:
            least, most = SIZES[what]
            if not least <= self.n <= most:
                raise ParameterError(f"--n {self.n} cannot be drawn as a {what}. Use {least} to {most}.")
        if self.way is not None:
            choose("--way", self.way, KINDS)
        if self.zoom is not None and not 0 < self.zoom < inf:
            raise ParameterError(f"--zoom {self.zoom} cannot be used. Use a number above 0; 2 is twice as near.")
        if self.every is not None and self.every < 1:
            raise ParameterError(f"--every {self.every} cannot be used. Use a number of epochs, at least 1.")


def numbers_of(text: str | None, name: str) -> tuple[int, ...] | None:
    """Whole numbers from a list such as 3,7; None where none was asked for.

    >>> numbers_of("3,7", "--rows")
    (3, 7)
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdigit() for part in parts):
        raise ParameterError(f"{name} {text!r} is no list of whole numbers. Use numbers from 0, such as 3,7.")
    return tuple(int(part) for part in parts)
