"""Runs of targets, kept as one JSON file each, and shown as one table."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..storage import read_json, write_json
from .base import Number, Reproduced

HOME = Path("benchmarks") / "reproduced"
HEAD = "| run | what | published | ours | error | line reached |\n|---|---|---|---|---|---|\n"


def default_folder() -> Path:
    """benchmarks/reproduced in the sources' folder, ./reproduced elsewhere."""
    return HOME if HOME.is_dir() else Path("reproduced")


def keep(found: Reproduced, folder: Path) -> Path:
    """Add a run to its target's file; an earlier one of the same seed and machine at no larger budget is replaced."""
    path = folder / f"{found.name}.json"
    runs = [
        run
        for run in read(path)
        if (run.seed, run.machine) != (found.seed, found.machine) or run.minutes > found.minutes
    ]
    write_json(path, [run.as_dict() for run in [*runs, found]])
    return path


def read(path: Path) -> list[Reproduced]:
    """The runs in a file; none where there is no file. Raises `RunError` for a damaged one."""
    if not path.exists():
        return []
    try:
        return [_run(entry) for entry in read_json(path)]
    except (TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path} is damaged ({error}). Remove it, or restore it from a copy.") from None


def _run(entry: dict[str, Any]) -> Reproduced:
    numbers = tuple(Number(**number) for number in entry["numbers"])
    return Reproduced(**{**entry, "numbers": numbers, "differences": tuple(entry["differences"])})


def read_all(folder: Path) -> list[Reproduced]:
    """All runs in a folder, target by target."""
    return [run for path in sorted(folder.glob("*.json")) for run in read(path)]


def table(runs: Sequence[Reproduced]) -> str:
    """A Markdown table of all numbers of all runs, and below it the set-up of each run."""
    rows, set_ups = [], []
    for place, run in enumerate(runs, 1):
        set_up = "; ".join([*run.differences, f"seed {run.seed}, {run.seconds:.0f} s on {run.machine}"])
        set_ups.append(f"{place}. `{run.name}`: {set_up}.\n")
        for i, number in enumerate(run.numbers):
            name = f"{place}. `{run.name}`" if i == 0 else ""
            rows.append(
                f"| {name} | {number.what} | {number.published} | {shown(number.ours)} | {error_of(number)} "
                f"| {verdict(number)} |\n"
            )
    return HEAD + "".join(rows) + "\nThe set-up of each run:\n\n" + "".join(set_ups)


def shown(value: float) -> str:
    """A number with as many digits as it is worth.

    >>> shown(299.7584), shown(0.0245971), shown(22.0)
    ('299.758', '0.024597', '22')
    """
    if value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) >= 1 else f"{value:.6f}" if abs(value) < 0.1 else f"{value:.4f}"


def error_of(number: Number) -> str:
    """The standard error, or nothing."""
    return "" if number.error is None else f"{number.error:.3f}"


def verdict(number: Number) -> str:
    """Whether the line was reached."""
    return {True: "yes", False: "no", None: ""}[number.met]


def machine(device: str) -> str:
    """What the numbers were computed on."""
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"{os.cpu_count()} {platform.machine()} cores (shared), {torch.get_num_threads()} threads, torch {torch.__version__}"
