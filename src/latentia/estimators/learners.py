"""Learners by name, with their own options, from an estimator's parameters."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import AbilityError, ParameterError, choose
from ..families import Family
from ..learn import (
    SVI,
    Aggressive,
    AmortizedVI,
    ExactEM,
    Learner,
    MonteCarloEM,
    ReweightedWakeSleep,
    SemiAmortizedVI,
    VariationalEM,
    WakeSleep,
)
from ..posteriors import Local, Posterior
from .gan_networks import GAME_OPTIONS

ENCODED: dict[str, Callable[..., Learner]] = {
    "amortized": AmortizedVI,
    "semi-amortized": SemiAmortizedVI,
    "aggressive": Aggressive,
    "wake-sleep": WakeSleep,
    "reweighted-wake-sleep": ReweightedWakeSleep,
    "monte-carlo-em": MonteCarloEM,
}
LEARNERS = (*ENCODED, "svi", "exact-em", "variational-em", "adversarial")
GOALS_OF_THEIR_OWN = ("wake-sleep", "reweighted-wake-sleep", "monte-carlo-em")
INFERENCE = {
    "infer_steps": "n_steps",
    "infer_rate": "learning_rate",
    "infer_samples": "n_samples",
}  # of posteriors.Local
_SHARED = ("self", "posterior", "bound", "objective", "optimizer", "learning_rate", "schedule", "gradient_clip")
_SHARED += ("execution", "options", "seed", "dtype")


def options_of(name: str) -> tuple[str, ...]:
    """Names of the options that a learner has for itself.

    >>> options_of("reweighted-wake-sleep")
    ('n_samples', 'fit')
    """
    if name == "adversarial":
        return GAME_OPTIONS
    classes = {**ENCODED, "svi": SVI, "exact-em": ExactEM, "variational-em": VariationalEM}
    own = tuple(key for key in inspect.signature(classes[name]).parameters if key not in _SHARED)
    return (*own, *INFERENCE) if name == "svi" else own


def learner_of(
    name: str, posterior: Posterior, family: Family | None, own: Mapping[str, Any] | None, shared: Mapping[str, Any]
) -> Learner:
    """The learner of that name.

    Arguments:
        posterior: the encoder's q; for "svi" its family is taken, and it is left aside.
        family: of z.
        own: options of the learner's own, see `options_of`.
        shared: bound, objective, optimizer, learning_rate, schedule, gradient_clip, execution.

    Raises: `ParameterError` for options that the learner has not; `AbilityError` for a posterior that does not fit it.
    """
    choose("learner", name, LEARNERS)
    options = dict(own or {})
    strange = sorted(set(options) - set(options_of(name)))
    if strange:
        known = ", ".join(options_of(name)) or "none"
        raise ParameterError(f"learner={name!r} has no option {', '.join(strange)}. It has: {known}.")
    if name in ("exact-em", "variational-em"):
        return (ExactEM if name == "exact-em" else VariationalEM)(**options)
    if name in GOALS_OF_THEIR_OWN:
        shared = _without_goals(name, shared)
    if name != "svi":
        return ENCODED[name](posterior, **options, **shared)
    if family is None:
        raise AbilityError("learner='svi' needs a family for z. Use posterior='normal'.")
    inference = {INFERENCE[key]: options.pop(key) for key in INFERENCE if key in options}
    return SVI(Local(family, **inference), **options, **shared)


def _without_goals(name: str, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The shared options but bound and objective, which must be as they are when nobody asked for them."""
    objective, bound = shared["objective"], shared["bound"]
    if not objective.is_bound or type(bound).__name__ != "Elbo":
        raise ParameterError(
            f"learner={name!r} has goals of its own, in which no other bound and no weight of the KL has a place. Leave "
            "them out, or use learner='amortized', 'semi-amortized', 'aggressive' or 'svi'."
        )
    return {key: value for key, value in shared.items() if key not in ("bound", "objective")}


def parsed_options(text: str) -> dict[str, Any]:
    """Options from text such as `max_inner=50, through=false`; sizes are written 64x64, pairs 0.5:0.99.

    Raises: `ParameterError` where it cannot be read.

    >>> parsed_options("max_inner=50,sampler=hmc,step_rate=0.5,through=no,hidden=64x64")
    {'max_inner': 50, 'sampler': 'hmc', 'step_rate': 0.5, 'through': False, 'hidden': (64, 64)}
    """
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not (sign and name and value):
            raise ParameterError(f"{part!r} is no option. Write name=value, several with commas, such as max_inner=50.")
        found[name.replace("-", "_")] = _value(value)
    return found


def _value(text: str) -> Any:
    words = {"true": True, "yes": True, "false": False, "no": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"\d+(x\d+)+", text):
        return tuple(int(size) for size in text.split("x"))
    if ":" in text:
        return tuple(_value(part) for part in text.split(":"))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
