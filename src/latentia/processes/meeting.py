"""How the processes of one run find each other, and nobody who has gone."""

import os
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import torch.distributed as dist

from ..errors import ProcessError

POLL = 0.02  # seconds between two looks at the store
_stores: Any = dist  # its stores are documented, and not in the list of its names


def meet(rank: int, size: int, limit: float) -> Any:
    """A store that only these processes write to.

    Processes that were started again may be given the store of those before them, with addresses at which nobody
    listens any more. So the first one offers a name, the others answer to it, each with a token, and it is taken when
    the first one has repeated all tokens: nothing left over from before can have them.

    Raises: `ProcessError` where not all have come within `limit` seconds.
    """
    store = _connect(rank, size, limit)
    until = time.monotonic() + limit
    name = _invite(store, size, until) if rank == 0 else _answer(store, rank, until)
    return _stores.PrefixStore(f"latentia/{name}", store)


def _connect(rank: int, size: int, limit: float) -> Any:
    kept_elsewhere = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return _stores.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        size,
        is_master=rank == 0 and not kept_elsewhere,
        timeout=timedelta(seconds=limit),
        wait_for_workers=False,
        multi_tenant=True,
    )


def _invite(store: Any, size: int, until: float) -> str:
    name = uuid4().hex
    store.set("latentia/offer", name)
    while True:
        answers = [_read(store, f"latentia/answer/{rank}") for rank in range(1, size)]
        missing = [rank for rank, answer in enumerate(answers, 1) if not answer.startswith(name)]
        if not missing:
            store.set(f"latentia/go/{name}", ",".join(answers))
            return name
        _wait(until, f"process {missing[0]} of {size}")


def _answer(store: Any, rank: int, until: float) -> str:
    token = uuid4().hex
    while True:
        name = _read(store, "latentia/offer")
        if name:
            store.set(f"latentia/answer/{rank}", f"{name}-{token}")
            if token in _read(store, f"latentia/go/{name}"):
                return name
        _wait(until, "the first process")


def _read(store: Any, key: str) -> str:
    return store.get(key).decode() if store.check([key]) else ""


def _wait(until: float, whom: str) -> None:
    if time.monotonic() > until:
        raise ProcessError(
            f"The processes of this run did not find each other: {whom} did not come within the time limit. Look whether "
            "it was started, and at MASTER_ADDR."
        )
    time.sleep(POLL)
