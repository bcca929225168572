"""`latentia reproduce`: published numbers, run again."""

import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..reproduce import TARGETS, Budget, Reproduced, default_folder, keep, read_all, reproduce, table
from ..reproduce.records import error_of, shown, verdict
from .showing import print_json


def run_reproduce(name: str, budget: Budget, out: Path | None, write: bool, as_json: bool) -> int:
    """`list`, `table`, or the name of a target."""
    folder = out or default_folder()
    if name == "list":
        return _list(as_json)
    if name == "table":
        runs = read_all(folder)
        if as_json:
            print_json([run.as_dict() for run in runs])
        elif runs:
            sys.stdout.write(table(runs))
        else:
            Console(highlight=False).print(
                f"No runs are kept in {folder}. Make one with `latentia reproduce NAME`, or name another folder with --out.",
                markup=False,
            )
        return 0
    found = reproduce(name, budget)
    path = keep(found, folder) if write else None
    if as_json:
        print_json({**found.as_dict(), "kept": str(path) if path else None})
        return 0
    console = Console(highlight=False)
    console.print(_numbers(found))
    for difference in found.differences:
        console.print(f"set-up: {difference}", markup=False)
    console.print(f"seed {found.seed}, {found.seconds:.0f} s, {found.machine}", markup=False)
    if path is not None:
        console.print(str(path), markup=False)
    return 0


def _list(as_json: bool) -> int:
    if as_json:
        rows = [{key: value for key, value in asdict(target).items() if key != "run"} for target in TARGETS]
        print_json(rows)
        return 0
    shown_table = Table()
    for column in ("name", "what", "published by", "line", "minutes"):
        shown_table.add_column(column, overflow="fold", no_wrap=column == "name")
    for t in TARGETS:
        shown_table.add_row(t.name, t.title, t.source, t.line, f"{t.minutes:g}")
    Console(highlight=False).print(shown_table)
    return 0


def _numbers(found: Reproduced) -> Table:
    title = next(target.title for target in TARGETS if target.name == found.name)
    out = Table(title=escape(title), title_justify="left")
    for column in ("what", "published", "ours", "error", "line reached"):
        out.add_column(column, justify="right" if column in ("ours", "error") else "left")
    for number in found.numbers:
        cells = (number.what, number.published, shown(number.ours), error_of(number), verdict(number))
        out.add_row(*map(escape, cells))
    return out
