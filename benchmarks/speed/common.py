"""What all contenders share: the data, the sizes, the clock, the table."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from latentia.data import load

ROWS, BATCH, PIXELS, HIDDEN, LATENT = 20_000, 100, 784, 500, 20
MEASURED = 2  # epochs of a round that count
SETTLED = 220  # steps before them: recording, compilation and allocation happen there


def warm(rows: int) -> int:
    """Epochs that do not count."""
    return max(2, -(-SETTLED * BATCH // rows))


@dataclass(frozen=True)
class Contender:
    """A name, and what it runs: given rows, the seconds of each epoch that followed the warm ones."""

    name: str
    epochs: Callable[[np.ndarray], Iterable[float]]


def images(rows: int = ROWS) -> np.ndarray:
    """Static binary MNIST, `(rows, 784)`, float32."""
    return np.ascontiguousarray(load("mnist_static").x[:rows].reshape(-1, PIXELS), dtype=np.float32)


class Clock:
    """Seconds between ticks, the warm epochs left out."""

    def __init__(self, rows: int) -> None:
        self.warm, self.ticks = warm(rows), [time.perf_counter()]

    def epochs(self) -> range:
        """All that are to be run."""
        return range(self.warm + MEASURED)

    def tick(self, *_: object) -> None:
        self.ticks.append(time.perf_counter())

    def seconds(self) -> list[float]:
        return [b - a for a, b in zip(self.ticks, self.ticks[1:])][self.warm :]


def alternate(contenders: list[Contender], x: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Seconds per epoch of each, the median of each round; rounds alternate, so that all meet the same noise."""
    found: dict[str, list[float]] = {c.name: [] for c in contenders}
    for i in range(rounds):
        for contender in contenders[i % len(contenders) :] + contenders[: i % len(contenders)]:
            found[contender.name].append(statistics.median(contender.epochs(x)))
            print(f"round {i + 1}/{rounds} {contender.name}: {found[contender.name][-1] * 1e3:.0f} ms", flush=True)
    return found


def ratios(found: dict[str, list[float]], to: str) -> dict[str, tuple[float, float, float]]:
    """Median, least and largest ratio to `to`, round by round."""
    out = {}
    for name, values in found.items():
        each = [a / b for a, b in zip(values, found[to])]
        out[name] = (statistics.median(each), min(each), max(each))
    return out


def machine() -> str:
    """The machine in a line."""
    threads = torch.get_num_threads()
    return f"{os.cpu_count()} cores, {threads} threads, {processor()}, torch {torch.__version__}, Python {platform.python_version()}"


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.machine()


def table(title: str, found: dict[str, list[float]], per: int, unit: str, to: str) -> list[str]:
    """Lines of markdown: ratios are what is claimed; milliseconds are of this machine on this day."""
    share = ratios(found, to)
    lines = [f"## {title}", "", f"| | {unit} | ratio to {to} | spread |", "|---|---|---|---|"]
    for name, values in found.items():
        middle, low, high = share[name]
        lines.append(
            f"| {name} | {statistics.median(values) / per * 1e3:.2f} | {middle:.2f} | {low:.2f} to {high:.2f} |"
        )
    return [*lines, ""]
