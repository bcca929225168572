"""Adversarial learning: a critic tells samples from rows, and the model learns to leave it nothing to tell."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch, Batches
from ..bounds import Bound, Elbo
from ..bounds.evaluate import evaluating, held_out_bound
from ..errors import AbilityError, NonFiniteError, ParameterError, choose
from ..families.base import at_least
from ..posteriors import Absent
from ..processes import processes_of
from ..randomness import Stream
from .base import Info, Learner, State
from .games.averaging import Average
from .games.checks import JUDGED, RECONSTRUCTED, check_players
from .games.diagnosis import diagnose, unlearnt_noise
from .games.held_out import LEAST, looked_at, missed
from .games.keeping import go_back, keep_good
from .games.objectives import game
from .games.packs import entries, next_packs, pack_weight
from .games.penalties import Penalties
from .games.players import Players
from .games.settings import used_by
from .games.showing import is_shown, shown, shown_of
from .gradient import EXECUTIONS, GradientStep
from .guard import refuse_bad_rows
from .objective import Objective
from .optimisers import MakeOptimizer, Schedule, load_optimizer, make_optimizer, optimizer_tensors, set_rate

PLAYERS = ("critic", "generator")


class Adversarial(Learner):
    """Some steps of a critic, then one of the generator, on the loss of a game.

    The game has no bound on log p(x), and nothing here is one; with `posterior` and `bound` the model ascends the bound as
    well, and the bound is what is reported. Each loss moves its own player only: the critic's the critic, the game's and
    the bound's the model and the posterior.

    Arguments:
        critic: maps packs of rows in the model's units, `(rows / pack, pack x first axis, *rest)`, to one score each; a high
            score says "a row". It is an auxiliary: it belongs to neither p nor q.
        objective: "non-saturating", "minimax", "wasserstein", "hinge", "least-squares" or "relativistic".
        posterior, bound: q(z|x) and the bound that model and posterior ascend besides; None for the game alone.
        bound_objective: KL weight of that bound and its warm-up; None weighs it 1, where codes are judged 0, for then the
            game stands in for the KL.
        game_weight: of the generator's loss beside the bound, nats per row.
        judged: what the critic sees: "samples" of x, "means" of p(x|z) (for likelihoods whose draws carry no gradient), or
            "codes" z, draws of q(z|x) beside draws of the prior (an adversarial autoencoder).
        reconstruct: "data", or "features" of the critic, squared error between `critic.features` of rows and of means. What
            sees means alone teaches the likelihood no noise: the bound is then that of the noise it began with.
        critic_steps: of the critic before each of the generator, on fresh batches.
        pack: rows that the critic sees side by side (PacGAN).
        gradient_penalty, r1, r2: see `Penalties`; None is 10 for the Wasserstein game and else 0.
        optimizer: a name in `torch.optim`, or a function of the list of parameters; `betas` are Adam's.
        learning_rate, critic_learning_rate: of the two time scales; None for the critic's takes the generator's.
        schedule: of both.
        average: decay of the moving average of the model's parameters, which is what remains at the end; 0 for none; None is
            0.999 for the game alone, and 0 beside a bound, by which other weights may be chosen.
        execution: see `GradientStep`.

    Raises: `AbilityError` for a model whose samples carry no gradient, `ParameterError` for a critic of another shape.

    Sources: Goodfellow et al., "Generative adversarial nets", 2014, algorithm 1; Makhzani et al., "Adversarial
    autoencoders", 2016; Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", 2016.

    >>> from latentia.networks import MLP
    >>> Adversarial(MLP(5, 1), "hinge", r1=1.0).has_bound
    False
    """

    name = "adversarial"

    def __init__(
        self,
        critic: nn.Module,
        objective: str = "non-saturating",
        *,
        posterior: nn.Module | None = None,
        bound: Bound | None = None,
        bound_objective: Objective | None = None,
        game_weight: float = 1.0,
        judged: str = "samples",
        reconstruct: str = "data",
        critic_steps: int = 1,
        pack: int = 1,
        gradient_penalty: float | None = None,
        r1: float = 0.0,
        r2: float = 0.0,
        optimizer: MakeOptimizer = "adam",
        betas: tuple[float, float] = (0.5, 0.99),
        learning_rate: float = 1e-3,
        critic_learning_rate: float | None = None,
        schedule: Schedule | None = None,
        average: float | None = None,
        execution: str = "auto",
    ) -> None:
        if not isinstance(critic, nn.Module):
            raise AbilityError(
                f"The critic is of the type {type(critic).__name__}; a torch module was expected, which maps packs of rows to one "
                "score each. Use networks.Critic(n_cells), or derive from torch.nn.Module."
            )
        self.critic, self.game = critic, game(objective)
        self.judged, self.reconstruct = (
            choose("judged", judged, JUDGED),
            choose("reconstruct", reconstruct, RECONSTRUCTED),
        )
        self.posterior = Absent() if posterior is None else posterior
        self.has_bound = posterior is not None
        self.bound: Bound = Elbo() if bound is None else bound
        self.objective = self._weights(bound_objective)
        self.game_weight = at_least("game_weight", game_weight, 0.0, strictly=False)
        self.critic_steps, self.pack = int(critic_steps), int(pack)
        if min(self.critic_steps, self.pack) < 1:
            raise ParameterError(f"critic_steps={critic_steps} and pack={pack} came. Use whole numbers of at least 1.")
        default = 10.0 if self.game.name == "wasserstein" else 0.0
        self.penalties = Penalties(default if gradient_penalty is None else gradient_penalty, r1, r2)
        self.optimizer, self.betas = optimizer, betas
        self.learning_rate = learning_rate
        self.critic_learning_rate = learning_rate if critic_learning_rate is None else critic_learning_rate
        self.schedule = Schedule() if schedule is None else schedule
        self.average = Average((0.0 if self.has_bound else 0.999) if average is None else average)
        self.execution = choose("execution", execution, EXECUTIONS)
        self.shown: dict[int, Tensor] = {}  # samples from the same z after some epochs, to be looked at

    def _weights(self, given: Objective | None) -> Objective | None:
        if not self.has_bound:
            return None
        objective = Objective(0.0 if self.judged == "codes" else 1.0) if given is None else given
        if "kl" in self.bound.names:
            objective.check(self.bound)
            return objective
        return Objective() if given is None else given

    # --- beginning ---------------------------------------------------------------------------------------------

    def check(self, model: Any) -> None:
        check_players(self, model)

    def init(self, model: Any, batches: Batches) -> State:
        if batches.batch_size % self.pack:
            few = ", all the rows there are" if batches.batch_size == batches.n_rows else ""
            raise ParameterError(
                f"pack={self.pack} does not divide batch_size={batches.batch_size}{few}. Use a batch size that is a multiple of "
                "it, or a smaller pack."
            )
        self.critic.to(device=batches.device, dtype=batches.dtype).train()
        processes = processes_of(batches)
        processes.copy_first_(self.critic)
        players = self._players(model, batches.mean_weight)
        modules = (model, self.critic, self.posterior)
        theirs = (self.critic.parameters(), [*model.parameters(), *self.posterior.parameters()])
        rates = (self.critic_learning_rate, self.learning_rate)
        handles: dict[str, Any] = {"players": players, "rates": rates}
        for player, parameters, rate in zip(PLAYERS, theirs, rates):
            optimizer = self._make_optimizer(list(parameters), rate)
            evaluate = players.critic_loss if player == "critic" else players.generator_loss
            handles[player] = GradientStep(evaluate, modules, (), self.execution, processes)
            handles[f"{player}_optimizer"] = optimizer
        handles["kl_weight"] = torch.ones((), device=batches.device, dtype=batches.dtype)
        return State(tensors=self.average.start(model), auxiliaries=self.critic, handles=handles)

    def _players(self, model: Any, mean_weight: float) -> Players:
        bound = self.bound if self.has_bound else None
        on_features = self.reconstruct == "features"
        return Players(
            model, self.critic, self.posterior, self.game, self.penalties, self.pack, self.judged, bound, self.objective,
            self.game_weight, on_features, mean_weight,
        )  # fmt: skip

    def _make_optimizer(self, parameters: list[nn.Parameter], rate: float) -> Any:
        optimizer = make_optimizer(self.optimizer, parameters, rate)
        if isinstance(self.optimizer, str):
            for group in optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = tuple(self.betas)
        return optimizer

    # --- steps -------------------------------------------------------------------------------------------------

    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        self._look_round(model, batches, state)
        keep_good(model, self.posterior, state)
        self._set_weights(state)
        for _ in range(self.critic_steps):
            batch = next_packs(batches, self.pack)
            seen, _ = self._move("critic", model, state, batch)
        terms, loss = self._move("generator", model, state, batch, state.handles["kl_weight"])
        self.average.update(model, state.tensors, state.step)
        state.step += 1
        return state, self._info(terms, {**terms.parts, **seen.parts}, batch, loss)

    def _info(self, terms: Any, parts: dict[str, Tensor], batch: Batch, loss: Tensor) -> Info:
        """Entries are packs; beside a bound they are rows, as the bound's are."""
        n = len(batch) if self.has_bound else len(batch) // self.pack
        value = entries(terms.value, n) if self.has_bound else None
        weight = batch.weight if self.has_bound else pack_weight(batch, self.pack)
        each = {name: entries(part, n) for name, part in parts.items()}
        return Info(value, each, weight, loss.detach(), batch.n_together * self.critic_steps)

    def _move(self, player: str, model: Any, state: State, batch: Batch, *tensors: Tensor) -> tuple[Any, Tensor]:
        gradient, optimizer = state.handles[player], state.handles[f"{player}_optimizer"]
        terms, loss = gradient(batch, *tensors)
        if loss.device.type == "cpu" and not bool(torch.isfinite(loss)):
            refuse_bad_rows(batch, state.step)
            raise self._stopped(state, f"The {player}'s loss")
        optimizer.step()
        return terms, loss

    def _set_weights(self, state: State) -> None:
        if self.objective is not None:
            state.handles["kl_weight"].fill_(self.objective.weight_at(state.step))
        if self.schedule.moves:
            for player, rate in zip(PLAYERS, state.handles["rates"]):
                set_rate(state.handles[f"{player}_optimizer"], [rate], self.schedule(state.step))

    def _look_round(self, model: Any, batches: Batches, state: State) -> None:
        """At the first step of an epoch; a step of several batches may begin in the midst of one, or leave one out."""
        epoch, before = batches.epoch, state.numbers.get("epoch")
        if epoch == before:
            return
        state.numbers["epoch"] = epoch
        for player in PLAYERS:
            state.handles[player].look_again()
        if is_shown(epoch, before):
            with self.average.shown(model, state.tensors):
                state.tensors[f"shown.{epoch}"] = shown(model)

    # --- looking and ending ------------------------------------------------------------------------------------

    def evaluate(self, model: Any, batches: Batches, state: State, seed: int) -> dict[str, float]:
        """The held-out bound, if there is one, and the share of held-out rows that the samples miss."""
        with self.average.shown(model, state.tensors):
            means = {}
            if self.has_bound:
                means = held_out_bound(model, self.posterior, self.bound, batches, seed)
            x, weight = looked_at(batches, seed)
            if len(x) < LEAST:
                return means
            with Stream(seed, x.device), evaluating(model):
                drawn = model.sample(len(x))  # with the noise that rows have, whatever the critic is shown
                return {**means, "missed": missed(model.standardise(x), model.standardise(drawn), weight=weight)}

    def finish(self, model: Any, state: State, history: list[dict[str, Any]]) -> str:
        averaged = ""
        if self.average.decay and not state.handles.get("restored"):  # the best weights are of one moment, all of them
            self.average.take(model, state.tensors)
            averaged = f"The generator's weights are moving averages of decay {self.average.decay:g}."
        state.tensors[f"shown.{max((row['epoch'] for row in history), default=0)}"] = shown(model)
        self.shown = shown_of(state.tensors)
        if self.objective is None:
            kind = "Learnt by a game, which has no bound on log p(x)."
        else:
            kind = (
                f"A game of weight {self.game_weight:g} moved the weights too, so that they do not maximise the bound."
                if self.game_weight
                else "The game had weight 0 and moved no weights but the critic's."
            )
            kind = f"{kind} {self.objective.status(state.step)}".strip()
        seen = (unlearnt_noise(self, model), *diagnose(history, used_by(self)))
        return " ".join(words for words in (kind, averaged, *seen) if words)

    def failed(self, model: Any, batches: Batches, state: State) -> NonFiniteError:
        return self._stopped(state, "A loss")

    def _stopped(self, state: State, what: str) -> NonFiniteError:
        return NonFiniteError(
            f"{what} stopped being a finite number at step {state.step + 1}. Try a smaller learning_rate, r1=1 (a penalty on the "
            "critic's slope), or a critic with spectral normalisation."
        )

    def as_measured(self, model: Any, state: State) -> AbstractContextManager[Any]:
        return self.average.shown(model, state.tensors)

    def of_kept(self) -> str:
        return self.average.of_kept()

    def rescue(self, model: Any, state: State) -> int:
        self.shown = shown_of(state.tensors)
        return go_back(model, self.posterior, state, self.average)

    # --- checkpoints -------------------------------------------------------------------------------------------

    def snapshot(self, state: State) -> State:
        tensors = dict(state.tensors)
        for player in PLAYERS:
            theirs = optimizer_tensors(state.handles[f"{player}_optimizer"])
            tensors |= {f"{player}.{name}": value for name, value in theirs.items()}
        return State(state.step, tensors, dict(state.numbers))

    def restore(self, state: State, saved: State) -> State:
        device = state.handles["kl_weight"].device
        rest = dict(saved.tensors)
        for player in PLAYERS:
            start = f"{player}."
            theirs = {name: rest.pop(name) for name in list(rest) if name.startswith(start)}
            load_optimizer(state.handles[f"{player}_optimizer"], {n.removeprefix(start): v for n, v in theirs.items()})
        tensors = {name: value.to(device) for name, value in rest.items()}
        return State(saved.step, tensors, dict(saved.numbers), state.auxiliaries, state.handles)
