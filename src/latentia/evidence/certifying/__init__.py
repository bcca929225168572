"""A proof that any model can be put to."""

from typing import Any

from torch import nn

from . import consistency, repeated, simulated  # their claims are rows of the table
from .base import PROOFS, SKIPPED, Certificate, Check, Subject, knows_posterior, prove

__all__ = ["PROOFS", "Certificate", "Check", "certify", "consistency", "repeated", "simulated"]


def certify(
    model: nn.Module,
    posterior: nn.Module | None = None,
    *,
    exact: bool | None = None,
    seed: int = 0,
    only: tuple[str, ...] | None = None,
    name: str | None = None,
) -> Certificate:
    """Put a model, and a posterior for it, to the proof: masses, gradients, shapes, orders, calibration, repetition.

    Everything is computed in float64 on copies and on rows simulated from the model: no data are needed, and neither
    the model nor any global state is changed. Statistical claims fail by chance about once in a million certificates.

    Arguments:
        model: p(x, z): `prior()`, `likelihood(z)`, `log_joint(x, z)`, `sample(n)`, `latent_shape`, `event_shape`.
        posterior: q(z|x), called as `posterior(batch, model)`; None takes the model's own, where it knows it.
        exact: whether q claims to be the exact posterior, whose calibration then has to hold; None: if it is the
            model's own.
        seed: of rows, directions and draws.
        only: names of claims, of those in `testing.PROOFS`; None is all.
        name: of the subject; None is the model's class.

    Raises: `AbilityError` for a model of which nothing can be proven (an autoencoder draws no z), or whose rows share
        latents; `ParameterError` for an unknown claim.

    Returns a `Certificate`: `passed`, `failures`, and a table when printed.

    >>> from latentia.models import ProbabilisticPCA
    >>> certify(ProbabilisticPCA(3, 1), only=("shapes", "joint")).passed
    True
    """
    from ...abilities import has_globals
    from ...errors import AbilityError, ParameterError
    from ...posteriors import Exact

    if has_globals(model):
        raise AbilityError(
            f"A certificate is about rows that are independent given the parameters; all rows of {type(model).__name__} share "
            "latents. Compare its evidence of a data set with the enumeration: evidence.exact of a few rows."
        )
    strange = set(only or ()) - set(PROOFS)
    if strange:
        raise ParameterError(f"{sorted(strange)} are no claims. Use some of: {', '.join(PROOFS)}.")
    own = posterior is None or isinstance(posterior, Exact)
    claims_exact = (own and knows_posterior(model)) if exact is None else exact
    if posterior is None and knows_posterior(model):
        posterior = Exact()
    subject = Subject(model, posterior, claims_exact, seed)
    checks = [prove(key, subject) for key in PROOFS if only is None or key in only]
    if all(check.outcome == SKIPPED for check in checks):
        raise AbilityError(
            f"No claim could be put to the proof of {type(model).__name__}: {checks[0].detail.removeprefix('Refused: ')}"
        )
    return Certificate(name or _name(model, posterior), tuple(checks), seed)


def _name(model: Any, posterior: Any) -> str:
    return type(model).__name__ + (f" with {type(posterior).__name__}" if posterior is not None else "")
