"""The table of families: where each may stand, which gradients are valid for it, and what is refused, in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import signature
from math import inf
from typing import Any

from torch.distributions import Distribution, Independent, MixtureSameFamily

from ..errors import ParameterError
from . import cells, counts, flows, positives, real, rows, shares
from .base import Family


@dataclass(frozen=True)
class Row:
    """One family.

    Arguments:
        family: the class.
        support: where its draws lie, a name of `WITHIN`.
        gradients: of E[f(z)] by its parameters: "pathwise", "implicit" (pathwise through the cdf), "relaxed" (of the
            relaxed problem), "straight-through" (biased), "enumeration" (exact, a sum), "score", "antithetic" (pairs of coins).
        stands: of "posterior", "likelihood", "prior".
        moves: whether the support's ends depend on the parameters.
        closed: names of the families p for which KL(this || p) has a closed form.
        moment: as a prior, the k for which KL(q || this) asks that E_q|z|^k be finite.
        never: as a prior, the families q under which E_q of its exponential tail is infinite, or is for some parameters.
    """

    family: type[Family]
    support: str
    gradients: tuple[str, ...]
    stands: tuple[str, ...] = ("posterior", "likelihood", "prior")
    moves: bool = False
    closed: tuple[str, ...] = ()
    moment: float = 0.0
    never: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the family, in lower case with dashes."""
        return self.family.name

    @property
    def parameters(self) -> str:
        """First sentence of the family's own words: its density, parameters and units."""
        return (self.family.__doc__ or "").strip().split("\n")[0]


# A draw in the first support is a draw in each of the second ones.
WITHIN = {
    "real": ("real",),
    "positive": ("positive", "real"),
    "moving positive interval": ("positive", "real"),
    "unit interval": ("unit interval", "positive", "real"),
    "moving interval": ("real",),
    "coins": ("coins", "counts"),
    "counts": ("counts",),
    "levels": ("levels", "counts"),
    "categories": ("categories",),
    "one-hot": ("one-hot",),
    "simplex": ("simplex",),
    "rows": ("real",),
    "sphere": ("sphere",),
}
GAMMAS = ("exponential", "gamma", "erlang", "chi-squared")
POSITIVES = (*GAMMAS, "lognormal", "weibull", "rayleigh")
PATHWISE, IMPLICIT, SCORE = ("pathwise", "score"), ("implicit", "score"), ("score",)
COIN = ("enumeration", "score", "antithetic")
COINS = ("bernoulli", "straight-through-bernoulli", "poisson")
MOVING: dict[str, Any] = {"gradients": ("pathwise",), "stands": ("posterior", "prior"), "moves": True}

TABLE = (
    Row(cells.Normal, "real", PATHWISE, closed=("normal", "laplace", "gumbel"), moment=2),
    Row(rows.FullNormal, "rows", PATHWISE, closed=("full-normal", "low-rank-normal", "normal"), moment=2),
    Row(rows.LowRankNormal, "rows", PATHWISE, closed=("full-normal", "low-rank-normal", "normal"), moment=2),
    Row(real.Laplace, "real", PATHWISE, closed=("laplace", "normal"), moment=1),
    Row(real.Logistic, "real", PATHWISE, closed=("normal", "laplace"), moment=1),
    Row(real.Gumbel, "real", PATHWISE, closed=("gumbel", "normal"), moment=inf, never=("laplace", "logistic")),
    Row(real.StudentT, "real", IMPLICIT),
    Row(rows.MultivariateStudentT, "rows", IMPLICIT),
    Row(real.Cauchy, "real", PATHWISE, closed=("cauchy",)),
    Row(real.Uniform, "moving interval", **MOVING, closed=("uniform", "pareto", "normal", "laplace", "gumbel")),
    Row(real.Triangular, "moving interval", **MOVING, closed=("normal",)),
    Row(positives.Exponential, "positive", PATHWISE, closed=("normal", "gumbel", *POSITIVES), moment=1),
    Row(positives.Gamma, "positive", IMPLICIT, closed=("normal", "gumbel", *POSITIVES), moment=1),
    Row(positives.Erlang, "positive", PATHWISE, closed=("normal", "gumbel", *POSITIVES), moment=1),
    Row(positives.ChiSquared, "positive", IMPLICIT, closed=("normal", "gumbel", *POSITIVES), moment=1),
    Row(positives.FisherSnedecor, "positive", IMPLICIT, closed=("lognormal",)),
    Row(positives.LogNormal, "positive", PATHWISE, closed=("normal", *POSITIVES)),
    Row(positives.Weibull, "positive", PATHWISE, closed=("normal", *POSITIVES), moment=inf),
    Row(positives.Rayleigh, "positive", PATHWISE, closed=("normal", *POSITIVES), moment=2),
    Row(positives.Gompertz, "positive", PATHWISE, moment=inf, never=("lognormal", "weibull", *GAMMAS)),
    Row(positives.Pareto, "moving positive interval", **MOVING, closed=("pareto", "lognormal")),
    Row(positives.Reciprocal, "moving positive interval", **MOVING, closed=("reciprocal", "normal", *POSITIVES)),
    Row(shares.Beta, "unit interval", IMPLICIT, closed=("beta", "normal", "uniform", *POSITIVES)),
    Row(shares.Kumaraswamy, "unit interval", PATHWISE, closed=("normal", *POSITIVES)),
    Row(cells.ContinuousBernoulli, "unit interval", PATHWISE, closed=("continuous-bernoulli", "normal", "exponential")),
    Row(cells.CrossEntropy, "unit interval", (), ("likelihood",)),
    Row(rows.Dirichlet, "simplex", IMPLICIT, closed=("dirichlet",)),
    Row(rows.VonMisesFisher, "sphere", IMPLICIT, closed=("von-mises-fisher",)),
    Row(cells.Bernoulli, "coins", COIN, closed=COINS),
    Row(cells.Categorical, "categories", ("enumeration", "score"), closed=("categorical",)),
    Row(shares.RelaxedBernoulli, "unit interval", ("relaxed", "score"), ("posterior", "prior")),
    Row(shares.RelaxedCategorical, "simplex", ("relaxed", "score"), ("posterior", "prior")),
    Row(shares.StraightThroughBernoulli, "coins", ("straight-through", *COIN), ("posterior", "prior"), closed=COINS),
    Row(
        shares.StraightThroughCategorical,
        "one-hot",
        ("straight-through", "score"),
        ("posterior", "prior"),
        closed=("straight-through-categorical",),
    ),
    Row(counts.Poisson, "counts", SCORE, closed=("poisson",), moment=1),
    Row(counts.NegativeBinomial, "counts", SCORE),
    Row(counts.ZeroInflated, "counts", SCORE),
    Row(counts.DiscretisedLogisticMixture, "levels", (), ("likelihood",)),
    Row(flows.AutoregressiveFlow, "rows", PATHWISE, moment=2),
    Row(flows.CouplingFlow, "rows", PATHWISE, moment=2),
    Row(flows.SplineFlow, "rows", PATHWISE, moment=2),
)
DRAW = ("pathwise", "implicit", "relaxed", "straight-through")
_SMOOTH = ("pathwise", "implicit", "relaxed")
# What a gradient estimator needs of a family: one of each group.
GRADIENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "auto": ((*DRAW, "enumeration"),),
    "pathwise": (DRAW,),
    "implicit": (("implicit",),),
    "relaxed": (("relaxed",),),
    "straight-through": (("straight-through",),),
    "enumeration": (("enumeration",),),
    **dict.fromkeys(("score", "moving-average", "nvil", "leave-one-out", "vimco"), (("score",),)),
    **dict.fromkeys(("arm", "disarm"), (("antithetic",),)),
    **dict.fromkeys(("sticking-the-landing", "dreg"), (_SMOOTH, ("score",))),  # the score's mean must be zero
}
FAMILIES: dict[str, type[Family]] = {row.name: row.family for row in TABLE}
INFLATED = ("zero-inflated-poisson", "zero-inflated-negative-binomial")  # further names: of what counts


def row_of(name: str | Family) -> Row:
    """The table's row of a family, by name or by instance.

    >>> row_of("cauchy").closed
    ('cauchy',)
    >>> row_of("gama")
    Traceback (most recent call last):
    ...
    latentia.errors.ParameterError: There is no family 'gama'. Did you mean gamma? ...
    """
    wanted = name.name if isinstance(name, Family) else name
    wanted = "zero-inflated" if wanted in INFLATED else wanted
    for row in TABLE:
        if row.name == wanted:
            return row
    near = get_close_matches(str(wanted).lower().replace("_", "-").replace(" ", "-"), FAMILIES, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(FAMILIES)}."
    raise ParameterError(f"There is no family {wanted!r}. {hint} `latentia families` lists them all.")


def family(name: str, event_shape: Sequence[int], **options: Any) -> Family:
    """The family of that name; "zero-inflated-..." is the zero inflation of the counts named after it.

    >>> family("zero-inflated-negative-binomial", (3,)).n_raw
    3
    """
    if name in INFLATED and not options:
        return counts.ZeroInflated(event_shape, of=name.removeprefix("zero-inflated-"))
    found = row_of(name).family
    known = [option for option in signature(found).parameters if option != "event_shape"]
    wrong = sorted(set(options) - set(known))
    if wrong:
        has = f"It has {', '.join(known)}" if known else "It has none"
        raise ParameterError(f"The family {name} has no option {' or '.join(map(repr, wrong))}. {has}.")
    return found(event_shape, **options)


def row_of_distribution(p: Distribution) -> Row | None:
    """The row whose family gives distributions of p's class; None where the table does not know it.

    >>> from torch import ones, zeros
    >>> from torch.distributions import Normal
    >>> row_of_distribution(Normal(zeros(2), ones(2))).name
    'normal'
    """
    while isinstance(p, Independent | MixtureSameFamily):
        p = p.base_dist if isinstance(p, Independent) else p.component_distribution
    made_by = getattr(p, "family", None)  # flows of all families are of one class
    if isinstance(made_by, str):
        return row_of(made_by)
    for kind in type(p).__mro__:
        name = _NAMES.get(kind.__name__)
        if name is not None:
            return row_of(name)
    return None


_NAMES = {
    "MultivariateNormal": "full-normal",
    "LowRankMultivariateNormal": "low-rank-normal",
    "MultivariateStudentT": "multivariate-student-t",
    "Chi2": "chi-squared",
    "OneHotCategorical": "straight-through-categorical",
    "RelaxedOneHotCategorical": "relaxed-categorical",
    "FlowDistribution": "autoregressive-flow",
    "CrossEntropy": "cross-entropy",
} | {row.family.__name__: row.name for row in TABLE if row.family.__name__ not in ("Erlang", "FullNormal")}


def known_row(what: Family | str) -> Row | None:
    """The row of a family or of its name; None of a family that the table does not know."""
    if isinstance(what, str):
        return row_of(what)
    return next((row for row in TABLE if row.family is type(what)), None)
