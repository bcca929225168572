"""The table of families: where each may stand, which gradients are valid for it, and what is refused, in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from typing import Any

from torch.distributions import Distribution, Independent, MixtureSameFamily

from ..errors import AbilityError, ParameterError
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
    """

    family: type[Family]
    support: str
    gradients: tuple[str, ...]
    stands: tuple[str, ...] = ("posterior", "likelihood", "prior")
    moves: bool = False
    closed: tuple[str, ...] = ()
    moment: float = 0.0

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
_BOUNDED = ("uniform", "triangular", "reciprocal", "beta", "kumaraswamy", "continuous-bernoulli", "relaxed-bernoulli")
# What may lie inside a prior whose ends are parameters; whether it does, the parameters decide.
_INSIDE = {
    "uniform": _BOUNDED,
    "triangular": _BOUNDED,
    "pareto": ("pareto", "reciprocal", "uniform", "triangular"),
    "reciprocal": ("reciprocal", "uniform", "triangular"),
}
GAMMAS = ("exponential", "gamma", "erlang", "chi-squared")
PATHWISE, IMPLICIT, SCORE = ("pathwise", "score"), ("implicit", "score"), ("score",)
COIN = ("enumeration", "score", "antithetic")
COINS = ("bernoulli", "straight-through-bernoulli", "poisson")
MOVING: dict[str, Any] = {"gradients": ("pathwise",), "stands": ("posterior", "prior"), "moves": True}

TABLE = (
    Row(cells.Normal, "real", PATHWISE, closed=("normal", "laplace", "gumbel"), moment=2),
    Row(rows.FullNormal, "rows", PATHWISE, closed=("full-normal", "low-rank-normal", "normal"), moment=2),
    Row(rows.LowRankNormal, "rows", PATHWISE, closed=("full-normal", "low-rank-normal", "normal"), moment=2),
    Row(real.Laplace, "real", PATHWISE, closed=("laplace", "normal"), moment=1),
    Row(real.Logistic, "real", PATHWISE, moment=1),
    Row(real.Gumbel, "real", PATHWISE, closed=("gumbel", "normal"), moment=inf),
    Row(real.StudentT, "real", IMPLICIT),
    Row(rows.MultivariateStudentT, "rows", IMPLICIT),
    Row(real.Cauchy, "real", PATHWISE, closed=("cauchy",)),
    Row(real.Uniform, "moving interval", **MOVING, closed=("uniform", "pareto", "normal", "gumbel")),
    Row(real.Triangular, "moving interval", **MOVING),
    Row(positives.Exponential, "positive", PATHWISE, closed=("normal", "gumbel", *GAMMAS), moment=1),
    Row(positives.Gamma, "positive", IMPLICIT, closed=("normal", "gumbel", *GAMMAS), moment=1),
    Row(positives.Erlang, "positive", PATHWISE, closed=("normal", "gumbel", *GAMMAS), moment=1),
    Row(positives.ChiSquared, "positive", IMPLICIT, closed=("normal", "gumbel", *GAMMAS), moment=1),
    Row(positives.FisherSnedecor, "positive", IMPLICIT),
    Row(positives.LogNormal, "positive", PATHWISE, closed=("lognormal", *GAMMAS[1:])),
    Row(positives.Weibull, "positive", PATHWISE, closed=("weibull", *GAMMAS[1:]), moment=inf),
    Row(positives.Rayleigh, "positive", PATHWISE, closed=("rayleigh",), moment=2),
    Row(positives.Gompertz, "positive", PATHWISE, moment=inf),
    Row(positives.Pareto, "moving positive interval", **MOVING, closed=("pareto",)),
    Row(positives.Reciprocal, "moving positive interval", **MOVING, closed=("reciprocal",)),
    Row(shares.Beta, "unit interval", IMPLICIT, closed=("beta", "normal", "uniform", *GAMMAS)),
    Row(shares.Kumaraswamy, "unit interval", PATHWISE),
    Row(cells.ContinuousBernoulli, "unit interval", PATHWISE, closed=("continuous-bernoulli",)),
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
    Row(flows.AutoregressiveFlow, "rows", PATHWISE),
    Row(flows.CouplingFlow, "rows", PATHWISE),
    Row(flows.SplineFlow, "rows", PATHWISE),
)
_DRAW = ("pathwise", "implicit", "relaxed", "straight-through")
_SMOOTH = ("pathwise", "implicit", "relaxed")
# What a gradient estimator needs of a family: one of each group.
GRADIENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "auto": ((*_DRAW, "enumeration"),),
    "pathwise": (_DRAW,),
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
    if name in INFLATED:
        return counts.ZeroInflated(event_shape, of=name.removeprefix("zero-inflated-"))
    found = row_of(name).family
    try:
        return found(event_shape, **options)
    except TypeError as error:
        raise ParameterError(f"The options {sorted(options)} do not suit the family {name}: {error}.") from None


def check_standing(what: Family | str, place: str) -> None:
    """Raise `AbilityError` where the table does not let a family stand as "posterior", "likelihood" or "prior".

    >>> check_standing("uniform", "likelihood")
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: A uniform cannot be a likelihood: its support moves with its parameters, ...
    """
    row = _known(what)
    if row is None or place in row.stands:
        return
    why = "the table of families does not list it there"
    if row.moves:
        why = "its support moves with its parameters, and a value outside it has no gradient that leads back"
    elif not row.family.is_density:
        why = "it is a reconstruction error and no density"
    elif place == "likelihood":
        why = "data are never relaxed"
    others = ", ".join(other.name for other in TABLE if place in other.stands and other.support == row.support)
    raise AbilityError(
        f"A {row.name} cannot be a {place}: {why}. Use {others or 'another family'}; `latentia families` lists them."
    )


def check_gradient(q: Family | str, gradient: str) -> None:
    """Raise `AbilityError` where a gradient of E_q[f(z)] is not valid for the family.

    Arguments:
        q: the family.
        gradient: name of an estimator, a key of `GRADIENTS`; names that the table does not know pass.

    >>> check_gradient("pareto", "score")
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: The score function is no gradient for a pareto: its support moves ... Use pathwise.
    """
    row = _known(q)
    if row is None or gradient not in GRADIENTS or _serves(row, gradient):
        return
    known = [name for name in GRADIENTS if name != "auto" and _serves(row, name)]
    use = f"Use {' or '.join(known)}." if known else "It cannot be a posterior."
    near = [name for name in (f"relaxed-{row.name}", f"straight-through-{row.name}") if name in FAMILIES]
    through = gradient in ("auto", *_DRAW)
    use += f" Or use a family whose draws have a gradient: {', '.join(near)}." if near and through else ""
    if row.moves and "score" not in row.gradients:
        what = "The score function" if gradient == "score" else f"The {gradient} gradient"
        raise AbilityError(
            f"{what} is no gradient for a {row.name}: its support moves with its parameters, so that the gradient misses "
            f"the ends. {use}"
        )
    if through:
        raise AbilityError(f"No gradient flows through the draws of a {row.name} (gradient={gradient!r}). {use}")
    raise AbilityError(f"The {gradient} gradient is not known for a {row.name}. {use}")


def gradients_of(q: Family | str) -> tuple[str, ...]:
    """Names of the estimators that are valid for the family.

    >>> gradients_of("pareto")
    ('pathwise',)
    """
    row = _known(q)
    return tuple(name for name in GRADIENTS if name != "auto" and (row is None or _serves(row, name)))


def _serves(row: Row, gradient: str) -> bool:
    return all(set(group) & set(row.gradients) for group in GRADIENTS[gradient])


def check_posterior(q: Family, prior: Distribution | Family) -> None:
    """Refuse, in a sentence, a posterior that cannot stand before a prior.

    Arguments:
        q: family of the posterior.
        prior: p(z), a distribution of empty batch shape, or its family.

    Raises: `AbilityError` where q is no posterior, its draws leave the prior's support or KL(q || p) is infinite;
        `ParameterError` where the shapes differ. Families and priors that the table does not know pass.

    >>> from torch import ones, zeros
    >>> from torch.distributions import Normal
    >>> check_posterior(real.Cauchy((2,)), Independent(Normal(zeros(2), ones(2)), 1))
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: KL(q || p) is infinite for a cauchy posterior under a normal prior: ...
    """
    check_standing(q, "posterior")
    p = _known(prior) if isinstance(prior, Family) else row_of_distribution(prior)
    shape = prior.event_shape if isinstance(prior, Family) else tuple(prior.event_shape)
    if tuple(q.event_shape) != tuple(shape):
        raise ParameterError(
            f"The posterior explains z of shape {tuple(q.event_shape)} and the prior's z has shape {tuple(shape)}. Give both "
            "the same."
        )
    mine = _known(q)
    if mine is None or p is None:
        return
    if not _fits(mine, p):
        raise AbilityError(
            f"A {mine.name} posterior draws z from the support '{mine.support}', where a {p.name} prior (support "
            f"'{p.support}') has no density everywhere. Use {_alternatives(p)}."
        )
    if q.finite_moments < inf and p.moment >= q.finite_moments:
        raise AbilityError(
            f"KL(q || p) is infinite for a {mine.name} posterior under a {p.name} prior: the prior's log density falls "
            f"faster than the posterior's tails{_cure(q)}. Use {_alternatives(p)}, or a prior with heavy tails (student-t)."
        )


def row_of_distribution(p: Distribution) -> Row | None:
    """The row whose family gives distributions of p's class; None where the table does not know it.

    >>> from torch import ones, zeros
    >>> from torch.distributions import Normal
    >>> row_of_distribution(Normal(zeros(2), ones(2))).name
    'normal'
    """
    while isinstance(p, Independent | MixtureSameFamily):
        p = p.base_dist if isinstance(p, Independent) else p.component_distribution
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


def _known(what: Family | str) -> Row | None:
    if isinstance(what, str):
        return row_of(what)
    return next((row for row in TABLE if row.family is type(what)), None)


def _fits(q: Row, p: Row) -> bool:
    """Whether each draw of q has a density under p, or may have one where p's ends are parameters."""
    if p.moves:
        return q.name in _INSIDE[p.name]
    target = "real" if p.support == "rows" else p.support
    return target in WITHIN[q.support]


def _alternatives(p: Row) -> str:
    fitting = [
        q.name for q in TABLE if "posterior" in q.stands and _fits(q, p) and not q.moves and q.family not in _HEAVY
    ]
    return " or ".join(fitting[:3]) if fitting else "another prior"


_HEAVY = (real.Cauchy, real.StudentT, rows.MultivariateStudentT, positives.FisherSnedecor)


def _cure(q: Family) -> str:
    if isinstance(q, (real.StudentT, rows.MultivariateStudentT)):
        return f" (more than {q.finite_moments:g} degrees of freedom are not promised: give df or least_df)"
    return ""
