"""How far a fit may go, and what it says on the way."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import ParameterError


@dataclass(frozen=True)
class Progress:
    """Where a fit stands, for whoever watches it.

    Arguments:
        step, epoch: done so far; `epochs` is the most there will be.
        bound, parts: mean over the running epoch, nats per row; bound is None of a learner that has none.
        held_out: the last held-out bound, nats per row; None before the first.
        rows_per_second: of learning, since the fit began or was resumed.
        seconds_left: at this speed, if nothing stops it earlier.
        epoch_ended: whether this is an epoch's last word.
    """

    step: int
    epoch: int
    epochs: int
    bound: float | None
    parts: dict[str, float]
    held_out: float | None
    rows_per_second: float
    seconds_left: float
    epoch_ended: bool = False


@dataclass(frozen=True)
class Limits:
    """How far a fit may go, and where it writes.

    Arguments:
        max_epochs: epochs (for exact EM: passes).
        max_steps: steps; None for no limit.
        max_time: seconds, those before a resume included; None for no limit.
        patience: evaluations of the held-out bound without improvement; None never stops early.
        restore_best: end with the weights of the best held-out bound instead of the last ones.
        checkpoints: folder for them; None writes none.
        checkpoint_every: seconds between checkpoints, which are written at the end of an epoch.
    """

    max_epochs: int = 100
    max_steps: int | None = None
    max_time: float | None = None
    patience: int | None = None
    restore_best: bool = True
    checkpoints: Path | None = None
    checkpoint_every: float = 10.0

    def __post_init__(self) -> None:
        for name in ("max_epochs", "max_steps", "max_time", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ParameterError(f"{name}={value} cannot be used. Use a positive number.")
