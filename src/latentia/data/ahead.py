"""Reading one piece ahead while the last one is being worked on."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """The result of each task in turn; the next one runs in a background thread meanwhile.

    What a task raises is raised where its result would have come. At most three results are alive: the one in use, the
    one that waits, and the one that is being made. Closing the generator waits for a running task.

    >>> list(ahead(lambda i=i: i * i for i in range(4)))
    [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(1, thread_name_prefix="latentia-read") as pool:
        waiting: Future[T] | None = None
        for task in tasks:
            result = None if waiting is None else [waiting.result()]
            waiting = pool.submit(task)
            if result is not None:
                yield result.pop()
        if waiting is not None:
            yield waiting.result()
