"""Gradient steps on all rows at once, for losses that know the data by mean and covariance alone."""

from abc import ABC, abstractmethod
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from ...batch import Batches
from ...errors import AbilityError, NonFiniteError
from ...fitted import module_tensors
from ...models.gaussian import moments
from ...processes import processes_of, whole_of
from ..base import Info, Learner, State
from ..guard import all_finite
from ..optimisers import load_optimizer, optimizer_tensors

MAX_COLUMNS = 4096  # of the covariance that is kept
STARTS = ("random", "current")
SPREAD = 0.01  # standard deviation of the first weights


class FullBatch(Learner, ABC):
    """Gradient steps on a loss of the mean and the covariance, which two passes over the rows have found.

    One step of the loop, and one epoch, is `n_inner` gradient steps. Where one of them ends in what is no number, the weights
    of the step before are put back.

    Attributes:
        start: "random", or "current": the weights that the model and the posterior have.
        rate: the learning rate in use.
    """

    name = "full-batch"
    posterior: Any  # its networks are read as what the learner asked for
    dtype = torch.float64
    n_inner: int
    start: str
    rate: float

    def init(self, model: Any, batches: Batches) -> State:
        found = moments(model, whole_of(batches), covariance=True)
        assert found.covariance is not None
        if self.start == "random":
            self._draw(model, found.covariance)
        self._place(model, found.mean, found.covariance)
        moved = self._moved(model)
        handles = {"optimizer": self._optimizer(moved), "moved": moved, "mean": found.mean}
        scale = torch.linalg.eigvalsh(found.covariance)
        return State(handles={**handles, "covariance": found.covariance, "variances": scale.flip(0).clamp_min(0)})

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        optimizer, covariance = state.handles["optimizer"], state.handles["covariance"]
        state.handles["good"] = {name: t.detach().clone() for name, t in module_tensors(model, self.posterior).items()}
        draw = torch.Generator().manual_seed(state.step)
        for _ in range(self.n_inner):
            loss = self._loss(model, covariance, state, draw)
            optimizer.zero_grad()
            loss.backward()
            self._turn(model, covariance, state)
            optimizer.step()
        whole = whole_of(batches)
        processes_of(batches).copy_first_(model, self.posterior)
        with torch.no_grad():
            info = self._info(model, state, whole)
        if not isfinite(float(info.bound)) or not all_finite(module_tensors(model, self.posterior)):  # type: ignore[arg-type]
            raise self._diverged(model, state)
        whole.seek({"epoch": whole.epoch + 1, "row": 0})
        state.step += 1
        return state, info

    def rescue(self, model: Any, state: State) -> int:
        now = module_tensors(model, self.posterior)
        with torch.no_grad():
            for name, value in state.handles.get("good", {}).items():
                now[name].copy_(value)
        return state.step

    def _diverged(self, model: Any, state: State) -> NonFiniteError:
        owners = {"posterior": self.posterior, "model": model}.items()
        weights = {f"{owner}.{name}": value for owner, module in owners for name, value in module.named_parameters()}
        name = next((name for name, value in weights.items() if not all_finite({name: value})), "the bound")
        return NonFiniteError(
            f"The loss stopped being a finite number within step {state.step + 1}, of {self.n_inner} gradient steps; what is "
            f"not finite is {name}. Try a learning_rate below {self.rate:g}."
        )

    def snapshot(self, state: State) -> State:
        return State(state.step, optimizer_tensors(state.handles["optimizer"]))

    def restore(self, state: State, saved: State) -> State:
        load_optimizer(state.handles["optimizer"], saved.tensors)
        return State(saved.step, handles=state.handles)

    @abstractmethod
    def _draw(self, model: Any, covariance: Tensor) -> None:
        """Draw the first weights."""

    @abstractmethod
    def _place(self, model: Any, mean: Tensor, covariance: Tensor) -> None:
        """Set what is known from the moments; it stays."""

    @abstractmethod
    def _moved(self, model: Any) -> list[nn.Parameter]: ...

    @abstractmethod
    def _optimizer(self, moved: list[nn.Parameter]) -> torch.optim.Optimizer: ...

    @abstractmethod
    def _loss(self, model: Any, covariance: Tensor, state: State, draw: torch.Generator) -> Tensor: ...

    def _turn(self, model: Any, covariance: Tensor, state: State) -> None:
        """Change the gradients before the optimiser sees them."""

    @abstractmethod
    def _info(self, model: Any, state: State, batches: Batches) -> Info: ...


def check_columns(n_features: int) -> None:
    """Raise `AbilityError` where a covariance of so many columns is too much."""
    if n_features > MAX_COLUMNS:
        raise AbilityError(
            f"Learning by full-batch gradients keeps the covariance of all columns, of which there are {n_features} "
            f"(at most {MAX_COLUMNS}). Use learner='closed-form', or Autoencoder(hidden=()) with minibatches."
        )
