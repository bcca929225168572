"""Variational expectation maximisation by coordinate ascent."""

from typing import Any

import torch
from torch import Tensor, nn

from ..abilities import HasPosterior, Statistics, add_statistics, has_globals, require
from ..batch import Batches
from ..bounds import Elbo
from ..errors import AbilityError
from ..posteriors import MeanField
from ..processes import processes_of, whole_of
from .base import Info, State
from .exact_em import ExactEM
from .passes import Passes, counted_once


class VariationalEM(Passes):
    """Tighten: each factor of q moves to its best, the others held. Improve: the hyperparameters do, where they are learnt.

    For a model whose rows share latents theta, q = q(theta) prod_i q(c_i), and one step is one pass: q(theta) from the
    statistics of the pass before, then the best q(c_i) of every row, at which the bound of the data set is reported
    (per unit of row weight). It never falls. A start ends when it rises by less than `tol`; the best start is kept.

    For a model of independent rows with one finite latent the best factors are the exact posteriors, and this is
    `ExactEM`.

    Arguments:
        posterior: `posteriors.MeanField`, begun at the model's `prior_globals()`; None for a model without globals.
        tol: nats per row of weight.
        max_iter: passes of each start.
        start: "auto" is k-means, "random" the nearest of drawn rows, "current" is where q(theta) stands.
        n_starts: how many starts; each takes the next seed.
        seed: of the starts.
        dtype: of the parameters and the data while learning.

    Raises: `AbilityError`, in `check`, for a model in which a row's latent is not finite.

    Source: Blei, Kucukelbir and McAuliffe, "Variational inference: a review for statisticians", 2017, algorithm 2;
    Bishop, "Pattern recognition and machine learning", 2006, sections 10.1 and 10.2.

    >>> from latentia.batch import TensorBatches
    >>> from latentia.models import BayesianGaussianMixture
    >>> x = torch.tensor([[-5.0], [-5.2], [5.0], [5.2]], dtype=torch.float64)
    >>> model = BayesianGaussianMixture(1, 2, prior_scale=10.0)
    >>> learner = VariationalEM(MeanField(model.prior_globals()), tol=1e-9)
    >>> batches = TensorBatches(x, dtype=learner.dtype)
    >>> state, info = learner.init(model, batches), None
    >>> while info is None or not info.done: state, info = learner.step(model, batches, state)
    >>> model.means(learner.posterior.theta).flatten().sort().values.round(decimals=2).tolist()
    [-5.07, 5.07]
    """

    name = "variational-em"
    starts = ("auto", "k-means", "random", "current")

    def __init__(
        self,
        posterior: MeanField | None = None,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
        start: str = "auto",
        n_starts: int = 1,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__(tol, max_iter, start, n_starts, seed, dtype)
        self.posterior: MeanField = MeanField() if posterior is None else posterior
        self.bound = Elbo()
        options: dict[str, Any] = {"start": start, "n_starts": n_starts, "seed": seed, "dtype": dtype}
        self._rows_alone = ExactEM(tol=tol, max_iter=max_iter, **options)

    def check(self, model: Any) -> None:
        if has_globals(model):
            if set(self.posterior.names) != set(model.prior_globals()):
                raise AbilityError(
                    f"{type(model).__name__} has latents that all rows share, and this posterior was made for others. Use "
                    "VariationalEM(posteriors.MeanField(model.prior_globals()))."
                )
            return
        require(model, HasPosterior, "variational EM", "AmortizedVI")
        if tuple(model.latent_shape) != ():
            raise AbilityError(
                f"VariationalEM moves finite latents and conjugate ones; the latent of {type(model).__name__} is a vector, "
                "whose exact posterior is known. Use ExactEM, or AmortizedVI."
            )

    def init(self, model: Any, batches: Batches) -> State:
        self.check(model)
        return self._first(model, batches) if has_globals(model) else self._rows_alone.init(model, batches)

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        if has_globals(model):
            with torch.no_grad():
                return self._pass(model, batches, state)
        return self._rows_alone.step(model, batches, state)

    def snapshot(self, state: State) -> State:
        return self._rows_alone.snapshot(state)

    def restore(self, state: State, saved: State) -> State:
        return self._rows_alone.restore(state, saved)

    # --- the moves ---------------------------------------------------------------------------------------------

    def _begin(self, model: Any, batches: Batches, seed: int) -> None:
        """Every process looks at all the rows, and takes the first one's answer."""
        statistics = model.start_globals(whole_of(batches), self.start, seed)
        with torch.no_grad():
            self.posterior.move(model.update_globals(statistics))
        processes_of(batches).copy_first_(model, self.posterior)

    def _move(self, model: Any, statistics: Statistics) -> None:
        self.posterior.move(model.update_globals(statistics))
        model.improve(self.posterior.theta)

    def _moved(self, model: Any) -> nn.Module:
        return nn.ModuleList([model, self.posterior])

    def _expect(self, model: Any, batches: Batches) -> tuple[dict[str, Tensor], Info]:
        """The rows' factors over one pass: summed statistics, and the bound, in float64 over all processes."""
        processes = processes_of(batches)
        statistics: Statistics = {}
        sums = torch.zeros(4, dtype=torch.float64, device=batches.device)
        for batch in batches.one_pass():
            terms = self.bound(model, self.posterior, batch)
            r = self.posterior(batch, model).probs  # type: ignore[attr-defined]
            r = r if batch.weight is None else r * batch.weight.to(r).unsqueeze(1)
            statistics = add_statistics([statistics, model.statistics(batch.x, r)])
            values = (terms.value, terms.parts["reconstruction"], terms.parts["kl"])
            weight = batch.total_weight().to(sums)
            sums = sums + torch.stack([*(batch.weighted_sum(value.double()) for value in values), weight])
        *totals, sums = processes.all_sum(*statistics.values(), sums)
        weight = sums[3:]
        shared = -model.globals_kl(self.posterior.theta).reshape(1) / weight
        value, reconstruction, kl = (sums[i : i + 1] / weight for i in range(3))
        parts = {"reconstruction": reconstruction, "kl": kl, "shared": shared}
        info = Info(value + shared, parts, counted_once(weight, batches), None, batches.n_rows)
        return dict(zip(statistics, totals)), info
