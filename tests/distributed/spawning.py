"""Processes that find each other, as torchrun would start them, each on one thread and with a time limit."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import latentia


@dataclass
class Ended:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(**more: object) -> dict[str, str]:
    source = str(Path(latentia.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", **{k: str(v) for k, v in more.items()}}


def start(size: int, command: list[str], **more: object) -> list[subprocess.Popen[str]]:
    port = free_port()
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env=environment(
                RANK=rank,
                LOCAL_RANK=rank,
                WORLD_SIZE=size,
                LOCAL_WORLD_SIZE=size,
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=port,
                **more,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def end(processes: list[subprocess.Popen[str]], limit: float = 100) -> list[Ended]:
    """Wait for all; whoever takes longer than `limit` seconds is killed, and the test fails."""
    try:
        said = [process.communicate(timeout=limit) for process in processes]
        return [Ended(process.returncode, *texts) for process, texts in zip(processes, said)]
    finally:
        for process in processes:
            process.kill()


def spawn(size: int, command: list[str], **more: object) -> list[Ended]:
    return end(start(size, command, **more))
