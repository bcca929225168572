"""Optimisers by name, learning-rate schedules, and their state as plain tensors and numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from ..errors import ParameterError, choose
from ..processes.layers import by_holding, sharded_like, whole

MakeOptimizer = str | Callable[[list[nn.Parameter]], Optimizer]
_FUSED = ("Adam", "AdamW", "SGD", "Adagrad")
SCHEDULES = ("constant", "cosine", "linear")


def make_optimizer(optimizer: MakeOptimizer, parameters: Iterable[nn.Parameter], learning_rate: float) -> Optimizer:
    """A torch optimiser from its name in `torch.optim` (any case), or from a function of the parameters.

    >>> make_optimizer("adam", [nn.Parameter(torch.zeros(2))], 1e-3).defaults["lr"]
    0.001
    """
    wanted = [p for p in parameters if p.requires_grad]
    if not isinstance(optimizer, str):
        return optimizer(wanted)
    if not learning_rate > 0 or learning_rate == float("inf"):
        raise ParameterError(f"learning_rate={learning_rate} cannot be used. Use a positive number, such as 0.001.")
    classes = {name.lower(): value for name, value in vars(torch.optim).items() if _is_optimizer(value)}
    cls = classes[choose("optimizer", optimizer.lower(), tuple(sorted(classes)))]
    options: dict[str, Any] = {"fused": True} if cls.__name__ in _FUSED else {}
    groups = [{"params": run} for run in by_holding(wanted)]
    return cls(groups or wanted, lr=learning_rate, **options)  # type: ignore[call-arg]


def _is_optimizer(value: Any) -> bool:
    needs_closure = ("Optimizer", "LBFGS", "SparseAdam")
    return isinstance(value, type) and issubclass(value, Optimizer) and value.__name__ not in needs_closure


@dataclass(frozen=True)
class Schedule:
    """Learning rate as a share of its full value, as a function of the step.

    Arguments:
        kind: "constant"; "cosine", (1 + cos(pi t)) / 2; "linear", 1 - t; with t = step / n_steps after the warm-up.
        n_steps: where the schedule ends.
        warm_up: steps in which the rate first rises from zero.
        final: least share.

    >>> Schedule("cosine", n_steps=10)(5)
    0.5
    """

    kind: str = "constant"
    n_steps: int = 0
    warm_up: int = 0
    final: float = 0.0

    def __post_init__(self) -> None:
        choose("schedule", self.kind, SCHEDULES)

    def __call__(self, step: int) -> float:
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        t = min(1.0, (step - self.warm_up) / max(1, self.n_steps - self.warm_up))
        share = {"constant": 1.0, "cosine": (1 + cos(pi * t)) / 2, "linear": 1 - t}[self.kind]
        return round(self.final + (1 - self.final) * share, 12)

    @property
    def moves(self) -> bool:
        """Whether the rate ever changes."""
        return self.kind != "constant" or self.warm_up > 0


def set_rate(optimizer: Optimizer, learning_rates: list[float], share: float) -> None:
    """Set each group's rate to its full value times `share`."""
    for group, full in zip(optimizer.param_groups, learning_rates):
        group["lr"] = full * share


def clip_gradient(parameters: Sequence[nn.Parameter], most: float) -> None:
    """Scale the gradient of all the parameters together, so that its Euclidean norm is at most `most`.

    >>> p = nn.Parameter(torch.zeros(2))
    >>> p.grad = torch.tensor([3.0, 4.0])
    >>> clip_gradient([p], 1.0)
    >>> p.grad
    tensor([0.6000, 0.8000])
    """
    groups = by_holding(parameters)
    if len(groups) == 1:
        clip_grad_norm_(groups[0], most)
        return
    norms = [whole(get_total_norm([p.grad for p in group if p.grad is not None])) for group in groups]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    for group in groups:
        clip_grads_with_norm_(group, most, norm)


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments by name, `optimizer.<parameter>.<moment>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{i}.{key}": value
        for i, slots in state.items()
        for key, value in slots.items()
        if torch.is_tensor(value)
    }


def load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Fill a new optimiser with what `optimizer_tensors` gave."""
    slots: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            parameter = parameters[int(index)]
            held = sharded_like(value, parameter) if value.shape == parameter.shape else value
            slots.setdefault(int(index), {})[key] = held
    state = optimizer.state_dict()
    state["state"] = slots
    optimizer.load_state_dict(state)
