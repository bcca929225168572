"""A running fit as a checkpoint, and a checkpoint back into a fit: the same bits from there on."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..fitted import load_modules, module_tensors
from ..processes.layers import gathered
from .base import State
from .checkpoints import Checkpoint, named, of_rank, under
from .stopping import EarlyStopping

if TYPE_CHECKING:
    from .loop import Loop


def take(loop: "Loop") -> Checkpoint:
    """All that the loop needs to go on; of several processes every one takes part."""
    kept = loop.learner.snapshot(loop.state)
    sums, counts = loop.sums.snapshot()
    own = {**named("sums", sums), **{f"random.{i}": value for i, value in enumerate(loop.stream.state())}}
    tensors = {**module_tensors(loop.model, loop.posterior), **named("state", kept.tensors)}
    for rank, theirs in enumerate(loop.processes.collect(own)):
        tensors |= named(of_rank(rank), theirs) if rank else theirs
    tensors |= named("best", loop.best or {})
    if loop.state.auxiliaries is not None:
        tensors |= named("auxiliaries", loop.state.auxiliaries.state_dict())
    tensors = gathered(tensors, keep=loop.processes.first)
    numbers = {
        "position": loop.batches.position,
        "history": loop.history,
        "stopping": loop.stopping.as_dict(),
        "held_out": loop.held_out,
        "seconds": loop.elapsed,
        "numbers": kept.numbers,
        "sums": counts,
        "ended": loop.ended,
    }
    return Checkpoint(loop.state.step, tensors, numbers)


def put_back(loop: "Loop", saved: Checkpoint) -> None:
    """Put a loop that has begun where the checkpoint was taken."""
    load_modules(saved.tensors, loop.model, loop.posterior, loop.limits.checkpoints or Path("checkpoint"))
    kept = State(saved.step, under("state", saved.tensors), saved.numbers["numbers"])
    loop.state = loop.learner.restore(loop.state, kept)
    if loop.state.auxiliaries is not None:
        loop.state.auxiliaries.load_state_dict(under("auxiliaries", saved.tensors))
    loop.batches.seek(saved.numbers["position"])
    loop.history = saved.numbers["history"]
    loop.stopping = replace(EarlyStopping(**saved.numbers["stopping"]), patience=loop.limits.patience)
    loop.held_out, loop.seconds = saved.numbers["held_out"], saved.numbers["seconds"]
    loop.ended = saved.numbers["ended"]
    device = loop.batches.device
    own = saved.tensors if loop.processes.first else under(of_rank(loop.processes.rank), saved.tensors)
    loop.sums.restore(under("sums", own), saved.numbers["sums"], device)
    loop.best = {name: value.to(device) for name, value in under("best", saved.tensors).items()} or None
    random = under("random", own) or under("random", saved.tensors)
    loop.stream.restore([random[str(i)] for i in range(len(random))])
