"""When to stop: held-out bound, wall clock, signals."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import inf
from types import FrameType
from typing import Any


@dataclass
class EarlyStopping:
    """Stop when the unweighted held-out bound has not risen for `patience` evaluations.

    Arguments:
        patience: evaluations without improvement; None never stops.
        warm_up: steps before patience begins (and before any weights count as best).
        best, best_step, waited: where it stands.

    >>> rule = EarlyStopping(patience=1)
    >>> rule.update(-2.0, 1), rule.update(-3.0, 2), rule.over
    (True, False, True)
    """

    patience: int | None = None
    warm_up: int = 0
    best: float = -inf
    best_step: int = -1
    waited: int = 0

    def update(self, bound: float, step: int) -> bool:
        """Take in a held-out bound; True if it is the best so far."""
        if step < self.warm_up:
            return False
        if bound > self.best:
            self.best, self.best_step, self.waited = bound, step, 0
            return True
        self.waited += 1
        return False

    @property
    def over(self) -> bool:
        return self.patience is not None and self.waited >= self.patience

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Signals:
    """Whether Ctrl-C or SIGTERM has come; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.received: int | None = None

    @property
    def name(self) -> str:
        return "" if self.received is None else self.name_of(self.received)

    @staticmethod
    def name_of(number: int) -> str:
        """The signal's name, such as SIGTERM."""
        return signal.Signals(number).name

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    @contextmanager
    def caught(self) -> Iterator["Signals"]:
        """Inside, signals are noted instead of obeyed; the handlers are given back on every exit."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
