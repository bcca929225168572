"""`latentia fit --devices N --nodes M`: the processes of one run, started, watched and started again."""

import logging
import os
import signal
import sys
from collections.abc import Sequence

from ..errors import ParameterError, ProcessError

RESTARTS = 3  # times that all processes are started again, from the last checkpoint, after one of them was killed
LOST = 75  # exit code of a process that ended because another one did
ENOUGH = (
    200_000_000  # rows per process x parameters: from here on two processes were measured to beat one of one thread
)
ENOUGH_ROWS = 4_000  # per process: from here on two were measured to beat one that has the cores of both


def must_launch(devices: int, nodes: int) -> bool:
    """Whether processes are asked for and nobody has started them yet."""
    for name, value in (("--devices", devices), ("--nodes", nodes)):
        if value < 1:
            raise ParameterError(f"{name}={value} is too small. Use 1 or more.")
    return devices * nodes > 1 and "WORLD_SIZE" not in os.environ


def launch(arguments: Sequence[str], devices: int, nodes: int) -> int:
    """Run the command line in `devices` processes on each of `nodes` machines; the exit code.

    On several machines the same command is given on each, with MASTER_ADDR and MASTER_PORT naming one of them. A process
    that is killed takes the others with it, and all start again from the last checkpoint.

    Raises: `ProcessError` where they are killed again and again, or do not find each other.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    endpoint = _endpoint(nodes)
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=devices,
        run_id="latentia",
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        max_restarts=RESTARTS,
        monitor_interval=0.2,
        start_method="spawn",
    )
    try:
        codes = elastic_launch(config, run_one)(list(arguments))
    except SignalException:
        return 130
    except ChildFailedError as error:
        raise ProcessError(f"{_who_failed(error)}, and so {RESTARTS} times more. {_AGAIN}") from error
    except (RuntimeError, TimeoutError) as error:  # among them that the machines did not meet
        raise ProcessError(f"The processes could not be started together ({error}). Look at MASTER_ADDR.") from error
    return max(codes.values())


_AGAIN = "What was written is whole: take the run up again with `latentia resume`."


def _who_failed(error: Exception) -> str:
    rank, failure = error.get_first_failure()  # type: ignore[attr-defined]
    how = f"was killed by {signal.Signals(-failure.exitcode).name}" if failure.exitcode < 0 else "ended early"
    return f"Process {rank} of this run {how}"


def _endpoint(nodes: int) -> str:
    if nodes == 1:
        return "127.0.0.1:0"
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ParameterError(
            f"--nodes={nodes} needs {' and '.join(missing)} in the environment: the name and a free port of one of the "
            "machines, the same on all. Set them, and give the same command on every machine."
        )
    return f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"


def run_one(arguments: list[str]) -> int:
    """What each process does; its exit code, unless it failed in a way that a new start may mend."""
    from .main import main

    if hasattr(os, "setpgrp"):
        os.setpgrp()  # Ctrl-C comes once, from the one that started this
    code = main(arguments, lost=LOST)
    if code == LOST:
        sys.exit(code)
    return code


def restarted() -> bool:
    """Whether these processes were started again after one of them had ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def advice(rows: int, parameters: int, processes: int, *, same_cores: bool) -> str | None:
    """A sentence where a step is so short that more processes take longer; else None.

    Arguments:
        rows: of a step, of all processes together.
        parameters: of the networks.
        processes: how many.
        same_cores: whether one process could have the cores of all.

    >>> advice(4096, 1_000_000, 2, same_cores=False) is None, advice(128, 10_000, 2, same_cores=True)
    (True, '2 processes for a step of 128 rows and 10,000 parameters: ...')
    >>> advice(4096, 1_000_000, 2, same_cores=True)
    '2 processes ... One process with the cores of all would be quicker, or --batch-size 8,000 and more.'
    """
    enough = max(-(-ENOUGH // parameters), ENOUGH_ROWS if same_cores else 1)
    if processes < 2 or rows // processes >= enough:
        return None
    one = "One process with the cores of all" if same_cores else "One process"
    return (
        f"{processes} processes for a step of {rows:,} rows and {parameters:,} parameters: they wait for each other longer "
        f"than they save. {one} would be quicker, or --batch-size {enough * processes:,} and more."
    )
