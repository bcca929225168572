"""From what the columns hold to a likelihood and a scaling, stated in words."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..binarise import Binarise
from ..errors import DataError, ParameterError, choose
from ..families import (
    INFLATED,
    TABLE,
    Family,
    check_standing,
    family,
    first_cell,
    row_of,
)
from ..scaling import Scaling
from .facts import ArrayFacts, Facts, as_facts

SUPPORTS = {row.name: row.support for row in TABLE if "likelihood" in row.stands} | dict.fromkeys(INFLATED, "counts")
LIKELIHOODS = ("auto", *SUPPORTS)
ON_THE_LINE = tuple(
    name for name, support in SUPPORTS.items() if support in ("real", "rows")
)  # any loc and scale will do
WHOLE = ("coins", "counts", "categories", "levels")
FLOW_CONTEXT = 32  # raw numbers that a network gives a flow's maps
SCALES = ("auto", "none", "standard", "unit")
FLOOR = 0.01  # least noise scale, as a share of the columns' standard deviation
DENSITIES = ("normal", "continuous-bernoulli")


@dataclass(frozen=True)
class Plan:
    """What a model of these columns is made of.

    Arguments:
        kind: what the columns hold: "binary", "grey" (whole numbers from 0 to at most 255) or "real".
        likelihood: name of the family.
        scaling: between the user's units and the model's.
        mean, sd: of each column, in the model's units, `(columns,)`.
        floor: least scale of a normal likelihood, in the model's units; 0 for none.
        sentences: the same in words.
    """

    kind: str
    likelihood: str
    scaling: Scaling
    mean: np.ndarray
    sd: np.ndarray
    floor: float
    sentences: tuple[str, ...]

    @property
    def is_probability(self) -> bool:
        """Whether log p(x) is the log of a probability (of whole numbers), so that bits per dimension mean something."""
        return self.scaling.levels is not None or SUPPORTS.get(self.likelihood) in WHOLE

    def family(
        self, n_features: int, noise: float | str, n_categories: int = 2, own: dict[str, Any] | None = None
    ) -> Family:
        """The family of the likelihood, for rows of `n_features` cells; noise "auto" is one scale for grey levels.

        Arguments:
            own: further options of the family, from the user.
        """
        options: dict[str, Any] = {}
        if self.likelihood == "normal":
            if noise == "auto":
                noise = "per-feature" if self.scaling.levels is None else "one"
            options = {"scale": noise, "floor": self.floor}
        if self.likelihood == "categorical":
            options = {"n_categories": n_categories}
        if self.likelihood == "discretised-logistic-mixture":
            options = {"high": max(1, n_categories - 1)}
        if self.likelihood.endswith("-flow"):
            options = {"n_context": FLOW_CONTEXT}
        for name in options:
            if name in (own or {}):
                raise ParameterError(
                    f"likelihood_options has {name!r}, which the data or `noise` decide. Leave it out."
                )
        return family(self.likelihood, (n_features,), **options, **(own or {}))

    @property
    def by_row(self) -> bool:
        """Whether the likelihood is one density of a whole row."""
        return SUPPORTS[self.likelihood] in ("rows", "simplex", "sphere")

    @property
    def counts_levels(self) -> bool:
        """Whether the family must be told how many values a cell has."""
        return self.likelihood in ("categorical", "discretised-logistic-mixture")


def column_kind(x: np.ndarray | Facts) -> str:
    """What the columns hold: "binary", "grey" or "real".

    >>> column_kind(np.array([[0, 1], [1, 1]])), column_kind(np.array([[0, 16]])), column_kind(np.array([[0.5]]))
    ('binary', 'grey', 'real')
    """
    return as_facts(x).kind


def make_plan(
    x: np.ndarray | Facts,
    likelihood: str,
    scale: str,
    weight: np.ndarray | None = None,
    columns: Sequence[str] | None = None,
    exact_levels: bool = True,
) -> Plan:
    """Choose likelihood and scaling for rows x `(rows, columns)`; raises `DataError` where they do not fit.

    With `exact_levels` whole numbers under a density are given the masses of intervals.
    """
    if likelihood != "auto":
        check_standing(likelihood, "likelihood")  # an unknown name is told its nearest neighbours
    choose("likelihood", likelihood, LIKELIHOODS)
    facts = as_facts(x, weight)
    kind = facts.kind
    if likelihood == "auto":
        likelihood = "bernoulli" if kind == "binary" else "normal"
    discrete = exact_levels and kind == "grey" and likelihood in DENSITIES
    scaling = make_scaling(facts, _scale_name(scale, kind, likelihood), levels=discrete, closed=likelihood != "normal")
    mean, sd = facts.moments(scaling)
    floor = 0.0 if discrete or likelihood != "normal" else FLOOR * float(sd[sd > 0].mean() if (sd > 0).any() else 1.0)
    sentences = _sentences(facts, kind, likelihood, scaling, floor)
    return Plan(kind, likelihood, scaling, mean, sd, floor, sentences)


def _scale_name(scale: str, kind: str, likelihood: str) -> str:
    choose("scale", scale, SCALES)
    if scale == "standard" and likelihood not in ON_THE_LINE:
        raise ParameterError(
            f"scale='standard' gives values that a {likelihood} likelihood cannot explain: it needs "
            f"{row_of(likelihood).family.values}. Use scale='unit', scale='none' or likelihood='normal'."
        )
    if scale != "auto":
        return scale
    if likelihood in ON_THE_LINE:
        return "unit" if kind == "grey" else "standard"
    return "unit" if kind == "grey" and likelihood in ("continuous-bernoulli", "cross-entropy") else "none"


def make_scaling(
    x: np.ndarray | Facts, scale: str, weight: np.ndarray | None = None, *, levels: bool = False, closed: bool = False
) -> Scaling:
    """The scaling of that name for rows x.

    Arguments:
        x: rows, user's units, `(rows, columns)`, or what is known about them.
        scale: "none"; "standard", each column to mean 0 and standard deviation 1; "unit", whole numbers by one map
            for all columns and real columns each by its own, to [0, 1].
        weight: of the rows, `(rows,)`.
        levels: whether the values are integer levels, to be explained as such.
        closed: whether the family lives on [0, 1], so that K levels share it out in K parts.
    """
    facts = as_facts(x, weight)
    ends = _levels(facts) if levels else None
    if scale == "none":
        return Scaling(levels=ends, text="none")
    if scale == "standard":
        mean, sd = facts.moments()
        return Scaling(
            mean, np.where(sd > 0, sd, 1.0), levels=ends, text="standard (each column to mean 0, deviation 1)"
        )
    if facts.kind != "real":
        low, high = ends or _levels(facts)
        if ends and closed:
            return Scaling(
                low - 0.5, high - low + 1, levels=ends, text=f"unit (({low:g}..{high:g}) shared out over [0, 1])"
            )
        return Scaling(low, max(high - low, 1), levels=ends, text=f"unit ({low:g}..{high:g} to [0, 1])")
    low, high = facts.low, facts.high
    return Scaling(low, np.where(high > low, high - low, 1.0), text="unit (each column's range to [0, 1])")


def _levels(facts: Facts) -> tuple[float, float]:
    high = float(facts.high.max())
    return 0.0, 255.0 if high > 127 else max(high, 1.0)


def _sentences(facts: Facts, kind: str, likelihood: str, scaling: Scaling, floor: float) -> tuple[str, ...]:
    values = {
        "binary": "zeros and ones",
        "grey": f"whole numbers from {facts.low.min():g} to {facts.high.max():g}",
        "real": "real numbers",
    }[kind]
    out = [f"The columns hold {values}; likelihood: {likelihood}; scaling: {scaling.text}."]
    if scaling.levels is not None:
        low, high = scaling.levels
        out.append(
            f"Dequantisation: exact; each level from {low:g} to {high:g} is given the mass of the interval of width one "
            "around it, so that log p(x) is the log-probability of whole numbers."
        )
    if floor:
        out.append(
            f"The noise scale is at least {floor:.3g} model units: a normal density on noiseless values has no optimum."
        )
    return tuple(out)


def check_support(x: np.ndarray | Facts, plan: Plan, family: Family, columns: Sequence[str] | None = None) -> None:
    """Raise `DataError` where a value has no density under the likelihood."""
    if not isinstance(x, Facts):
        return _check_support(x, plan, family, columns)
    try:
        _check_support(x.witnesses(), plan, family, columns)
    except DataError as error:
        if isinstance(x, ArrayFacts):
            raise
        raise DataError(re.sub(r"row \d+, column", "column", str(error))) from None  # a witness is no row of the data


def _check_support(x: np.ndarray, plan: Plan, family: Family, columns: Sequence[str] | None) -> None:
    levels = plan.scaling.levels
    if levels is None:
        family.check(
            x if plan.scaling.identity else plan.scaling.to_model(torch.as_tensor(x).double()).numpy(), columns
        )
        return
    found = first_cell(x, (x < levels[0]) | (x > levels[1]) | (x != np.floor(x)), columns)
    if found is not None:
        raise DataError(
            f"The model explains whole numbers from {levels[0]:g} to {levels[1]:g}; {found}. "
            "Give the data in the units of the fit, or fit with likelihood='normal' on real numbers."
        )


def warn_constant(sd: np.ndarray, columns: Sequence[str] | None) -> None:
    """One warning that names the constant columns, where there are some and not all cells are pixels at rest."""
    constant = np.flatnonzero(sd == 0)
    if not len(constant):
        return
    names = [str(columns[i]) if columns is not None else str(i) for i in constant[:8]]
    more = f" and {len(constant) - len(names)} more" if len(constant) > len(names) else ""
    warnings.warn(
        f"{len(constant)} of {len(sd)} columns are constant ({', '.join(names)}{more}); they tell rows apart by nothing.",
        UserWarning,
        stacklevel=5,
    )


def make_binarise(how: str | None, x: np.ndarray | Facts) -> Binarise | None:
    """The transform of that name, from the range of x to coin flips; None for None."""
    if how is None:
        return None
    facts = as_facts(x)
    least, most = facts.low.min(), facts.high.max()
    low, high = _levels(facts) if facts.kind == "grey" else (0.0, 1.0)
    if facts.kind == "real" and (least < 0 or most > 1):
        raise DataError(
            f"binarize={how!r} needs grey levels: values in [0, 1], or whole numbers from 0 to 255; the values reach from "
            f"{least:g} to {most:g}. Rescale them first."
        )
    return Binarise(how, low, high)


def numbers(plan: Plan) -> dict[str, Any]:
    """What must be written down to build the same model again (the scaling's arrays are with the weights)."""
    return {
        "kind": plan.kind,
        "likelihood": plan.likelihood,
        "floor": plan.floor,
        "levels": plan.scaling.levels,
        "scaling": plan.scaling.text,
        "sentences": list(plan.sentences),
    }
