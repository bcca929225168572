"""Where the time of a fit goes: data, forward, backward, optimiser, and what is left for the loop itself."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..storage import write_text

TRACED = 20  # steps in the trace file
SETTLED = 220  # steps after which a fit has recorded its program
PARTS = ("data", "forward", "backward", "optimiser", "overhead")


class Profile:
    """Wraps the parts of a running fit in clocks, and a window of its steps in torch's profiler.

    A recorded program (see `GradientStep`) runs forward and backward as one: its time stands under "backward", and the
    table says so.

    Arguments:
        folder: where `profile.md` and `trace.json` are written; the trace opens in a browser's tracing page.
        n_steps: steps that the fit will have at most.
    """

    def __init__(self, folder: Path, n_steps: int) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {part: 0.0 for part in PARTS}  # noqa: C420
        self.steps = 0
        self.first = SETTLED if n_steps > SETTLED + TRACED else min(5, max(0, n_steps - TRACED))
        self.recorded, self.updating = False, False
        self._tracer: Any = None
        self._gradient: Any = None
        self._model: Any = None

    def attach(self, model: Any, state: Any) -> None:
        """Put clocks around gradient and optimiser, or around the E-step and the M-step of a closed form."""
        gradient, optimizer = state.handles.get("gradient"), state.handles.get("optimizer")
        self._gradient = gradient
        if gradient is not None:
            gradient.evaluate = self._clocked(gradient.evaluate, "forward")
            state.handles["gradient"] = _Clocked(gradient, self._clocked(gradient, "backward"))
        if optimizer is not None:
            optimizer.step = self._clocked(optimizer.step, "optimiser")
        if gradient is None and hasattr(model, "expect"):
            self._model = model
            model.expect = self._clocked(model.expect, "forward")
            model.update = self._clocked(model.update, "optimiser")

    def data(self, batches: Any) -> Any:
        """The same batches with a clock around each."""
        return _ClockedBatches(batches, self)

    def step(self, function: Callable[[], Any]) -> Any:
        """Run one step of the loop under the clock."""
        if self.steps == self.first:
            self._start_trace()
        start = time.perf_counter()
        out = function()
        self.seconds["overhead"] += time.perf_counter() - start
        self.steps += 1
        self.recorded = self.recorded or getattr(self._gradient, "program", None) is not None
        self.updating = self.updating or getattr(self._gradient, "updated", False)
        if self._tracer is not None and self.steps == self.first + TRACED:
            self._end_trace()
        return out

    def _clocked(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def clocked(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - start

        return clocked

    def _start_trace(self) -> None:
        import torch

        kinds = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available():
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        self._tracer = torch.profiler.profile(activities=kinds)
        self._tracer.__enter__()

    def _end_trace(self) -> None:
        self._tracer.__exit__(None, None, None)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tracer.export_chrome_trace(str(self.folder / "trace.json"))
        self._tracer = None

    def own(self) -> dict[str, float]:
        """Seconds of each part alone: what lies inside another part is taken off it."""
        s = self.seconds
        both = max(s["backward"], s["forward"])  # the gradient holds the forward part; an E-step has no gradient
        own = {**s, "backward": both - s["forward"]}
        own["overhead"] = s["overhead"] - s["data"] - both - s["optimiser"]
        return own

    def table(self) -> str:
        """Milliseconds per step and share of each part, as markdown."""
        own = self.own()
        total = sum(own.values())
        lines = ["| part | ms per step | share |", "|---|---|---|"]
        for name, seconds in own.items():
            lines.append(
                f"| {self._title(name)} | {seconds / max(1, self.steps) * 1e3:.3f} | {seconds / max(total, 1e-12):.1%} |"
            )
        return "\n".join(
            [*lines, f"| all, of {self.steps} steps | {total / max(1, self.steps) * 1e3:.3f} | 100.0% |", ""]
        )

    def _title(self, name: str) -> str:
        if self.recorded and name == "backward":
            return "forward, backward and optimiser, recorded" if self.updating else "forward and backward, recorded"
        before = (self.recorded and name == "forward") or (self.updating and name == "optimiser")
        return f"{name}, before it was recorded" if before else name

    def write(self) -> None:
        """Write profile.md, and the trace of the window if it was reached."""
        if self._tracer is not None:
            self._end_trace()
        if self._model is not None:
            del self._model.expect, self._model.update
        write_text(self.folder / "profile.md", "# Where the time went\n\n" + self.table())


class _Clocked:
    """An object called under a clock, and otherwise itself."""

    def __init__(self, inner: Any, call: Callable[..., Any]) -> None:
        self._inner, self._call = inner, call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _ClockedBatches:
    def __init__(self, inner: Any, profile: Profile) -> None:
        self._inner, self._profile = inner, profile

    def __iter__(self) -> "_ClockedBatches":
        return self

    def __next__(self) -> Any:
        return self._profile._clocked(next, "data")(self._inner)

    def one_pass(self) -> Iterator[Any]:
        rows = self._inner.one_pass()
        take = self._profile._clocked(lambda: next(rows, None), "data")
        while (batch := take()) is not None:
            yield batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
