"""Exact expectation maximisation."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor

from ..abilities import HasLogProb, HasPosterior, HasUpdate, Statistics, add_statistics, refuse_globals, require
from ..batch import Batch, Batches
from ..bounds import Elbo, Terms
from ..errors import NonFiniteError
from ..posteriors import Exact
from ..processes import processes_of, whole_of
from .base import Info, State, step_info
from .gradient import GradientStep
from .optimisers import MakeOptimizer, load_optimizer, make_optimizer, optimizer_tensors
from .passes import Passes, counted_once, not_finite


class ExactEM(Passes):
    """Tighten: q(z|x) = p(z|x). Improve: the model's closed-form update, or a gradient step under that q.

    With a closed form one step is one pass over the data, the M-step of the pass before first and then the E-step, so
    that the reported bound, which is log p(data), is always that of the parameters as they stand. It never falls; for
    a model with a prior over its parameters, the bound plus `parts["penalty"]` never falls. A start ends when that sum
    rises by less than `tol` nats per row; the best start is kept.

    For a model without a closed form (a finite latent and a network) one step is one gradient step on one minibatch,
    with the exact posterior held. There is no stop rule then but `max_iter` passes.

    Arguments:
        tol: nats per row of weight.
        max_iter: passes of each start.
        start: where the closed form starts: "auto" is the model's own choice, "k-means" (mixtures), "random", or
            "closed-form" (probabilistic PCA: at the maximum), or "current": where the parameters are.
        n_starts: how many starts; each takes the next seed.
        seed: of the starts.
        optimizer, learning_rate: of the gradient M-step, see `AmortizedVI`.
        dtype: of the parameters and the data while learning.

    Raises: `ParameterError` for settings that cannot be used; `AbilityError`, in `check`, for a model that does not
    know its exact posterior; `NonFiniteError` where a likelihood has no maximum.

    Sources: Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977; Neal and
    Hinton, "A view of the EM algorithm that justifies incremental, sparse, and other variants", 1998.

    >>> from latentia.batch import TensorBatches
    >>> from latentia.models import GaussianMixture
    >>> x = torch.tensor([[0.0], [0.1], [5.0], [5.1]], dtype=torch.float64)
    >>> model, learner = GaussianMixture(1, 2), ExactEM(tol=1e-9)
    >>> batches = TensorBatches(x, dtype=learner.dtype)
    >>> state, info = learner.init(model, batches), None
    >>> while info is None or not info.done: state, info = learner.step(model, batches, state)
    >>> model.means().flatten().sort().values.detach().round(decimals=3).tolist()
    [0.05, 5.05]
    """

    name = "exact-em"
    starts = ("auto", "k-means", "random", "closed-form", "current")

    def __init__(
        self,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
        start: str = "auto",
        n_starts: int = 1,
        seed: int = 0,
        optimizer: MakeOptimizer = "adam",
        learning_rate: float = 1e-2,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__(tol, max_iter, start, n_starts, seed, dtype)
        self.posterior, self.bound = Exact(), Elbo()
        self.optimizer, self.learning_rate = optimizer, learning_rate

    def check(self, model: Any) -> None:
        refuse_globals(model, "ExactEM")
        require(model, HasPosterior, "exact EM", "AmortizedVI")
        require(model, HasLogProb, "exact EM", "AmortizedVI")

    def init(self, model: Any, batches: Batches) -> State:
        self.check(model)
        if isinstance(model, HasUpdate):
            return self._first(model, batches)
        optimizer = make_optimizer(self.optimizer, model.parameters(), self.learning_rate)
        mean_weight = batches.mean_weight

        def evaluate(batch: Batch) -> tuple[Terms, Tensor]:
            terms = self._terms_with_q_held(model, batch)
            return terms, -batch.weighted_sum(terms.surrogate) / (batch.n_together * mean_weight)

        gradient = GradientStep(evaluate, (model,), processes=processes_of(batches))
        return State(handles={"optimizer": optimizer, "gradient": gradient})

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        if isinstance(model, HasUpdate):
            return self._pass(model, batches, state)
        return self._gradient_step(model, batches, state)

    def snapshot(self, state: State) -> State:
        optimizer = state.handles.get("optimizer")
        tensors = dict(state.tensors) if optimizer is None else optimizer_tensors(optimizer)
        return State(state.step, tensors, dict(state.numbers))

    def restore(self, state: State, saved: State) -> State:
        optimizer = state.handles.get("optimizer")
        if optimizer is None:
            return State(saved.step, dict(saved.tensors), dict(saved.numbers))
        load_optimizer(optimizer, saved.tensors)
        return State(saved.step, numbers=dict(saved.numbers), handles=state.handles)

    # --- the closed form ---------------------------------------------------------------------------------------

    def _begin(self, model: Any, batches: Batches, seed: int) -> None:
        """Every process looks at all the rows; that all start alike does not rest on equal rounding."""
        model.initialise(whole_of(batches), self.start, seed)
        processes_of(batches).copy_first_(model)

    def _move(self, model: Any, statistics: Statistics) -> None:
        model.update(statistics)

    def _expect(self, model: Any, batches: Batches) -> tuple[dict[str, Tensor], Info]:
        return _expect(model, batches)

    # --- the gradient ------------------------------------------------------------------------------------------

    def _gradient_step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        batch, optimizer = next(batches), state.handles["optimizer"]
        terms, loss = state.handles["gradient"](batch)
        if not isfinite(float(loss.detach())):
            raise NonFiniteError(not_finite(state.step + 1))
        optimizer.step()
        state.step += 1
        done = state.step >= self.max_iter * batches.per_epoch
        status = f"Stopped after max_iter={self.max_iter} passes." if done else ""
        return state, step_info(terms, batch, loss, done, status)

    def _terms_with_q_held(self, model: Any, batch: Batch) -> Terms:
        with torch.no_grad():
            q = self.posterior(batch, model)
        return self.bound(model, lambda *_: q, batch)


def _expect(model: Any, batches: Batches) -> tuple[dict[str, Tensor], Info]:
    """The E-step over one pass: summed statistics and the bound, in float64 over all processes."""
    processes = processes_of(batches)
    statistics: Statistics = {}
    bound = weight = torch.zeros((), dtype=torch.float64, device=batches.device)
    for batch in batches.one_pass():
        expectation = model.expect(batch)
        statistics = add_statistics([statistics, expectation.statistics])
        bound = bound + batch.weighted_sum(expectation.log_prob)
        weight = weight + batch.total_weight()
    *totals, bound, weight = processes.all_sum(*statistics.values(), bound, weight)
    penalty = model.log_penalty().detach().to(bound)
    weight = weight.reshape(1)
    counted = counted_once(weight, batches)
    info = Info(bound / weight, {"penalty": penalty / weight}, counted, None, batches.n_rows)
    return dict(zip(statistics, totals)), info
