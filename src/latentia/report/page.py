"""What a page is made of, and how it becomes HTML."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from ..explore.style import png


@dataclass(frozen=True)
class Picture:
    """A figure with the words that go with it.

    Arguments:
        data: a PNG file in base64.
        alt: what it shows, for those who cannot see it.
        caption: below it.
        width: in the page, pixels.
    """

    data: str
    alt: str
    caption: str
    width: int


@dataclass(frozen=True)
class Table:
    """Cells under a head; the first cell of each row names it. Numbers stand to the right, words to the left."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    holds: Literal["numbers", "words"] = "numbers"


@dataclass(frozen=True)
class Card:
    """A number at the head of the page: what it is, the number, its unit, what to know about it."""

    name: str
    value: str
    unit: str
    detail: str


@dataclass(frozen=True)
class Section:
    """A part of the page: `read` says how to read it, `text` are paragraphs above the pictures."""

    id: str
    title: str
    read: str = ""
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    table: Table | None = None
    folded: Table | None = None


@dataclass(frozen=True)
class Page:
    """The whole: heading, key numbers, sections, and a line at the foot."""

    title: str
    subtitle: str
    cards: Sequence[Card]
    sections: Sequence[Section]
    foot: str


def picture(figure: Figure, alt: str, caption: str) -> Picture:
    """A figure as it stands in the page, a hundred pixels an inch."""
    return Picture(b64encode(png(figure)).decode("ascii"), alt, caption, round(100 * figure.get_size_inches()[0]))


def render(page: Page) -> str:
    """The page as HTML; whatever came from outside is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = (files("latentia.report") / "templates" / "report.html").read_text(encoding="utf-8")
    html = environment.from_string(source).render(page=page)
    return html.encode("utf-8", "replace").decode("utf-8")  # names read from broken files may hold lone surrogates


def number(value: float, digits: int = 3) -> str:
    """A number with a true minus sign and thin spaces between thousands.

    >>> number(-12345.678, 1)
    '−12\\u202f345.7'
    """
    return f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "−")


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(2000, "row")
    ('1 row', '2\\u202f000 rows')
    """
    return f"{number(n, 0)} {noun}{'' if n == 1 else 's'}"


def sentences(*parts: Any) -> tuple[str, ...]:
    """Those parts that say something."""
    return tuple(str(part) for part in parts if part)
