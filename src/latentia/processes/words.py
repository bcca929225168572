"""Who speaks when several processes fail: the one whose fault it is, once."""

import time
from typing import Any

from ..errors import ProcessError

HEARING = 2.0  # seconds in which a process waits for another's last words


def hush(error: Exception, *, unless: bool) -> Exception:
    """Mark an error that another process says; `is_hushed` reads the mark."""
    error.latentia_hushed = not unless  # type: ignore[attr-defined]
    return error


def is_hushed(error: BaseException) -> bool:
    """Whether another process says what there is to say.

    >>> is_hushed(hush(ValueError(), unless=False)), is_hushed(ValueError())
    (True, False)
    """
    return bool(getattr(error, "latentia_hushed", False))


def last_words(error: Exception, store: Any, rank: int, size: int) -> None:
    """Leave this process's error where the others find it, and hush it if one of them has said it already.

    A process that fails because another one ended waits for that one's words; of processes that fail alike the first
    speaks.
    """
    if store is None or hasattr(error, "latentia_hushed"):
        return
    try:
        if not isinstance(error, ProcessError):
            store.set(f"latentia/said/{rank}", str(error))
        hush(error, unless=not _heard(store, error, rank, size))
    except (RuntimeError, OSError):  # whoever kept the store has gone
        return


def _heard(store: Any, error: Exception, rank: int, size: int) -> bool:
    lost = isinstance(error, ProcessError)
    others = [other for other in range(size) if other != rank and (lost or other < rank)]
    end = time.monotonic() + (HEARING if others else 0)
    while True:
        for other in others:
            key = f"latentia/said/{other}"
            if store.check([key]) and (lost or store.get(key).decode() == str(error)):
                return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.05)
