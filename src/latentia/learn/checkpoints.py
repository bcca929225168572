"""Checkpoints: folders that are renamed into place once, with the position in the data in them."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import RunError
from ..processes import Processes
from ..storage import read_json, read_tensors, replace_folder, write_json, write_tensors

KEEP = 2


@dataclass
class Checkpoint:
    """All that a fit needs to go on with the same bits.

    Arguments:
        step: steps done.
        tensors: parameters, optimiser moments, best weights, random states, sums of the running epoch.
        numbers: position in the data, history, stop rule, elapsed time; ready for JSON.
    """

    step: int
    tensors: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `folder/<step>/`, whole or not at all, and let go of all but the last few."""
    target = folder / f"{checkpoint.step:09d}"
    if target.exists():
        return

    def fill(temporary: Path) -> None:
        write_tensors(temporary / "tensors.safetensors", checkpoint.tensors)
        write_json(temporary / "state.json", {"step": checkpoint.step, **checkpoint.numbers})

    replace_folder(target, fill)
    for old in _folders(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, or None where there is none."""
    failure: RunError | None = None
    for candidate in reversed(_folders(folder)):
        try:
            numbers = read_json(candidate / "state.json")
            return Checkpoint(numbers.pop("step"), read_tensors(candidate / "tensors.safetensors"), numbers)
        except RunError as error:
            failure = error
    if failure is not None:
        raise failure
    return None


def shared_checkpoint(folder: Path, processes: Processes) -> Checkpoint | None:
    """`latest_checkpoint` as the first process sees it: the others need not see the folder."""
    if not processes.many:
        return latest_checkpoint(folder)
    with processes.together():
        saved = latest_checkpoint(folder) if processes.first else None
    numbers = json.loads(processes.from_first(json.dumps(None if saved is None else [saved.step, saved.numbers])))
    if numbers is None:
        return None
    return Checkpoint(numbers[0], processes.tensors_of_first({} if saved is None else saved.tensors), numbers[1])


def of_rank(rank: int) -> str:
    """The prefix of what a process other than the first has for itself."""
    return f"process-{rank}"


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(child for child in folder.iterdir() if child.is_dir() and child.name.isdigit())


def named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under `prefix.`."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name begins with `prefix.`, without it."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
