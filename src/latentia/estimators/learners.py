"""Learners by name, with their own options, from an estimator's parameters."""

import inspect
import re
from collections.abc import Callable, Mapping
from math import isfinite
from numbers import Real
from types import NoneType
from typing import Any, get_args

import numpy as np

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
from ..networks import NormalisedMean
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
    return GAME_OPTIONS if name == "adversarial" else tuple(_kinds(name))


def _kinds(name: str) -> dict[str, Any]:
    """The type of each option of the learner's own, as its signature has it."""
    classes = {**ENCODED, "svi": SVI, "exact-em": ExactEM, "variational-em": VariationalEM}
    own = {key: p.annotation for key, p in inspect.signature(classes[name]).parameters.items() if key not in _SHARED}
    if name == "svi":
        theirs = inspect.signature(Local).parameters
        own |= {key: theirs[local].annotation for key, local in INFERENCE.items()}
    return own


def choose_offered(estimator: Any, names: tuple[str, ...], *, alone: bool = False) -> str:
    """The name of the estimator's learner, if it is among these.

    Arguments:
        names: of the learners that the estimator offers.
        alone: whether its model can be learnt by no other.

    Raises: `ParameterError`, which does not call a learner unknown that others learn by.

    >>> from latentia.estimators import GaussianMixture
    >>> choose_offered(GaussianMixture(), ("exact-em",))
    'exact-em'
    """
    asked, who = estimator.learner, type(estimator).__name__
    if asked in names or asked not in (*LEARNERS, "closed-form"):
        return choose("learner", asked, names)
    there = f"; in Python latentia.fit(models.{who}(...), learner, x) takes any of latentia.learn that fits the model"
    raise ParameterError(
        f"{who} does not learn by learner={asked!r}. Use learner={' or '.join(map(repr, names))}{'' if alone else there}."
    )


def learner_of(
    name: str, posterior: Posterior, family: Family | None, own: Mapping[str, Any] | None, shared: Mapping[str, Any]
) -> Learner:
    """The learner of that name.

    Arguments:
        posterior: the encoder's q; for "svi" its family is taken, and it is left aside.
        family: of z.
        own: options of the learner's own, see `options_of`.
        shared: bound, objective, optimizer, learning_rate, schedule, gradient_clip, execution.

    Raises: `ParameterError` for options that the learner has not, or of another type than its signature's;
        `AbilityError` for a posterior that does not fit it.
    """
    choose("learner", name, LEARNERS)
    options = _checked(name, own or {})
    if name in ("exact-em", "variational-em"):
        return (ExactEM if name == "exact-em" else VariationalEM)(**options)
    if name in GOALS_OF_THEIR_OWN:
        shared = _without_goals(name, shared)
    if name != "svi":
        return ENCODED[name](posterior, **options, **shared)
    if any(isinstance(part, NormalisedMean) for part in posterior.modules()):
        raise AbilityError(
            "batch_norm_mean is of an encoder's means, and learner='svi' has no encoder. Use learner='amortized' or "
            "'aggressive', or keep the KL up by committed_rate or free_bits."
        )
    if family is None:
        raise AbilityError("learner='svi' needs a family for z. Use posterior='normal'.")
    inference = {INFERENCE[key]: _positive(key, options.pop(key)) for key in INFERENCE if key in options}
    return SVI(Local(family, **inference), **options, **shared)


def _checked(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """The learner's own options, each of the type that its signature has."""
    kinds = _kinds(name)
    strange = sorted(set(own) - set(kinds))
    if strange:
        known = ", ".join(kinds) or "none"
        raise ParameterError(f"learner={name!r} has no option {', '.join(strange)}. It has: {known}.")
    return {key: as_kind(key, value, kinds[key]) for key, value in own.items()}


def as_kind(name: str, value: Any, kind: Any) -> Any:
    """The value as the type of a signature: int, float, bool, or one of them or None; words are for others to judge.

    >>> as_kind("window", 2.0, int), as_kind("mi_every", None, int | None)
    (2, None)
    >>> as_kind("through", "maybe", bool)
    Traceback (most recent call last):
    ...
    latentia.errors.ParameterError: through='maybe' cannot be used. Use true or false.
    """
    kinds = get_args(kind) or (kind,)
    if value is None and NoneType in kinds:
        return None
    for one, (fits, words) in FITTING.items():
        if one in kinds:
            if fits(value):
                return one(value)
            raise ParameterError(
                f"{name}={value!r} cannot be used. Use {words}{' or None' if NoneType in kinds else ''}."
            )
    return value


def _is_truth(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not _is_truth(value) and isfinite(value)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == int(value)


FITTING: dict[type, tuple[Callable[[Any], bool], str]] = {
    int: (_is_whole, "a whole number"),
    float: (_is_number, "a number"),
    bool: (_is_truth, "true or false"),
}


def _positive(name: str, value: Any) -> Any:
    """The value, if it is above 0: `Local` would refuse it under a name that the user did not write."""
    if not value > 0:
        raise ParameterError(
            f"{name}={value} is too small. Use {'1 or more' if isinstance(value, int) else 'more than 0'}."
        )
    return value


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
