"""The kinds of numbers that estimators take, checked by name before anything is built."""

from inspect import signature
from numbers import Integral, Real
from typing import Any

from ..errors import ParameterError

WHOLE = (
    "batch_size",
    "channels",
    "critic_steps",
    "diagnose_every",
    "free_bits_group",
    "kl_cycles",
    "kl_warm_up",
    "latent_categories",
    "max_epochs",
    "max_length",
    "max_words",
    "min_count",
    "n_components",
    "n_embed",
    "n_heads",
    "n_hidden",
    "n_init",
    "n_latent",
    "n_layers",
    "n_pseudo_inputs",
    "n_samples",
    "pack",
    "patience",
    "pretrain_epochs",
)
NUMBERS = (
    "alpha",
    "average",
    "batch_norm_mean",
    "committed_rate",
    "contraction",
    "corruption_share",
    "critic_learning_rate",
    "dropout",
    "free_bits",
    "gradient_clip",
    "gradient_penalty",
    "kl_weight",
    "learning_rate",
    "max_time",
    "mean_precision",
    "noise_scale",
    "prior_scale",
    "r1",
    "r2",
    "regulariser",
    "ridge",
    "sparsity",
    "target_rate",
    "temperature",
    "tol",
    "validation_fraction",
    "word_dropout",
)
OF_LEARNERS = ("game_weight",)  # numbers among a learner's own options
FROM_ONE = ("batch_size", "channels")
MAY_BE_NONE = ("critic_learning_rate", "gradient_clip", "max_time", "patience", "target_rate")


def check_numbers(estimator: Any) -> None:
    """Raise `ParameterError` for the first parameter that is no number, or no whole one where rows or units are counted.

    >>> from latentia import VAE
    >>> check_numbers(VAE(n_samples=1.5))
    Traceback (most recent call last):
    ...
    latentia.errors.ParameterError: n_samples=1.5 cannot be used. Use a whole number.
    """
    given: dict[str, Any] = estimator.get_params(deep=False)
    defaults = signature(type(estimator).__init__).parameters
    for name, value in given.items():
        if value is None and (name in MAY_BE_NONE or defaults[name].default is None):
            continue
        check_kind(name, value)


def check_kind(name: str, value: Any) -> None:
    """Raise `ParameterError` where a value is not of the kind that its name asks for; other names pass.

    >>> check_kind("betas", 0.5)
    Traceback (most recent call last):
    ...
    latentia.errors.ParameterError: betas=0.5 cannot be used. Use two numbers from 0 to below 1, such as (0.5, 0.99).
    """
    if name in WHOLE and not _is_whole(value):
        raise ParameterError(f"{name}={value!r} cannot be used. Use a whole number.")
    if name in FROM_ONE and float(value or 0) < 1:
        raise ParameterError(f"{name}={value!r} is too small. Use 1 or more.")
    if name == "hidden" and not _are_sizes(value):
        raise ParameterError(f"hidden={value!r} cannot be used. Use the sizes of the layers, such as (256, 256).")
    if name in (*NUMBERS, *OF_LEARNERS) and not _is_number(value):
        raise ParameterError(f"{name}={value!r} cannot be used. Use a number.")
    if name == "betas" and not _are_betas(value):
        raise ParameterError(f"betas={value!r} cannot be used. Use two numbers from 0 to below 1, such as (0.5, 0.99).")
    if name == "spectral" and not isinstance(value, bool):
        raise ParameterError(f"spectral={value!r} cannot be used. Use true or false.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _are_betas(value: Any) -> bool:
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    return pair and all(_is_number(beta) and 0 <= beta < 1 for beta in value)


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())


def _are_sizes(value: Any) -> bool:
    return not isinstance(value, str) and hasattr(value, "__iter__") and all(map(_is_whole, value))
