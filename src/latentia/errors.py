"""What can go wrong, and whose it is to mend.

    LatentiaError
    ├── UserError            the user can mend it: one sentence, exit code 2
    │   ├── DataError        the data are not what the model or the format needs
    │   ├── ParameterError   an argument has a value that cannot be used
    │   ├── AbilityError     a model is asked for what it cannot do
    │   │   └── NotOffered   ... by a method that it does not have
    │   ├── RunError         a run folder is missing, taken, newer or damaged
    │   ├── NonFiniteError   a loss stopped being a number
    │   ├── MemoryLimitError a step does not fit into the device's memory
    │   └── ProcessError     several processes cannot go on together
    └── (anything else is a fault of ours: exit code 1)

A message says what came, what was expected and what to try.
"""

from typing import Any


class LatentiaError(Exception):
    """The root of every error that latentia raises on purpose."""


class UserError(LatentiaError):
    """Something that the user can mend."""


class DataError(UserError, ValueError):
    """The data are not what the model or the file format needs."""


class ParameterError(UserError, ValueError):
    """An argument has a value that cannot be used."""


class AbilityError(UserError, TypeError):
    """A model, posterior or bound is asked for something that it cannot do."""


class NotOffered(AbilityError, AttributeError):
    """A method that this kind of model cannot have; `hasattr` says no."""


class RunError(UserError, OSError):
    """A run folder is missing, taken already, newer than this version, or damaged."""


class NonFiniteError(UserError, ArithmeticError):
    """A loss, a parameter or a statistic stopped being a number.

    Attributes:
        fit: what was learnt before, a `Fit` with the last good weights, or None.
    """

    fit: Any = None


class MemoryLimitError(UserError, MemoryError):
    """A step does not fit into the device's memory."""


class ProcessError(UserError, RuntimeError):
    """Several processes that work on one problem cannot go on together."""


def choose(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`, else raise `ParameterError` that lists them.

    >>> choose("scale", "none", ("auto", "none"))
    'none'
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise ParameterError(f"{name}={value!r} is not known. Use one of: {', '.join(allowed)}.")
