"""`latentia families`."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..families.listing import all_facts
from .showing import print_json

PLACES = {"posterior": "q(z|x)", "likelihood": "p(x|z)", "prior": "p(z)"}
WIDE = 110  # columns of a terminal that has room for seven of ours


def run_families(as_json: bool) -> int:
    """Print what each family may stand for, its gradients and its closed KLs."""
    found = all_facts()
    if as_json:
        print_json(found)
        return 0
    console = Console(highlight=False)
    console.print(_wide(found) if console.width >= WIDE else _narrow(found))
    return 0


def _wide(found: Sequence[dict[str, Any]]) -> Table:
    table = _table("family", "support", *PLACES.values(), "gradients", "closed KL to")
    for entry in found:
        marks = ("yes" if place in entry["stands"] else "" for place in PLACES)
        table.add_row(entry["name"], entry["support"], *marks, *(", ".join(entry[key]) for key in LISTS))
    return table


def _narrow(found: Sequence[dict[str, Any]]) -> Table:
    table = _table("family", "support; may stand as; gradients; closed KL to")
    for entry in found:
        places = ", ".join(mark for place, mark in PLACES.items() if place in entry["stands"])
        rest = (", ".join(entry[key]) or "none" for key in LISTS)
        table.add_row(entry["name"], "; ".join((entry["support"], places, *rest)))
    return table


LISTS = ("gradients", "closed_kl")


def _table(first: str, *columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column)
    return table
