"""The score function, with the baselines that make it bearable."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...errors import AbilityError, ParameterError
from .base import Drawn, Gradient, LogMean, over_samples
from .baselines import InputBaseline, RunningMean


@dataclass(frozen=True)
class ScoreFunction(Gradient):
    """Shared by the estimators (f(z) - baseline) d log q(z) / dphi; the baseline may not depend on z."""

    @abstractmethod
    def baseline(self, drawn: Drawn, signal: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """The baseline of each signal `(samples, batch)`, and what else to ascend, `(batch,)`."""

    def average(self, drawn: Drawn, values: Tensor) -> Tensor:
        signal, log_q = values.detach(), drawn.q.log_prob(drawn.z)
        level, more = self.baseline(drawn, signal)
        return over_samples(values + (signal - level) * log_q) + more

    def combine(self, drawn: Drawn, log_weight: Tensor, reduce: LogMean) -> Tensor:
        value, log_q = reduce(log_weight), drawn.q.log_prob(drawn.z).sum(0)
        signal = value.detach().unsqueeze(0)
        level, more = self.baseline(drawn, signal)
        return value + (signal - level).squeeze(0) * log_q + more


@dataclass(frozen=True)
class Score(ScoreFunction):
    """f(z) d log q(z) / dphi: needs no gradient of f, and is noisy.

    Source: Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992;
    Ranganath, Gerrish, Blei, "Black box variational inference", AISTATS 2014, equation 3.

    >>> Score().name
    'score'
    """

    name: ClassVar[str] = "score"

    def baseline(self, drawn: Drawn, signal: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return 0.0, 0.0


@dataclass(frozen=True)
class MovingAverage(ScoreFunction):
    """(f(z) - c) d log q(z) / dphi, c the running mean of f over earlier batches.

    Arguments:
        decay: of the running mean.

    Source: Williams 1992, section 4 (reinforcement comparison).

    >>> MovingAverage(decay=0.9).auxiliaries(None)
    RunningMean()
    """

    decay: float = 0.99
    name: ClassVar[str] = "moving-average"

    def __post_init__(self) -> None:
        check_decay(self.decay)

    def auxiliaries(self, model: Any) -> nn.Module | None:
        return RunningMean(self.decay)

    def baseline(self, drawn: Drawn, signal: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return _kept(drawn, self.name)(signal), 0.0


@dataclass(frozen=True)
class LearntBaseline(ScoreFunction):
    """NVIL: (f(z) - c - C(x)) d log q(z) / dphi, c a running mean and C a network fitted to f beside.

    The paper also divides by a running standard deviation, which rescales q's gradient against p's; Adam does as much, and
    without it the estimate is unbiased.

    Arguments:
        hidden: sizes of C's hidden layers.
        decay: of the running mean.

    Source: Mnih and Gregor, "Neural variational inference and learning in belief networks", ICML 2014, section 2.3.

    >>> LearntBaseline(hidden=(20,)).name
    'nvil'
    """

    hidden: Sequence[int] = (100,)
    decay: float = 0.99
    name: ClassVar[str] = "nvil"

    def __post_init__(self) -> None:
        check_decay(self.decay)
        if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in self.hidden):
            raise ParameterError(f"hidden={self.hidden!r} cannot be used. Use sizes of layers, such as (100,).")

    def auxiliaries(self, model: Any) -> nn.Module | None:
        return InputBaseline(model.event_shape, self.hidden, self.decay)

    def baseline(self, drawn: Drawn, signal: Tensor) -> tuple[Tensor | float, Tensor | float]:
        batch = drawn.batch
        x = batch.x if batch.observed is None else batch.x.where(batch.observed, batch.x.new_zeros(()))
        return _kept(drawn, self.name)(signal, drawn.model.standardise(x))


@dataclass(frozen=True)
class LeaveOneOut(ScoreFunction):
    """RLOO: the baseline of a sample is the mean of f over the row's other samples.

    Sources: Salimans and Knowles, "On using control variates with stochastic approximation for variational Bayes", 2014;
    Kool, van Hoof, Welling, "Buy 4 REINFORCE samples, get a baseline for free!", 2019.

    >>> LeaveOneOut().bounds
    ('elbo',)
    """

    name: ClassVar[str] = "leave-one-out"
    bounds: ClassVar[tuple[str, ...]] = ("elbo",)
    least: ClassVar[int] = 2

    def baseline(self, drawn: Drawn, signal: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return (signal.sum(0) - signal) / (len(signal) - 1), 0.0


@dataclass(frozen=True)
class Vimco(ScoreFunction):
    """sum_i (L - L_i) d log q(z_i) / dphi, L the bound and L_i the bound with w_i at the others' geometric mean.

    Source: Mnih and Rezende, "Variational inference for Monte Carlo objectives", ICML 2016, equations 7 to 10.

    >>> Vimco().bounds
    ('importance',)
    """

    name: ClassVar[str] = "vimco"
    bounds: ClassVar[tuple[str, ...]] = ("importance",)
    least: ClassVar[int] = 2

    def baseline(self, drawn: Drawn, signal: Tensor) -> tuple[Tensor | float, Tensor | float]:
        raise AssertionError("the baseline of each sample is made of the others' weights, in `combine`")

    def combine(self, drawn: Drawn, log_weight: Tensor, reduce: LogMean) -> Tensor:
        value = reduce(log_weight)
        credit = value.detach() - without_each(log_weight.detach(), reduce)
        return value + (credit * drawn.q.log_prob(drawn.z)).sum(0)


def without_each(log_weight: Tensor, reduce: LogMean) -> Tensor:
    """The bound with each log weight in turn replaced by the mean of the others, `(samples, batch)`."""
    k = len(log_weight)
    others = (log_weight.sum(0) - log_weight) / (k - 1)
    own = torch.eye(k, dtype=torch.bool, device=log_weight.device).unsqueeze(-1)  # (k, k, 1)
    swapped = torch.where(own, others.unsqueeze(0), log_weight.unsqueeze(0))  # (which, samples, batch)
    return reduce(swapped.transpose(0, 1))


def check_decay(decay: float) -> None:
    """Raise `ParameterError` where a running mean would never move or never settle."""
    if not 0 <= decay < 1:
        raise ParameterError(f"decay={decay} cannot be used. Use a number from 0 to below 1, such as 0.99.")


def _kept(drawn: Drawn, name: str) -> nn.Module:
    if drawn.auxiliaries is None:
        raise AbilityError(
            f"gradient={name!r} has a baseline that the learner keeps, and none came. Learn with AmortizedVI, or call the "
            "bound with bound.auxiliaries(model) as its last argument."
        )
    return drawn.auxiliaries
