"""Amortised variational inference: Algorithm 1 of the AEVB paper."""

from typing import Any

import torch
from torch import Tensor, nn

from ..abilities import refuse_globals
from ..batch import Batch, Batches
from ..bounds import Bound, Elbo, Terms, auxiliaries_of
from ..conditional import Conditional
from ..errors import AbilityError, ParameterError, choose
from ..families import check_gradient, check_posterior
from ..processes import processes_of
from .base import Info, Learner, State, step_info
from .gradient import EXECUTIONS, GradientStep
from .guard import guard
from .objective import Objective
from .optimisers import (
    MakeOptimizer,
    Schedule,
    clip_gradient,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
    set_rate,
)


class AmortizedVI(Learner):
    """One gradient step of encoder and model together, on the bound of one minibatch.

    Arguments:
        posterior: q(z|x), usually `posteriors.Amortized`.
        bound: what is reported, and, through the objective, descended.
        objective: KL weight and its warm-up.
        optimizer: a name in `torch.optim`, or a function of the list of parameters.
        learning_rate: of the optimiser; ignored where `optimizer` is a function.
        schedule: of the learning rate.
        gradient_clip: largest Euclidean norm of the gradient; None leaves it alone.
        execution: of the arithmetic of a step, see `GradientStep`.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, Algorithm 1.

    >>> from latentia.posteriors import Exact
    >>> AmortizedVI(Exact(), learning_rate=1e-3).name
    'amortized'
    """

    name = "amortized"
    can_shard = True

    def __init__(
        self,
        posterior: nn.Module,
        *,
        bound: Bound | None = None,
        objective: Objective | None = None,
        optimizer: MakeOptimizer = "adam",
        learning_rate: float = 1e-3,
        schedule: Schedule | None = None,
        gradient_clip: float | None = None,
        execution: str = "auto",
    ) -> None:
        self.posterior = posterior
        self.bound: Bound = Elbo() if bound is None else bound
        self.objective = Objective() if objective is None else objective
        self.optimizer, self.learning_rate = optimizer, learning_rate
        self.schedule = Schedule() if schedule is None else schedule
        self.gradient_clip = gradient_clip
        self.execution = choose("execution", execution, EXECUTIONS)
        if gradient_clip is not None and not gradient_clip > 0:
            raise ParameterError(f"gradient_clip={gradient_clip} cannot be used. Use a positive number or None.")
        self.objective.check(self.bound)

    def check(self, model: Any) -> None:
        refuse_globals(model, "AmortizedVI")
        if not callable(getattr(model, "likelihood", None)) or not callable(getattr(model, "prior", None)):
            raise AbilityError(
                f"AmortizedVI needs a model with prior() and likelihood(z); {type(model).__name__} lacks one. "
                "Derive from models.Model."
            )
        if {id(t) for t in model.parameters()} & {id(t) for t in self.posterior.parameters()}:
            raise AbilityError(
                "The model and the posterior hold the same parameters, which would be moved twice. What both need belongs "
                "to the model: use posteriors.Borrowed()."
            )
        encoders = [m for m in self.posterior.modules() if isinstance(m, Conditional)] or [
            getattr(model, "shared", None)
        ]
        if len(encoders) == 1 and encoders[0] is not None:
            check_posterior(encoders[0].family, model.prior())
            gradient = getattr(self.bound, "gradient", "auto")
            check_gradient(encoders[0].family, getattr(gradient, "name", gradient))
        if not any(p.requires_grad for module in (model, self.posterior) for p in module.parameters()):
            raise AbilityError(f"{type(model).__name__} has no parameters that a gradient could move. Use ExactEM.")

    def init(self, model: Any, batches: Batches) -> State:
        parameters = [*model.parameters(), *self.posterior.parameters()]
        optimizer = make_optimizer(self.optimizer, parameters, self.learning_rate)
        weight = torch.tensor(self.objective.weight_at(0), device=batches.device, dtype=batches.dtype)
        mean_weight = batches.mean_weight
        auxiliaries = self._auxiliaries(model, batches)
        beside: list[nn.Module] = [] if auxiliaries is None else [auxiliaries]
        learnt = [p for module in beside for p in module.parameters()]
        if learnt:
            optimizer.add_param_group({"params": learnt})  # not clipped with the others

        def evaluate(batch: Batch, kl_weight: Tensor) -> tuple[Terms, Tensor]:
            terms = self.bound(model, self.posterior, batch, *beside)
            return terms, self.objective(terms, batch, kl_weight, mean_weight)

        settings, processes = (self.bound, self.objective), processes_of(batches)
        self.objective.refuse_shares(processes.many)
        alone = None if self.gradient_clip is not None else optimizer
        handles = {
            "gradient": GradientStep(
                evaluate, (model, self.posterior, *beside), settings, self.execution, processes, alone
            ),
            "optimizer": optimizer,
            "clipped": [p for p in parameters if p.requires_grad],
            "rates": [group["lr"] for group in optimizer.param_groups],
            "kl_weight": weight,
        }
        return State(auxiliaries=auxiliaries, handles=handles)

    def _auxiliaries(self, model: Any, batches: Batches) -> nn.Module | None:
        auxiliaries = auxiliaries_of(self.bound, model)
        if auxiliaries is None:
            return None
        if processes_of(batches).many:
            raise AbilityError(
                "A baseline that averages over batches is kept by one process. With several use gradient='leave-one-out', "
                "'vimco' or 'disarm'."
            )
        return auxiliaries.to(device=batches.device, dtype=batches.dtype)

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        gradient, optimizer = state.handles["gradient"], state.handles["optimizer"]
        if batches.row == 0:
            gradient.look_again()
        batch = next(batches)
        if state.step <= self.objective.warm_up:
            state.handles["kl_weight"].fill_(self.objective.weight_at(state.step))
        if self.schedule.moves:
            set_rate(optimizer, state.handles["rates"], self.schedule(state.step))
        terms, loss = gradient(batch, state.handles["kl_weight"])
        if not gradient.updated:
            guard(loss, model, self.posterior, self.bound, batch, state.step, processes_of(batches))
            if self.gradient_clip is not None:
                clip_gradient(state.handles["clipped"], self.gradient_clip)
            optimizer.step()
        state.step += 1
        return state, step_info(terms, batch, loss)

    def snapshot(self, state: State) -> State:
        return State(state.step, optimizer_tensors(state.handles["optimizer"]), dict(state.numbers))

    def restore(self, state: State, saved: State) -> State:
        load_optimizer(state.handles["optimizer"], saved.tensors)
        weight = state.handles["kl_weight"]
        weight.fill_(self.objective.weight_at(saved.step))
        return State(saved.step, numbers=dict(saved.numbers), auxiliaries=state.auxiliaries, handles=state.handles)
