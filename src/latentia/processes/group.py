"""The processes of one run: what each knows of the others, and what they add up together.

Every collective is called by all processes in the same order and has a time limit. Texts travel as bytes and tensors
as safetensors: nothing is pickled.
"""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..errors import ParameterError, ProcessError, UserError
from .meeting import meet
from .words import hush, last_words

GONE = "Another process of this run ended, or did not answer within the time limit"
LIMIT = 600.0  # seconds that a collective may take; the variable LATENTIA_TIME_LIMIT changes it


class Processes:
    """One process among `size`; alone, what it is asked costs nothing.

    Arguments:
        rank: which one, from 0.
        size: how many there are.
        local_rank: which one of those on this machine.
        local_size: how many there are on this machine.

    >>> Processes().all_max([1.0, 2.0])
    [1.0, 2.0]
    """

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0, local_size: int = 1) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank
        self.on_one_machine = local_size >= size
        self.first, self.many = rank == 0, size > 1

    def device(self, wanted: torch.device) -> torch.device:
        """This process's own CUDA device where `wanted` names none; where there are too few they share."""
        if not self.many or wanted.type != "cuda" or wanted.index is not None:
            return wanted
        return torch.device("cuda", self.local_rank % max(1, torch.cuda.device_count()))

    # --- numbers -----------------------------------------------------------------------------------------------

    def sum_(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place, in the type of `values`; the same bits in each."""
        if self.many:
            with _limited():
                dist.all_reduce(values)
        return values

    def all_sum(self, *tensors: Tensor) -> list[Tensor]:
        """The sum of each tensor over all processes, float64."""
        if not self.many or not tensors:
            return [t.double() for t in tensors]
        flat = self.sum_(torch.cat([t.detach().double().reshape(-1) for t in tensors]))
        return [part.reshape(t.shape) for part, t in zip(flat.split([t.numel() for t in tensors]), tensors)]

    def all_max(self, numbers: Sequence[float]) -> list[float]:
        """The largest of each number over all processes."""
        if not self.many:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64)
        with _limited():
            dist.all_reduce(values, dist.ReduceOp.MAX)
        return values.tolist()

    def copy_first_(self, *modules: nn.Module) -> None:
        """Give parameters and buffers the values that they have in the first process."""
        if not self.many:
            return
        for module in modules:
            for value in module.state_dict().values():
                if hasattr(value, "full_tensor"):  # sharded, and from the first one's already
                    continue
                whole = value.detach().contiguous()
                with _limited():
                    dist.broadcast(whole, 0)
                with torch.no_grad():
                    value.copy_(whole)

    # --- texts, and tensors by name ----------------------------------------------------------------------------

    def texts(self, text: str) -> list[str]:
        """The text of every process, by rank."""
        return [part.decode() for part in self._gather(text.encode())] if self.many else [text]

    def from_first(self, text: str) -> str:
        """The text of the first process; the others' is not looked at."""
        return self._spread(text.encode()).decode() if self.many else text

    def tensors_of_first(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the first process, on the CPU; the others' are not looked at."""
        from safetensors.torch import load, save

        return load(self._spread(save(_plain(tensors)) if self.first else b"")) if self.many else dict(tensors)

    def collect(self, tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """The tensors of every process, by rank, on the CPU; names and shapes may differ between them."""
        from safetensors.torch import load, save

        return [load(part) for part in self._gather(save(_plain(tensors)))] if self.many else [dict(tensors)]

    def check_same(self, what: str, text: str) -> None:
        """Raise `ProcessError` unless the text is the same in all processes."""
        texts = self.texts(text)
        for rank, other in enumerate(texts):
            if other != texts[0]:
                raise hush(
                    ProcessError(
                        f"Process {rank} came with {what} {other}, the first one with {texts[0]}. Give every process "
                        "the same data and options."
                    ),
                    unless=self.first,
                )

    @contextmanager
    def together(self) -> Iterator[None]:
        """What one process fails at inside, all fail at, in the sentence of the first that failed."""
        if not self.many:
            yield
            return
        error: UserError | None = None
        try:
            yield
        except UserError as raised:
            error = raised
        for rank, sentence in enumerate(self.texts("" if error is None else str(error))):
            if sentence and rank == self.rank:
                raise hush(error or ProcessError(sentence), unless=True)
            if sentence:
                raise hush(ProcessError(sentence), unless=False)

    def _spread(self, part: bytes) -> bytes:
        size = torch.tensor([len(part)])
        with _limited():
            dist.broadcast(size, 0)
            found = _bytes(part, int(size))
            dist.broadcast(found, 0)
        return found.numpy().tobytes()[: int(size)]

    def _gather(self, part: bytes) -> list[bytes]:
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        with _limited():
            dist.all_gather(sizes, torch.tensor([len(part)]))
            longest = max(1, *(int(size) for size in sizes))
            padded = _bytes(part, longest)
            parts = [torch.empty_like(padded) for _ in range(self.size)]
            dist.all_gather(parts, padded)
        return [found.numpy().tobytes()[: int(size)] for found, size in zip(parts, sizes)]


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _bytes(part: bytes, size: int) -> Tensor:
    return torch.frombuffer(bytearray(part.ljust(max(1, size), b"\0")), dtype=torch.uint8)


ALONE = Processes()
_CURRENT: ContextVar[Processes] = ContextVar("processes", default=ALONE)


def current() -> Processes:
    """The processes that fit, evidence and encode share their work among; one, outside `joined`."""
    return _CURRENT.get()


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process works for itself."""
    token = _CURRENT.set(ALONE)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def joined(limit: float | None = None) -> Iterator[Processes]:
    """Inside, `fit` and the numbers about its result are worked out by all processes that torchrun started.

    Every process must do the same inside, with the same data. Without torchrun's variables there is one process.

    Arguments:
        limit: seconds that a collective may take; None takes LATENTIA_TIME_LIMIT, else 600.

    Raises: `ProcessError` where the processes do not find each other, or one ends early.

    >>> with joined() as processes: processes.size
    1
    """
    if current().many or int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        yield current()
        return
    ours = not dist.is_initialized()
    processes, store = _join(float(os.environ.get("LATENTIA_TIME_LIMIT", LIMIT)) if limit is None else limit)
    token = _CURRENT.set(processes)
    try:
        yield processes
    except Exception as error:
        last_words(error, store, processes.rank, processes.size)
        raise
    finally:
        _CURRENT.reset(token)
        if ours:
            gc.collect()  # a cycle that holds the group would keep its threads, and the process would abort at its end
            with suppress(RuntimeError):
                dist.destroy_process_group()


def _join(limit: float) -> tuple[Processes, Any]:
    store = None
    if not dist.is_initialized():
        missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
        if missing:
            raise ProcessError(
                f"WORLD_SIZE={os.environ['WORLD_SIZE']} is set, and {', '.join(missing)} is not. Start the processes with "
                "torchrun or `latentia fit --devices N`, or unset WORLD_SIZE."
            )
        if not limit > 0:
            raise ParameterError(f"A time limit of {limit} seconds cannot be used. Use a positive number.")
        import torch.distributed.nn.functional  # noqa: F401  imported later, its defaults would keep the group's threads

        with _limited("The processes of this run did not find each other"):
            rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
            store = meet(rank, size, limit)
            dist.init_process_group(
                _backend(), store=store, rank=rank, world_size=size, timeout=timedelta(seconds=limit)
            )
    here, n_here = (
        int(os.environ.get(name, default)) for name, default in (("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"))
    )
    return Processes(dist.get_rank(), dist.get_world_size(), here, n_here), store


def _backend() -> str:
    n_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    own_device = torch.cuda.is_available() and dist.is_nccl_available() and n_here <= torch.cuda.device_count()
    return "cpu:gloo,cuda:nccl" if own_device else "gloo"


@contextmanager
def _limited(what: str = GONE) -> Iterator[None]:
    try:
        yield
    except ProcessError:
        raise
    except RuntimeError as error:
        raise lost(error, what) from error


def lost(error: Exception, what: str = GONE) -> ProcessError:
    """What to say where a collective failed."""
    reason = (str(error).splitlines() or [""])[0][:200].rstrip(".")
    return ProcessError(f"{what} ({reason}). What was written is whole: take the run up again with `latentia resume`.")
