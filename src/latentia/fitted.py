"""What came out of learning."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ._version import __version__
from .errors import RunError
from .history import from_csv, to_csv
from .processes.layers import sharded_like
from .storage import read_json, read_tensors, write_json, write_tensors, write_text

FORMAT = 1


@dataclass
class Fit:
    """A learnt model, its posterior, and how it went.

    Arguments:
        model: p(x, z), with its learnt parameters.
        posterior: q(z|x), with its own.
        history: plain rows: step, epoch, split, bound (nats per row), named parts, times.
        status: how it went, in a sentence.
        seed: of all its random numbers.
        steps, epochs: how far it went.
        interrupted: name of the signal that stopped it, else "".
        finished: whether it ended by its own rule, and not by a signal.
        versions: of latentia and of the libraries that decide about bits.
    """

    model: nn.Module
    posterior: nn.Module
    history: list[dict[str, Any]] = field(default_factory=list)
    status: str = ""
    seed: int = 0
    steps: int = 0
    epochs: int = 0
    interrupted: str = ""
    finished: bool = True
    versions: dict[str, str] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """All parameters and buffers, `model.*` and `posterior.*`."""
        return module_tensors(self.model, self.posterior)

    def summary(self) -> dict[str, Any]:
        """What is worth writing down, ready for JSON."""
        keys = ("status", "seed", "steps", "epochs", "interrupted", "finished", "versions")
        return {key: getattr(self, key) for key in keys}

    def save(self, path: str | Path, **more: Any) -> None:
        """Write the run folder: weights.safetensors, history.csv, run.json (last, so that it vouches for the rest)."""
        folder = Path(path)
        write_tensors(folder / "weights.safetensors", self.tensors())
        write_text(folder / "history.csv", to_csv(self.history))
        write_json(folder / "run.json", {"format": FORMAT, "latentia": __version__, **more, "fit": self.summary()})

    @classmethod
    def load(cls, path: str | Path, model: nn.Module, posterior: nn.Module) -> "Fit":
        """Fill `model` and `posterior`, built as they were, with what `save` wrote."""
        folder = Path(path)
        record = read_record(folder)
        load_modules(read_tensors(folder / "weights.safetensors"), model, posterior, folder)
        history = folder / "history.csv"
        rows = from_csv(history.read_text(encoding="utf-8")) if history.is_file() else []
        return cls(model, posterior, rows, **record.get("fit", {}))


def read_record(folder: Path) -> dict[str, Any]:
    """run.json of a run folder; raises `RunError` where there is none or a newer version wrote it."""
    if not folder.is_dir():
        raise RunError(f"{folder} is no run folder. A folder made by `latentia fit ... --out DIR` was expected.")
    record = read_json(folder / "run.json")
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise RunError(f"{folder / 'run.json'} is not a run of latentia. Choose a folder made by `latentia fit`.")
    if record["format"] > FORMAT:
        raise RunError(
            f"{folder} was made by latentia {record.get('latentia')} in format {record['format']}; this version "
            f"({__version__}) reads up to format {FORMAT}. Install a newer latentia."
        )
    return record


def read_seed(folder: Path) -> int:
    """The seed that a run was begun with."""
    seed = read_record(folder).get("seed")
    if not isinstance(seed, int):
        raise RunError(f"{folder / 'run.json'} has no seed, so the run cannot be taken up again. Fit anew.")
    return seed


def close_failed_run(folder: Path) -> None:
    """Take back a run.json that vouches for nothing: a fit that failed before its first checkpoint."""
    if not any((folder / "checkpoints").glob("*")) and not (folder / "weights.safetensors").exists():
        (folder / "run.json").unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def module_tensors(model: nn.Module, posterior: nn.Module) -> dict[str, Tensor]:
    """State of both modules, `model.*` and `posterior.*`."""
    pairs = (("model", model), ("posterior", posterior))
    return {f"{owner}.{name}": value for owner, module in pairs for name, value in module.state_dict().items()}


def load_modules(tensors: dict[str, Tensor], model: nn.Module, posterior: nn.Module, where: Path) -> None:
    """Copy tensors into both modules; raises `RunError` where names or shapes differ."""
    for owner, module in (("model", model), ("posterior", posterior)):
        start = f"{owner}."
        held = module.state_dict()
        own = {
            name[len(start) :]: sharded_like(value, held.get(name[len(start) :], value))
            for name, value in tensors.items()
            if name.startswith(start)
        }
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise RunError(
                f"The weights in {where} do not fit this {owner} ({reason}). Build it as it was when it was saved."
            ) from None
