"""What a model may be able to do, beyond prior and likelihood; and how a refusal is worded."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor
from torch.distributions import Distribution

from .batch import Batch, Batches
from .errors import AbilityError

Statistics = Mapping[str, Tensor]
Globals = Mapping[str, Tensor]  # parameters of q(theta), the latents that all rows share


class Expectation(NamedTuple):
    """What one E-step learns from a batch.

    Arguments:
        statistics: expected sufficient statistics under the exact posterior, summed over the rows with their
            weights; float64; statistics of batches add up key by key while the parameters stay as they are.
        log_prob: exact log p(x) of each row, nats, `(batch,)`, float64.
    """

    statistics: Statistics
    log_prob: Tensor


@runtime_checkable
class HasPosterior(Protocol):
    """Knows its exact posterior p(z|x)."""

    def posterior(self, x: Tensor, observed: Tensor | None = None) -> Distribution: ...


@runtime_checkable
class HasLogProb(Protocol):
    """Knows its exact log p(x), nats per row, `(batch,)`."""

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class HasBestPoint(Protocol):
    """Knows the z that explains a row best, argmax_z log p(x, z), `(batch, *latent)`."""

    def best_point(self, x: Tensor, observed: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class HasUpdate(HasPosterior, HasLogProb, Protocol):
    """Knows the closed-form M-step from additive expected statistics."""

    def initialise(self, batches: Batches, start: str, seed: int) -> None:
        """Choose parameters to start from; `start` is "auto", "k-means" or "random"."""
        ...

    def expect(self, batch: Batch) -> Expectation:
        """The E-step on one batch."""
        ...

    def update(self, statistics: Statistics) -> None:
        """The M-step: move the parameters to the maximum given the statistics of a whole pass."""
        ...

    def log_penalty(self) -> Tensor:
        """log density of the parameters' prior, up to a constant, nats per data set; zero without one."""
        ...


@runtime_checkable
class HasGlobals(Protocol):
    """Has latents theta that all rows share, under a prior whose form q(theta) keeps, beside a finite latent c of each row.

    Its evidence belongs to the data set, not to a row.
    """

    def prior_globals(self) -> Globals:
        """p(theta), in the form of q(theta)."""
        ...

    def start_globals(self, batches: Batches, start: str, seed: int) -> Statistics:
        """Statistics of a first guess at every c; may set what the prior takes from the data."""
        ...

    def update_globals(self, statistics: Statistics) -> Globals:
        """The best q(theta) given the expected statistics of all rows."""
        ...

    def globals_kl(self, theta: Globals) -> Tensor:
        """KL(q(theta) || p(theta)), nats per data set, 0-dimensional."""
        ...

    def expected_log_weights(self, theta: Globals) -> Tensor:
        """E_q[log p(c = k | theta)], nats, `(K,)`."""
        ...

    def expected_log_likelihood(self, x: Tensor, theta: Globals, observed: Tensor | None = None) -> Tensor:
        """E_q[log p(x | c = k, theta)], nats per row, `(batch, K)`."""
        ...

    def responsibilities(self, x: Tensor, theta: Globals, observed: Tensor | None = None) -> Distribution:
        """The best q(c) of each row given q(theta)."""
        ...

    def statistics(self, x: Tensor, r: Tensor) -> Statistics:
        """Expected statistics of rows, with q(c = k) x weight r, `(batch, K)`."""
        ...

    def improve(self, theta: Globals) -> None:
        """Move the hyperparameters that are learnt to where they are best for q(theta)."""
        ...


def has_globals(model: Any) -> bool:
    """Whether the model declares latents that all rows share."""
    return bool(getattr(model, "has_globals", False))


def refuse_globals(model: Any, what: str) -> None:
    """Raise `AbilityError` where the rows of the model are not independent of each other.

    >>> refuse_globals(object(), "AmortizedVI")
    """
    if has_globals(model):
        raise AbilityError(
            f"{what} needs rows that are independent given the parameters; all rows of {type(model).__name__} share "
            "latents. Use learn.VariationalEM."
        )


def require(model: Any, ability: type, what: str, instead: str) -> None:
    """Raise `AbilityError` unless the model has the ability; `instead` names what would do.

    >>> require(object(), HasLogProb, "exact evidence", "evidence.importance")
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: exact evidence needs a model that knows its exact log p(x); object does not. ...
    """
    if not isinstance(model, ability):
        knows = _KNOWS[ability.__name__]
        raise AbilityError(f"{what} needs a model that {knows}; {type(model).__name__} does not. Use {instead}.")


def add_statistics(parts: Iterable[Statistics]) -> dict[str, Tensor]:
    """Sum statistics key by key."""
    total: dict[str, Tensor] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total[key] + value if key in total else value
    return total


_KNOWS = {
    "HasPosterior": "knows its exact posterior",
    "HasLogProb": "knows its exact log p(x)",
    "HasBestPoint": "knows the z that explains a row best",
    "HasUpdate": "knows its closed-form update",
}
