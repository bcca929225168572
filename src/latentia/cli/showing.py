"""What the commands print."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ..estimate import Estimate
    from ..learn import Progress

SIGN = {"exact": "=", "lower": ">=", "upper": "<=", "error": "="}


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Inside, a terminal shows what is being worked out and for how long; nothing of it stays, and elsewhere there is nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        shown.add_task(what, total=None)
        yield


def print_json(value: Any) -> None:
    """JSON on standard output; NaN and infinity become null."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, default=str, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def estimate_table(rows: Sequence[tuple[str, "Estimate"]], n_cells: int | None, title: str = "") -> Table:
    """Evidence with kinds, Monte Carlo errors and errors over rows; bits per dimension where `n_cells` is given."""
    table = Table(title=title or None, title_justify="left")
    scope = rows[0][1].scope if rows else "row"
    for column in ("what", f"nats per {scope}", "MC error", "row error", "samples"):
        table.add_column(column, justify="left" if column == "what" else "right")
    if n_cells:
        table.add_column("bits/dim", justify="right")
    for name, estimate in rows:
        cells = [
            name,
            f"{SIGN[estimate.kind]} {nats(estimate.mean)}",
            mc_error(estimate),
            f"± {nats(estimate.row_error)}" if estimate.n_rows > 1 else "none",
            str(estimate.n_samples or estimate.method),
        ]
        table.add_row(*cells, *([nats(estimate.bits_per_dimension(n_cells), 4)] if n_cells else []))
    return table


def nats(value: float, digits: int = 3) -> str:
    """A number for a column; one of many digits by its size, or the table would have no room for it.

    >>> nats(-95.0714), nats(-1.5e300)
    ('-95.071', '-1.5e+300')
    """
    return f"{value:.{digits}f}" if abs(value) < 1e7 else f"{value:.4g}"


def mc_error(estimate: "Estimate") -> str:
    """The Monte Carlo error in words; "none" where nothing was drawn."""
    return f"± {nats(estimate.mc_error)}" if estimate.n_samples else "none"


def perplexities(
    estimator: Any, rows: Any, estimates: Sequence["Estimate"], *, in_words: bool = True
) -> dict[str, Any]:
    """Of a model of text: exp(-sum of log p(x) / tokens), from the last estimate, and how many tokens were counted."""
    if not estimates or not hasattr(estimator, "perplexity"):
        return {}
    tokens, estimate = int(estimator.n_tokens(rows).sum()), estimates[-1]
    value = math.exp(-float(estimate.values.sum()) / tokens)
    if not in_words:
        return {"perplexity": value, "tokens": tokens, "tokens_per_sentence": tokens / len(rows)}
    sign = {"exact": "", "lower": "<= ", "upper": ">= "}[estimate.kind]
    counted = f"{tokens:,} tokens in {len(rows):,} sentences, the end of a sentence counted as one"
    return {"perplexity per token": f"{sign}{value:.2f} ({counted})"}


def facts_table(facts: Mapping[str, Any]) -> Table:
    """Names and values, two columns."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    from rich.markup import escape

    for name, value in facts.items():
        table.add_row(name, escape(str(value)))
    return table


class Live:
    """One line that follows a fit: epoch, bound with its named parts, rows per second, time left.

    On a terminal the line is rewritten in place; elsewhere a line is printed every few seconds.
    """

    def __init__(self, console: Console, every: float = 5.0) -> None:
        self.console, self.every, self.last = console, every, time.perf_counter()

    def __call__(self, progress: "Progress") -> None:
        line = progress_line(progress)
        if self.console.is_terminal:
            width = max(20, self.console.width - 1)
            self.console.file.write("\r" + line[:width].ljust(width))
            self.console.file.flush()
        elif time.perf_counter() - self.last >= self.every:
            self.console.print(line, markup=False)
            self.last = time.perf_counter()

    def end(self) -> None:
        if self.console.is_terminal:
            self.console.file.write("\n")


def progress_line(progress: "Progress") -> str:
    """epoch, bound with its named parts, held-out bound, rows per second, time left."""
    parts = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in progress.parts.items())
    bound = "no bound" if progress.bound is None else f"bound {progress.bound:.2f} nats/row"
    held_out = "" if progress.held_out is None else f" · held out {progress.held_out:.2f}"
    return (
        f"epoch {progress.epoch}/{progress.epochs} · {bound}"
        f"{f' ({parts})' if parts else ''}{held_out} · {progress.rows_per_second:,.0f} rows/s · "
        f"{duration(progress.seconds_left)} left"
    )


def duration(seconds: float) -> str:
    """Seconds as minutes and seconds.

    >>> duration(75.2)
    '1:15'
    """
    whole = round(min(seconds, 359_999))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


Printer = Callable[[Any], None]
