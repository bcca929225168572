"""What may go wrong among several processes. `python troubles.py OUT TROUBLE`; each process writes `OUT/<rank>.json`."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from problems import BITS, vae

import latentia
from latentia.errors import NonFiniteError, ParameterError, ProcessError, RunError, UserError
from latentia.fitted import Fit
from latentia.learn import AmortizedVI, accord
from latentia.processes import Processes, is_hushed, joined


def fit(x: Any = BITS, **options: Any) -> Fit:
    model, q = vae()
    given = {"max_epochs": 4, "batch_size": 16, "seed": 3, "device": "cpu", "checkpoint_every": 0.0, **options}
    return latentia.fit(model, AmortizedVI(q), x, **given)


def facts(fit: Fit) -> dict[str, Any]:
    bits = {name: value.double().flatten().tolist() for name, value in fit.tensors().items()}
    kept = [{k: v for k, v in row.items() if k not in ("seconds", "rows_per_second")} for row in fit.history]
    return {"bits": bits, "history": kept, "steps": fit.steps, "status": fit.status, "interrupted": fit.interrupted}


def killed(folder: Path, processes: Processes) -> dict[str, Any]:
    """The last process is killed at the end of the second epoch, the first time."""

    def kill(loop: Any) -> None:
        first_time = os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
        if first_time and loop.batches.epoch == 2 and processes.rank == processes.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return facts(fit(checkpoints=folder / "checkpoints", resume=True, callbacks=[kill], validation=BITS[:20]))


def dies(folder: Path, processes: Processes) -> dict[str, Any]:
    def leave(loop: Any) -> None:
        if processes.rank == 1:
            os._exit(3)

    return facts(fit(callbacks=[leave]))


def hangs(folder: Path, processes: Processes) -> dict[str, Any]:
    return facts(fit(callbacks=[lambda loop: time.sleep(1000 * processes.rank)]))


def in_turn(folder: Path, processes: Processes) -> dict[str, Any]:
    """Troubles after which the processes are still of one mind."""
    accord.EVERY = 0.0  # all are asked at every step
    out: dict[str, Any] = {"whole": facts(fit(validation=BITS[:20]))}
    out["never killed"] = killed(folder / "never", processes)
    out["stopped"] = facts(
        fit(validation=BITS[:20], checkpoints=folder / "c", transform=Terminate(processes.rank == 1))
    )
    out["resumed"] = facts(fit(validation=BITS[:20], checkpoints=folder / "c", resume=True))
    out["too few rows"] = sentence(lambda: fit(BITS[: processes.size - 1]), ParameterError)
    out["other data"] = sentence(lambda: fit(BITS[: 60 + processes.rank]), ProcessError)
    bad = np.where(np.arange(len(BITS))[:, None] == 7, np.inf, BITS)
    out["not finite"] = sentence(lambda: fit(bad), NonFiniteError)
    out["one alone"] = sentence(lambda: fails(processes, by=1), UserError)
    out["late"] = facts(fit(max_epochs=10**6, max_time=0.3))["status"]
    return out


class Terminate:
    """A transform that changes nothing, and asks its process to end in the middle of the second epoch."""

    def __init__(self, active: bool) -> None:
        self.active, self.left = active, 9

    def __call__(self, x: torch.Tensor, seed: int | None) -> torch.Tensor:
        self.left -= seed is None
        if self.left == 0 and self.active:
            os.kill(os.getpid(), signal.SIGTERM)
        return x


def fails(processes: Processes, by: int) -> None:
    with processes.together():
        if processes.rank == by:
            raise RunError("The disk is full.")


def sentence(function: Callable[[], Any], kind: type[Exception]) -> list[Any]:
    try:
        function()
    except kind as error:
        return [str(error), is_hushed(error)]
    raise AssertionError(f"{kind.__name__} was expected")


TROUBLES = {"killed": killed, "dies": dies, "hangs": hangs, "in turn": in_turn}

if __name__ == "__main__":
    folder, trouble = Path(sys.argv[1]), sys.argv[2]
    try:
        with joined() as processes:
            found = TROUBLES[trouble](folder, processes)
    except UserError as error:
        print("hushed" if is_hushed(error) else str(error), file=sys.stderr)
        sys.exit(2)
    (folder / f"{processes.rank}.json").write_text(json.dumps(found))
