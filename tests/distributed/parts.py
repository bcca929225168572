"""Layers dealt out over processes. `python parts.py OUT [dies]`; each process writes `OUT/<rank>.json`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from problems import BITS, vae
from torch import Tensor, nn
from troubles import Terminate, facts, sentence

import latentia
from latentia.errors import AbilityError, NonFiniteError, ParameterError, UserError
from latentia.fitted import Fit
from latentia.learn import SVI, AmortizedVI, accord
from latentia.posteriors import Local
from latentia.processes import Processes, is_hushed, joined
from latentia.processes.layers import local

HIDDEN = 48  # weights of the smallest layer that is dealt out: 6 x 8 of the decoder, 8 x 6 + 6 with its biases


class Reader(nn.Module):
    """A network that reads a layer's weights without calling the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, h: Tensor) -> Tensor:
        return nn.functional.linear(h, self.layer.weight)


def fit(x: Any = BITS, middle: tuple[nn.Module, ...] = (), learner: Any = AmortizedVI, **options: Any) -> Fit:
    model, q = vae(middle=middle)
    given = {
        "max_epochs": 4,
        "batch_size": 16,
        "seed": 3,
        "device": "cpu",
        "shard_from": HIDDEN,
        "checkpoint_every": 0.0,
    }
    return latentia.fit(model, learner(q), x, **{**given, **options})


def held(loop: Any) -> dict[str, int]:
    """Numbers that this process holds: parameters and the optimiser's moments."""
    parameters = [*loop.model.parameters(), *loop.posterior.parameters()]
    moments = [t for slots in loop.state.handles["optimizer"].state.values() for t in slots.values() if t.numel() > 1]
    return {"parameters": _size(parameters), "moments": _size(moments), "whole": sum(p.numel() for p in parameters)}


def _size(tensors: list[Any]) -> int:
    return sum(local(t).numel() for t in tensors)


def in_turn(folder: Path, processes: Processes) -> dict[str, Any]:
    accord.EVERY = 0.0
    seen: list[dict[str, int]] = []
    out: dict[str, Any] = {"whole": facts(fit(validation=BITS[:20], callbacks=[lambda loop: seen.append(held(loop))]))}
    out["held"] = seen[-1]
    for name, before, after in (
        ("parts", HIDDEN, HIDDEN),
        ("whole after", HIDDEN, None),
        ("parts after", None, HIDDEN),
    ):
        options = {"validation": BITS[:20], "checkpoints": folder / name}
        out[f"stopped, {name}"] = fit(transform=Terminate(processes.rank == 1), shard_from=before, **options).steps
        out[name] = facts(fit(resume=True, shard_from=after, **options))
    bad = np.where(np.arange(len(BITS))[:, None] == 7, np.inf, BITS)
    out["not finite"] = sentence(lambda: fit(bad), NonFiniteError)
    out["no layer"] = sentence(lambda: fit(shard_from=10**6), ParameterError)
    out["compiled"] = sentence(lambda: fit(learner=lambda q: AmortizedVI(q, execution="compiled")), ParameterError)
    out["read elsewhere"] = sentence(lambda: fit(middle=(Reader(),)), AbilityError)
    out["svi"] = sentence(lambda: fit(learner=lambda q: SVI(Local(latentia.families.Normal((2,))))), AbilityError)
    return out


def dies(folder: Path, processes: Processes) -> dict[str, Any]:
    def leave(x: Tensor, seed: int | None) -> Tensor:
        if processes.rank == 1:
            os._exit(3)
        return x

    return facts(fit(transform=leave))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    try:
        with joined(limit=60) as processes:
            found = (dies if "dies" in sys.argv else in_turn)(folder, processes)
    except UserError as error:
        print("hushed" if is_hushed(error) else str(error), file=sys.stderr)
        sys.exit(2)
    found["threads"] = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    (folder / f"{processes.rank}.json").write_text(json.dumps(found))
