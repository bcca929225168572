"""`latentia data list | fetch | describe`."""

import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..data import describe, fetch, load, names
from ..data.describing import ColumnFacts, describe_table, obstacles
from ..data.loading import open_table
from .showing import facts_table, print_json

MOST_SHOWN = 100  # columns of a table
MOST_LABELS = 100  # words of a text that may be a label


def run_list(as_json: bool) -> int:
    """Print the named sets."""
    found = {name: describe(name) for name in names()}
    if as_json:
        print_json(found)
        return 0
    table = Table("name", "rows", "columns", "values", "where")
    for name, facts in found.items():
        table.add_row(name, *(str(facts.get(key, "")) for key in ("rows", "columns", "values", "found")))
    Console(highlight=False).print(table)
    return 0


def run_fetch(name: str, as_json: bool) -> int:
    """Fetch a named set and say where it is."""
    where = fetch(name)
    if as_json:
        print_json({"name": name, "path": str(where)})
    else:
        Console(highlight=False, soft_wrap=True).print(str(where), markup=False)
    return 0


def run_describe(source: str, as_json: bool) -> int:
    """Print what a named set or a file holds."""
    table = None if source in names() else open_table(source)
    if table is not None:
        _describe_table(source, table, as_json)
        return 0
    facts: dict[str, Any] = describe(source) if source in names() else _file(source)
    if as_json:
        print_json(facts)
    else:
        Console(highlight=False).print(facts_table(facts))
    return 0


def _describe_table(source: str, table: Any, as_json: bool) -> None:
    columns = describe_table(table)
    found = obstacles(columns, table.num_rows)
    if as_json:
        print_json(
            {"title": source, "rows": table.num_rows, "columns": [c.as_dict() for c in columns], "obstacles": found}
        )
        return
    console = Console(highlight=False)
    shown = Table(title=f"{escape(source)}: {table.num_rows:,} rows x {len(columns):,} columns", title_justify="left")
    for title in ("column", "holds", "least", "greatest", "different", "missing", "note"):
        shown.add_column(title, justify="left" if title in ("column", "holds", "note") else "right")
    for c in columns[:MOST_SHOWN]:
        numbers = (c.least, c.greatest, f"{c.different:,}", f"{c.missing:,}" if c.missing else "")
        shown.add_row(
            escape(c.name),
            c.holds,
            *map(escape, numbers),
            "" if c.missing or not c.is_number else found.get(c.name, ""),
        )
    console.print(shown)
    if len(columns) > MOST_SHOWN:
        console.print(f"... and {len(columns) - MOST_SHOWN:,} columns more; --json shows all.")
    console.print(f"Next: {_command(source, columns, found)}", markup=False, soft_wrap=True)


def _command(source: str, columns: list[ColumnFacts], found: dict[str, str]) -> str:
    """The fit that leaves out what stands in its way; a text of few words becomes the label."""
    label = next((c.name for c in columns if c.holds == "text" and not c.missing and c.different <= MOST_LABELS), None)
    options = [] if label is None else ["--label", label]
    for name in found:
        options += [] if name == label else ["--drop", name]
    return shlex.join(
        ["latentia", "fit", source, *options, "--out", f"runs/{Path(source).name.split('.')[0] or 'run'}"]
    )


def _file(source: str) -> dict[str, Any]:
    data = load(source)
    return {
        "title": data.name,
        "rows": len(data.x),
        "columns": data.x.shape[1],
        "names": ", ".join(data.columns[:12]) + (" ..." if len(data.columns) > 12 else ""),
        "values": f"{data.x.dtype}, {data.x.min():g} to {data.x.max():g}",
        "label": "yes" if data.label is not None else "no",
        "source": data.source,
        "fingerprint": data.fingerprint,
    }
