"""Gradient estimators: given to a bound, by name or as an object with its settings."""

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from ...errors import AbilityError, ParameterError
from ...families import GRADIENTS, gradients_of
from .antithetic import Arm, Disarm
from .base import Drawn, Gradient, LogMean, over_samples
from .pathwise import DoublyReparameterised, Implicit, Pathwise, Relaxed, StickingTheLanding, StraightThrough
from .score import LearntBaseline, LeaveOneOut, MovingAverage, Score, Vimco

__all__ = [
    "Arm",
    "Disarm",
    "DoublyReparameterised",
    "Drawn",
    "Gradient",
    "Implicit",
    "LearntBaseline",
    "LeaveOneOut",
    "LogMean",
    "MovingAverage",
    "Pathwise",
    "Relaxed",
    "Score",
    "StickingTheLanding",
    "StraightThrough",
    "Vimco",
    "as_gradient",
    "over_samples",
]
KINDS: tuple[type[Gradient], ...] = (
    Pathwise,
    Implicit,
    Relaxed,
    StraightThrough,
    Score,
    MovingAverage,
    LearntBaseline,
    LeaveOneOut,
    Vimco,
    Arm,
    Disarm,
    StickingTheLanding,
    DoublyReparameterised,
)
_MADE = {kind.name: kind() for kind in KINDS}
THROUGH_THE_DRAW = ("auto", "enumeration")  # names of a bound's own choice: a sum where it can, else the path


def as_gradient(gradient: str | Gradient, kind: str, n_samples: int, among: Collection[str] | None = None) -> Gradient:
    """The estimator of that name, for a bound of that kind ("elbo" or "importance") and so many samples.

    `among` are the names that may be proposed instead; without it those of the bound, whatever the posterior.

    Raises: `ParameterError` for an unknown name or number of samples, `AbilityError` where the bound has no such gradient.

    >>> as_gradient("disarm", "elbo", 2)
    Disarm()
    >>> as_gradient("vimco", "elbo", 2)
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: The ELBO has no gradient 'vimco', which is one of bounds of many samples. Use ...
    """
    own = ", ".join(names_for(kind) if among is None else among)
    if gradient == "enumeration" and kind != "elbo":
        raise AbilityError(f"Only the ELBO is summed over all z; a bound of many samples needs draws. Use {own}.")
    if gradient in THROUGH_THE_DRAW:
        return _MADE["pathwise"]
    found = _MADE.get(gradient) if isinstance(gradient, str) else gradient
    if not isinstance(found, Gradient):
        raise ParameterError(f"gradient={gradient!r} is not known. {near_gradients(str(gradient))}")
    if kind not in found.bounds:
        here, there = ("The ELBO", "bounds of many samples")
        here, there = (here, there) if kind == "elbo" else ("A bound of many samples", "the ELBO")
        raise AbilityError(f"{here} has no gradient {found.name!r}, which is one of {there}. Use {own}.")
    found.check(n_samples)
    return found


def names_for(kind: str, q: Any = None) -> tuple[str, ...]:
    """Names of the estimators that a bound of that kind has, for a family where one is given.

    >>> names_for("elbo", "pareto")
    ('pathwise',)
    """
    bound = [one.name for one in _MADE.values() if kind in one.bounds]
    if q is None:
        return tuple(bound)
    return tuple(name for name in gradients_of(q) if name in bound or (name == "enumeration" and kind == "elbo"))


def made_gradient(name: str, options: Mapping[str, Any] | None) -> str | Gradient:
    """The estimator of that name with options of its own; the name itself where there are none.

    Raises: `ParameterError` for what is no name or no option of it.

    >>> made_gradient("moving-average", {"decay": 0.9})
    MovingAverage(decay=0.9)
    """
    if not isinstance(name, str):
        raise ParameterError(
            f"gradient={name!r} cannot be used. Use a name, and gradient_options for what it is made with."
        )
    if not options:
        return name
    if not isinstance(options, Mapping):
        raise ParameterError(
            f'gradient_options={options!r} cannot be used. Use a dictionary, such as {{"decay": 0.9}}, or None.'
        )
    found = _MADE.get(name)
    known = [] if found is None else [field.name for field in fields(found)]
    wrong = sorted(set(options) - set(known))
    if wrong or found is None:
        has = f"It has {', '.join(known)}." if known else "It has none."
        raise ParameterError(f"gradient={name!r} has no option {' or '.join(map(repr, wrong or options))}. {has}")
    return replace(found, **{key: _like(getattr(found, key), value) for key, value in options.items()})


def _like(usual: Any, value: Any) -> Any:
    """A value of the usual one's kind: sizes are a tuple, of a single number too, a number is a number."""
    if isinstance(usual, tuple):
        return tuple(value) if isinstance(value, list | tuple) else (value,)
    return value


def near_gradients(name: str) -> str:
    """The nearest known names, in a sentence."""
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("_", "-").replace(" ", "-"), GRADIENTS, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else f"Use one of: {', '.join(GRADIENTS)}."
