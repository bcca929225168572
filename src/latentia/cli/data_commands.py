"""`latentia data list | fetch | describe`."""

from typing import Any

from rich.console import Console
from rich.table import Table

from ..data import describe, fetch, load, names
from .showing import facts_table, print_json


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
    facts: dict[str, Any] = describe(source) if source in names() else _file(source)
    if as_json:
        print_json(facts)
    else:
        Console(highlight=False).print(facts_table(facts))
    return 0


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
