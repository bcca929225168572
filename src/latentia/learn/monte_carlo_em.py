"""Monte Carlo EM: the E-step draws from p(z|x), by a sampler that has a name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, Uniform

from ..batch import Batch
from ..bounds import ImportanceWeighted, Terms
from ..bounds.wake import weighted_terms
from ..distributions import draw
from ..errors import AbilityError, ParameterError, choose
from ..hamiltonian import TARGET, Path, move, unbounded
from ..posteriors.base import still
from .amortized import AmortizedVI
from .around import Around

SAMPLERS = ("importance", "hmc")
INSTEAD = "sampler='importance', ReweightedWakeSleep, or ExactEM where the posterior is known"


@dataclass(frozen=True)
class MonteCarloGoals:
    """1/S sum_s log p(x, z_s), z_s from a sampler of p(z|x), held; and the same of log q(z_s|x), where q can be moved.

    The value is the importance-weighted bound of the draws of q that the sampler began with.

    Arguments:
        sampler: "importance" or "hmc", see `MonteCarloEM`.
        n_samples: S.
        n_proposals: draws of q that "importance" chooses among.
        n_moves, n_leapfrog: of each chain of "hmc".
    """

    sampler: str = "importance"
    n_samples: int = 5
    n_proposals: int = 50
    n_moves: int = 10
    n_leapfrog: int = 5
    names: ClassVar[tuple[str, ...]] = ("log_weight", "ess")
    gradient: ClassVar[str] = "held draws"

    def __post_init__(self) -> None:
        choose("sampler", self.sampler, SAMPLERS)
        for name in ("n_samples", "n_proposals", "n_moves", "n_leapfrog"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name}={getattr(self, name)} is too small. Use 1 or more.")

    def __call__(self, model: Any, posterior: Any, batch: Batch) -> Terms:
        moves = any(p.requires_grad for p in posterior.parameters())
        with torch.set_grad_enabled(moves and torch.is_grad_enabled()):
            q = posterior(batch, model)
        with torch.no_grad():
            start = draw(q, self.n_proposals if self.sampler == "importance" else self.n_samples)
            log_weight = model.log_joint(batch.x, start, batch.observed) - q.log_prob(start)
        if self.sampler == "importance":
            z = resampled(start, log_weight, self.n_samples)
        else:
            with still(model, posterior), settled(model):
                z = self._moved(model, batch, q, start)
        surrogate = model.log_joint(batch.x, z, batch.observed).mean(0)
        if moves:
            surrogate = surrogate + q.log_prob(z).mean(0)
        return weighted_terms(log_weight, surrogate)

    def _moved(self, model: Any, batch: Batch, q: Distribution, start: Tensor) -> Tensor:
        """Chains that begin at draws of q; the first half of their moves finds each row's step size."""
        path, noise = Path(model, batch, None, "hmc", INSTEAD), StreamNoise(start[0])
        point = path.at(path.to_u(start))
        unit = _spread(q, point.u)
        log_size = torch.full((len(batch),), -1.0, dtype=torch.float64, device=start.device)
        for i in range(self.n_moves):
            point, chance = move(path, point, 1.0, log_size.exp(), unit, self.n_leapfrog, noise)
            if i < self.n_moves // 2:
                log_size = (log_size + 0.5 * (chance.mean(0) - TARGET)).clamp(-12, 1.5)
        return point.u if path.map is None else path.map(point.u)


@contextmanager
def settled(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in evaluation mode: chains under a density that drops other cells at each step go nowhere.

    Recurrent networks without dropout of their own are the same in both modes, and cuDNN has their gradient in training
    mode alone: they keep theirs.

    >>> model = nn.Sequential(nn.Dropout(0.5), nn.ReLU().eval())
    >>> with settled(model): any(part.training for part in model)
    False
    >>> [part.training for part in model]
    [True, False]
    """
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    for part, mode in modes:
        if isinstance(part, nn.RNNBase) and not part.dropout:
            part.training = mode
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


class StreamNoise:
    """Random numbers of the run's own stream, of a batch's rows.

    Arguments:
        rows: one number or more for each row, `(batch, ...)`.
    """

    def __init__(self, rows: Tensor) -> None:
        self.zero = rows.new_zeros(len(rows)).double() if not rows.is_floating_point() else rows.new_zeros(len(rows))

    def normal(self, n_samples: int, shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        zero = self._wide(shape)
        return draw(Normal(zero, zero + 1, validate_args=False), n_samples)

    def uniform(self, n_samples: int, shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        zero = self._wide(shape)
        return draw(Uniform(zero, zero + 1, validate_args=False), n_samples)

    def _wide(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        return self.zero.reshape(-1, *(1 for _ in shape)).expand(-1, *shape)


def resampled(z: Tensor, log_weight: Tensor, n_samples: int) -> Tensor:
    """Draws of z `(k, batch, *latent)` in the proportion of their weights `(k, batch)`, `(n_samples, batch, *latent)`."""
    share = torch.softmax(log_weight.double(), 0).T.cumsum(-1)  # (batch, k)
    u = StreamNoise(share).uniform(n_samples).T.contiguous()  # (batch, n_samples)
    chosen = torch.searchsorted(share, u).clamp(max=len(z) - 1).T  # (n_samples, batch)
    return z[chosen, torch.arange(z.shape[1], device=z.device)]


def _spread(q: Distribution, u: Tensor) -> Tensor:
    """The width of each coordinate, `(batch, *latent)`: q's own where it is a normal, else one."""
    base = getattr(q, "base_dist", q)
    scale = getattr(base, "scale", None) if isinstance(base, Normal) else None
    return torch.ones_like(u[0]) if scale is None else scale.detach().expand_as(u[0])


class MonteCarloEM(Around):
    """Tighten: S draws of p(z|x) for each row, by a sampler. Improve: p up the mean of log p(x, z) of the draws, held.

    The samplers begin at draws of q: "importance" chooses among them in the proportion of p(x, z) / q(z|x); "hmc" moves
    each of them by Hamiltonian Monte Carlo under p(x, z), whose gradient z must have. A q with parameters is fitted to the
    draws of the sampler, so that the next ones begin nearer; where q is the exact posterior, every draw is as good as the
    sampler's. Both samplers are biased for few draws or moves. What is reported is the importance-weighted bound of q's
    draws, which does not rise with every step.

    Arguments:
        posterior: q(z|x), where the sampler begins.
        sampler: "importance" or "hmc".
        n_samples: S.
        n_proposals: draws of q that "importance" chooses among.
        n_moves, n_leapfrog: of each chain of "hmc"; the first half of the moves finds the step size of each row. Chains move
            under the model in evaluation mode, without its dropout.
        options: optimizer, learning_rate, schedule, gradient_clip, execution: see `AmortizedVI`.

    Raises: `AbilityError`, in `check`, for "hmc" where z is discrete; `ParameterError` for settings that cannot be used.

    Sources: Wei and Tanner, "A Monte Carlo implementation of the EM algorithm", 1990; Neal, "MCMC using Hamiltonian
    dynamics", 2011.

    >>> from latentia.posteriors import Exact
    >>> MonteCarloEM(Exact(), sampler="hmc").name
    'monte-carlo-em'
    """

    name = "monte-carlo-em"

    def __init__(
        self,
        posterior: nn.Module,
        *,
        sampler: str = "importance",
        n_samples: int = 5,
        n_proposals: int = 50,
        n_moves: int = 10,
        n_leapfrog: int = 5,
        **options: Any,
    ) -> None:
        goals = MonteCarloGoals(sampler, n_samples, n_proposals, n_moves, n_leapfrog)
        bound = ImportanceWeighted(n_proposals if sampler == "importance" else n_samples)
        super().__init__(AmortizedVI(posterior, bound=goals, **options), bound)
        self.sampler = sampler

    def check(self, model: Any) -> None:
        super().check(model)
        if not any(p.requires_grad for p in model.parameters()):
            raise AbilityError(
                f"{type(model).__name__} has no parameters to move. Use AmortizedVI, which moves q alone."
            )
        if self.sampler == "hmc":
            unbounded(model.prior(), "sampler='hmc'", INSTEAD)
