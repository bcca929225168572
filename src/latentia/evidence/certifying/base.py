"""What a certificate is: claims, each put to the proof."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from ...abilities import HasPosterior
from ...batch import Batch
from ...bounds.evaluate import evaluating
from ...errors import AbilityError
from ...randomness import Stream

PASSED, FAILED, NOTED, SKIPPED = "passed", "failed", "noted", "skipped"
ROWS, LONG = 24, 1000


class Refuted(Exception):
    """A claim does not hold; the message says by how much."""


class Unproven(Exception):
    """A claim that does not apply, or could not be decided; the message says why."""


class Noted(NamedTuple):
    """A measurement about which nothing is claimed."""

    text: str


@dataclass(frozen=True)
class Check:
    """One claim and how it fared.

    Arguments:
        name: short.
        claim: what has to hold, in a sentence.
        outcome: "passed", "failed", "noted" (measured, nothing claimed) or "skipped".
        detail: the numbers, or why it was skipped.
    """

    name: str
    claim: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class Certificate:
    """All checks of one model.

    Arguments:
        subject: what was put to the proof.
        checks: in their order.
        seed: of all simulated rows and directions.
    """

    subject: str
    checks: tuple[Check, ...]
    seed: int

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def proven(self) -> int:
        """How many claims were put to the proof and hold."""
        return sum(check.outcome == PASSED for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.outcome == FAILED)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        checks = [asdict(check) for check in self.checks]
        return {"subject": self.subject, "passed": self.passed, "seed": self.seed, "checks": checks}

    def __str__(self) -> str:
        lines = [f"{self.subject}: {'passed' if self.passed else 'FAILED'}"]
        return "\n".join(lines + [f"  {c.outcome:8s}{c.name}: {c.detail}" for c in self.checks])


class Subject:
    """A model and a posterior under proof: copies in float64, and rows simulated from the model.

    Arguments:
        model: p(x, z).
        posterior: q(z|x); None for a model that is examined alone.
        exact: whether q claims to be the exact posterior.
        seed: of everything that is drawn.
    """

    def __init__(self, model: nn.Module, posterior: nn.Module | None, exact: bool, seed: int) -> None:
        self.given = (model, posterior)
        self.model: Any = deepcopy(model).double().eval()
        self.posterior: Any = None if posterior is None else deepcopy(posterior).double().eval()
        for module in filter(None, (self.model, self.posterior)):
            module.requires_grad_(True)  # a fitted estimator has switched gradients off
        self.exact, self.seed = exact, seed

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return tuple(self.model.latent_shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.model.event_shape)

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """(z, x) drawn from the joint, `(1, LONG, *latent)` and `(LONG, *event)`."""
        with Stream(self.seed + 1), evaluating(self.model):
            z = self.model.prior().sample(torch.Size((1, LONG)))
            return z, self.model.likelihood(z).sample().squeeze(0).double()

    @cached_property
    def x(self) -> Tensor:
        """ROWS rows from the model's own `sample`, `(ROWS, *event)`."""
        with Stream(self.seed), evaluating(self.model):
            return self.model.sample(ROWS).double()

    @property
    def batch(self) -> Batch:
        return Batch(self.x, torch.arange(len(self.x)))

    def q(self, x: Tensor | None = None) -> Distribution:
        """q(z|x) of rows; refuses where there is none."""
        if self.posterior is None:
            raise Unproven("No posterior was given, and the model does not know its own.")
        rows = self.x if x is None else x
        return self.posterior(Batch(rows, torch.arange(len(rows))), self.model)

    def density(self) -> None:
        """Refuse a model whose likelihood is none."""
        if not getattr(self.model, "is_density", True):
            raise Unproven("p(x|z) has no density: it is a reconstruction error, or a generator without noise.")

    def z(self, n: int) -> Tensor:
        """n latents for each of the ROWS rows, `(n, ROWS, *latent)`."""
        with Stream(self.seed + 2):
            return self.model.prior().sample(torch.Size((n, len(self.x))))


Proof = Callable[[Subject], "str | Noted"]
PROOFS: dict[str, tuple[str, Proof]] = {}


def claim(name: str, text: str) -> Callable[[Proof], Proof]:
    """Put a proof into the table, under its name, with the claim it is about."""

    def add(proof: Proof) -> Proof:
        PROOFS[name] = (text, proof)
        return proof

    return add


def prove(name: str, subject: Subject) -> Check:
    """One check; whatever is raised is a failure, with its words."""
    text, proof = PROOFS[name]
    try:
        with torch.no_grad():
            found = proof(subject)
    except Refuted as refuted:
        return Check(name, text, FAILED, str(refuted))
    except Unproven as unproven:
        return Check(name, text, SKIPPED, str(unproven))
    except AbilityError as refusal:
        return Check(name, text, SKIPPED, f"Refused: {refusal}")
    except Exception as error:
        return Check(name, text, FAILED, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    return Check(
        name, text, NOTED if isinstance(found, Noted) else PASSED, found if isinstance(found, str) else found.text
    )


def worst(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, relative to 1 + |wanted|; infinite where only one of them is finite."""
    same = (found == wanted) | (torch.isnan(found) & torch.isnan(wanted))
    gap = ((found - wanted).abs() / (1 + wanted.abs())).masked_fill(same, 0.0)
    return float(gap.nan_to_num(nan=float("inf"), posinf=float("inf")).max()) if gap.numel() else 0.0


def require_close(found: Tensor, wanted: Tensor, tolerance: float, what: str) -> str:
    """A sentence with the largest relative difference; `Refuted` above the tolerance."""
    gap = worst(found, wanted)
    if not gap <= tolerance:
        raise Refuted(f"{what}: they differ by {gap:.2g} (relative; {tolerance:g} is allowed).")
    return f"{what}: largest relative difference {gap:.1g}"


def knows_posterior(model: Any) -> bool:
    """Whether the model knows its exact posterior."""
    return isinstance(model, HasPosterior)


def is_finite(prior: Distribution) -> bool:
    """Whether z is one of finitely many."""
    return isinstance(prior, Categorical)
