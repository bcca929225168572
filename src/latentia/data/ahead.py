"""Reading one piece ahead while the last one is being worked on."""

from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class _Running(Thread, Generic[T]):
    """One task in a thread of its own.

    An executor would take locks when it is closed, and a generator that nobody closed may be collected at any moment,
    also while the same locks are held. This has nothing to close: the thread ends with its task.
    """

    def __init__(self, task: Callable[[], T]) -> None:
        super().__init__(name="latentia-read")
        self._task = task
        self._values: list[T] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._values.append(self._task())
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        """What came out, once; waits for it, and raises what the task raised."""
        self.join()
        if self._error is None:
            return self._values.pop()
        try:
            raise self._error
        finally:
            self._error = None  # it holds this frame, which holds it


def ahead(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """The result of each task in turn; the next one runs in a background thread meanwhile.

    What a task raises is raised where its result would have come. At most three results are alive: the one in use, the
    one that waits, and the one that is being made.

    >>> list(ahead(lambda i=i: i * i for i in range(4)))
    [0, 1, 4, 9]
    """
    waiting: _Running[T] | None = None
    for task in tasks:
        result = None if waiting is None else [waiting.result()]
        waiting = _Running(task)
        if result is not None:
            yield result.pop()
    if waiting is not None:
        yield waiting.result()
