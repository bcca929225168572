"""The one loop."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from .._version import __version__
from ..abilities import HasLogProb, HasUpdate
from ..batch import Batches
from ..errors import NonFiniteError
from ..fitted import Fit, load_modules, module_tensors
from ..processes import processes_of
from ..processes.layers import local
from ..randomness import Stream
from .accord import Accord, draws_by_itself, share_batch_norms
from .base import Info, Learner, State
from .checkpoints import save_checkpoint, shared_checkpoint
from .collapse import collapse_status
from .exact_history import exact_log_prob
from .guard import all_finite, out_of_memory
from .limits import Limits, Progress
from .profile import Profile
from .resuming import put_back, take
from .stopping import EarlyStopping, Signals
from .sums import Sums

Callback = Callable[["Loop"], bool | None]


class Loop:
    """One fit while it runs; callbacks are handed this and read it.

    Arguments:
        model, learner: what is learnt, and by whom.
        batches, validation: the data, dealt out; validation None evaluates nothing. Where the batches are a `Share`,
            every process runs a loop of its own over its part, and all stop at the same step.
        limits: how far.
        seed: of all random numbers.
        callbacks: called at the end of every epoch as `callback(loop)`, outside the run's random stream; True stops.
        progress: called with a `Progress` about ten times a second.
        profile: measures where the time goes, if there is one.
    """

    def __init__(
        self,
        model: nn.Module,
        learner: Learner,
        batches: Batches,
        validation: Batches | None,
        limits: Limits,
        *,
        seed: int,
        autocast: bool = False,
        callbacks: Sequence[Callback] = (),
        progress: Callable[[Progress], None] | None = None,
        profile: Profile | None = None,
    ) -> None:
        self.profile, self.dealt = profile, batches if profile is None else profile.data(batches)
        self.model, self.learner, self.batches, self.validation = model, learner, batches, validation
        self.limits, self.seed, self.callbacks, self.progress = limits, seed, callbacks, progress
        self.autocast = autocast
        self.posterior = learner.posterior
        self.history: list[dict[str, Any]] = []
        self.stopping = EarlyStopping(limits.patience, getattr(getattr(learner, "objective", None), "warm_up", 0))
        self.processes = processes_of(batches)
        self.accord = Accord(self.processes)
        apart = draws_by_itself(model, learner.posterior)
        self.stream = Stream(seed + (self.processes.rank << 40 if apart else 0), batches.device)
        self.state = State()
        self.sums = Sums()
        self.best: dict[str, Tensor] | None = None
        self.held_out: float | None = None
        self.status, self.over, self.signal = "", False, ""
        self.ended = ""  # how the learner's own stop rule ended the run
        self.seconds, self.rows = 0.0, 0
        self._resumed_steps = 0

    # --- running -----------------------------------------------------------------------------------------------

    def run(self, resume: bool = False) -> Fit:
        """Learn until a limit, the stop rule, the learner or a signal ends it."""
        with Signals().caught() as signals, self.stream:
            self._begin(resume)
            while not self.over:
                self._one_step()
                self._heed(signals)
            self._end()
        return self._fit()

    def _begin(self, resume: bool) -> None:
        self.started = self.shown = self.saved = time.perf_counter()
        self.model.train()
        self.posterior.train()
        self.processes.copy_first_(self.model, self.posterior)
        self.state = self.learner.init(self.model, self.batches)
        folder = self.limits.checkpoints if resume else None
        saved = None if folder is None else shared_checkpoint(folder, self.processes)
        if saved is not None:
            put_back(self, saved)
            self._check_ended()
            self._check_limits()
            self._heed(Signals())
        if self.profile is not None:
            self.profile.attach(self.model, self.state)

    def _one_step(self) -> None:
        epoch = self.batches.epoch
        try:
            info = self._move() if self.profile is None else self.profile.step(self._move)
        except NonFiniteError as error:
            self._fail(error)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.batches.batch_size, self.batches.device) from error
        self.rows += info.rows
        if info.done:
            self.ended = info.status
            self._stop(info.status)
        if self.batches.epoch != epoch or info.done:
            self._end_epoch(epoch + 1)
        self._check_limits()
        self._show(False)

    def _move(self) -> Info:
        with torch.autocast(self.batches.device.type, torch.bfloat16) if self.autocast else nullcontext():
            self.state, info = self.learner.step(self.model, self.dealt, self.state)
        self.sums.add(info)
        return info

    def _check_limits(self) -> None:
        limits = self.limits
        if self.batches.epoch >= limits.max_epochs:
            self._stop(f"Reached max_epochs={limits.max_epochs}.")
        elif limits.max_steps is not None and self.state.step >= limits.max_steps:
            self._stop(f"Reached max_steps={limits.max_steps}.")

    def _check_patience(self) -> None:
        if self.stopping.over:
            self._stop(f"The held-out bound had not risen for {self.stopping.patience} epochs.")

    def _check_ended(self) -> None:
        """Stop where the run that is taken up again had come to its end."""
        self._check_patience()
        if self.ended:
            self._stop(self.ended)

    def _heed(self, signals: Signals) -> None:
        """Stop for the clock or a signal; all processes at the same step."""
        most = self.limits.max_time
        late = most is not None and self.elapsed >= most
        too_long, number = self.accord.round(late, signals.received or 0)
        if too_long:
            self._stop(f"Reached max_time={most:g} seconds.")
        if number:
            name = Signals.name_of(int(number))
            self._stop(f"Stopped by {name}; it can be resumed.", name)

    def _stop(self, status: str, signal: str = "") -> None:
        if not self.over:
            self.over, self.status, self.signal = True, status, signal

    @property
    def elapsed(self) -> float:
        """Seconds of learning, those before a resume included."""
        return self.seconds + time.perf_counter() - self.started

    # --- ends of epochs ----------------------------------------------------------------------------------------

    def _end_epoch(self, epoch: int) -> None:
        self.sums.add_up(self.processes)
        share_batch_norms(self.processes, self.model, self.posterior)
        bound, parts = self.sums.means()
        means = {"bound": bound, **parts, **self._exact(bound)} if self.learner.has_bound else parts
        if self.batches.device.type != "cpu" and not all(map(isfinite, means.values())):
            self._fail(self.learner.failed(self.model, self.batches, self.state))
        common = {"step": self.state.step, "epoch": epoch}
        times = {"rows_per_second": self.speed, "seconds": self.elapsed}
        self.history.append({**common, "split": "train", **means, **self._settings(), **times})
        if self.validation is not None:
            self._evaluate(common)
        answers = [self._call(callback) for callback in self.callbacks]
        stop, save = self.processes.all_max(
            [any(answers), time.perf_counter() - self.saved >= self.limits.checkpoint_every]
        )
        if stop:
            self._stop("Stopped by a callback.")
        self._show(True)
        self.sums = Sums()
        self._check_patience()
        if self.limits.checkpoints and save:
            self.save()

    def _exact(self, bound: float) -> dict[str, float]:
        """Exact log p(x) of the rows learnt from, as the model is now; where a closed form moves it, it is the bound."""
        if not isinstance(self.model, HasLogProb):
            return {}
        if self.learner.is_closed and isinstance(self.model, HasUpdate):
            return {"log_prob": bound}
        with self.stream.outside():
            found = exact_log_prob(self.model, self.batches, self.seed)
        return {} if found is None else {"log_prob": found}

    def _call(self, callback: Callback) -> bool:
        with self.stream.outside():
            return bool(callback(self))

    def _settings(self) -> dict[str, float]:
        objective = getattr(self.learner, "objective", None)
        schedule = getattr(self.learner, "schedule", None)
        out: dict[str, float] = {}
        if objective is not None and not objective.is_bound:
            out["kl_weight"] = objective.weight_at(self.state.step - 1)
        if schedule is not None and schedule.moves:
            out["learning_rate"] = self.learner.learning_rate * schedule(self.state.step - 1)  # type: ignore[attr-defined]
        return out | self.learner.columns(self.state)

    def _evaluate(self, common: dict[str, Any]) -> None:
        assert self.validation is not None
        with self.stream.outside():
            means = self.learner.evaluate(self.model, self.validation, self.state, self.seed)
        self.history.append({**common, "split": "validation", **means, "seconds": self.elapsed})
        if not self.learner.has_bound:
            return
        self.held_out = means["bound"]
        if self.stopping.update(means["bound"], self.state.step) and self.limits.restore_best:
            with self.learner.as_measured(self.model, self.state):
                tensors = module_tensors(self.model, self.posterior)
                self.best = {name: value.detach().clone() for name, value in tensors.items()}

    @property
    def speed(self) -> float:
        """Rows per second of learning, since the fit began or was resumed."""
        return self.rows / max(1e-9, time.perf_counter() - self.started)

    def _show(self, epoch_ended: bool) -> None:
        if self.progress is None or (not epoch_ended and time.perf_counter() - self.shown < 0.1):
            return
        self.shown = time.perf_counter()
        bound, parts = self.sums.means()
        left = self.limits.max_epochs * self.batches.n_rows - self._rows_done()
        seconds = left / max(self.speed, 1e-9)
        if self.limits.max_time is not None:
            seconds = min(seconds, self.limits.max_time - self.elapsed)
        epoch = min(self.batches.epoch + (not epoch_ended), self.limits.max_epochs)
        step, epochs = self.state.step, self.limits.max_epochs
        told = bound if self.learner.has_bound else None
        report = Progress(step, epoch, epochs, told, parts, self.held_out, self.speed, max(0.0, seconds), epoch_ended)
        with self.stream.outside():
            self.progress(report)

    def _rows_done(self) -> int:
        return self.batches.epoch * self.batches.n_rows + self.batches.row

    # --- endings -----------------------------------------------------------------------------------------------

    def _end(self) -> None:
        if self.profile is not None:
            self.profile.write()
        if self.limits.checkpoints:
            self.save()
        if self.best is not None and not self.signal:
            load_modules(self.best, self.model, self.posterior, Path("memory"))
            self.state.handles["restored"] = True
            best = f"The weights are those of the best held-out bound, at step {self.stopping.best_step}."
            self.status = f"{self.status} {best} {self.learner.of_kept()}".strip()
        self.status = f"{self.status} {self.learner.finish(self.model, self.state, self.history)}".strip()
        if self.signal:
            return
        self.status = f"{self.status} {collapse_status(self)}".strip()

    def _fail(self, error: NonFiniteError) -> NoReturn:
        """Raise it, with the last good weights where there are some."""
        step = self._last_good()
        kept = f"The weights are those of step {step}. {self.learner.of_kept()}".strip()
        self.status = f"{error} {kept if step else 'Nothing had been learnt before.'}"
        told = NonFiniteError(self.status)
        if step:
            told.fit = replace(self._fit(), steps=step, finished=False)
        raise told from error

    def _last_good(self) -> int:
        """Give the model its last good weights; the step that they are of, 0 where nothing was learnt."""
        if self.best is not None:
            load_modules(self.best, self.model, self.posterior, Path("memory"))
            return self.stopping.best_step
        step = self.learner.rescue(self.model, self.state)
        bad = not all_finite({name: local(value) for name, value in module_tensors(self.model, self.posterior).items()})
        return 0 if max(self.processes.all_max([bad])) else step

    def _fit(self) -> Fit:
        self.model.eval()
        self.posterior.eval()
        return Fit(
            self.model,
            self.posterior,
            self.history,
            self.status,
            self.seed,
            self.state.step,
            self.batches.epoch,
            self.signal,
            not self.signal,
            {"latentia": __version__, "torch": str(torch.__version__)},
        )

    # --- checkpoints -------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint now."""
        if self.limits.checkpoints is None:
            return
        taken = take(self)
        if self.processes.first:
            save_checkpoint(self.limits.checkpoints, taken)
        self.saved = time.perf_counter()
