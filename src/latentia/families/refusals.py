"""What the table of families does not allow: refused in a sentence, which names what would do."""

from collections.abc import Collection
from math import inf

from torch.distributions import Categorical, Distribution, Independent

from ..errors import AbilityError, ParameterError
from . import cells, positives, real, rows
from .base import Family
from .table import DRAW, FAMILIES, GRADIENTS, TABLE, WITHIN, Row, known_row, row_of_distribution

_BOUNDED = ("uniform", "triangular", "reciprocal", "beta", "kumaraswamy", "continuous-bernoulli", "relaxed-bernoulli")
# What may lie inside a prior whose ends are parameters; whether it does, the parameters decide.
_INSIDE = {
    "uniform": _BOUNDED,
    "triangular": _BOUNDED,
    "pareto": ("pareto", "reciprocal", "uniform", "triangular"),
    "reciprocal": ("reciprocal", "uniform", "triangular"),
}


def check_standing(what: Family | str, place: str) -> None:
    """Raise `AbilityError` where the table does not let a family stand as "posterior", "likelihood" or "prior".

    >>> check_standing("uniform", "likelihood")
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: A uniform cannot be a likelihood: its support moves with its parameters, ...
    """
    row = known_row(what)
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
        f"{_a(row.name).capitalize()} cannot be a {place}: {why}. Use {others or 'another family'}; `latentia families` lists them."
    )


def check_gradient(q: Family | str, gradient: str, among: Collection[str] = tuple(GRADIENTS)) -> None:
    """Raise `AbilityError` where a gradient of E_q[f(z)] is not valid for the family.

    Arguments:
        q: the family.
        gradient: name of an estimator, a key of `GRADIENTS`; names that the table does not know pass.
        among: the names that may be proposed instead.

    >>> check_gradient("pareto", "score")
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: The score function is no gradient for a pareto: its support moves ... Use pathwise.
    """
    row = known_row(q)
    if row is None or gradient not in GRADIENTS or _serves(row, gradient):
        return
    known = [name for name in GRADIENTS if name != "auto" and name in among and _serves(row, name)]
    use = f"Use {' or '.join(known)}." if known else "It cannot be a posterior."
    near = [name for name in (f"relaxed-{row.name}", f"straight-through-{row.name}") if name in FAMILIES]
    through = gradient in ("auto", *DRAW)
    use += f" Or use a family whose draws have a gradient: {', '.join(near)}." if near and through else ""
    if row.moves and "score" not in row.gradients:
        what = "The score function" if gradient == "score" else f"The {gradient} gradient"
        raise AbilityError(
            f"{what} is no gradient for {_a(row.name)}: its support moves with its parameters, so that the gradient misses "
            f"the ends. {use}"
        )
    if through and not set(DRAW) & set(row.gradients):
        raise AbilityError(f"No gradient flows through the draws of {_a(row.name)} (gradient={gradient!r}). {use}")
    raise AbilityError(f"The {gradient} gradient is not known for {_a(row.name)}. {use}")


def gradients_of(q: Family | str) -> tuple[str, ...]:
    """Names of the estimators that are valid for the family.

    >>> gradients_of("pareto")
    ('pathwise',)
    """
    row = known_row(q)
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
    >>> from torch.distributions import Independent, Normal
    >>> check_posterior(real.Cauchy((2,)), Independent(Normal(zeros(2), ones(2)), 1))
    Traceback (most recent call last):
    ...
    latentia.errors.AbilityError: KL(q || p) is infinite for a cauchy posterior under a normal prior: ...
    """
    check_standing(q, "posterior")
    p = known_row(prior) if isinstance(prior, Family) else row_of_distribution(prior)
    shape = prior.event_shape if isinstance(prior, Family) else tuple(prior.event_shape)
    if tuple(q.event_shape) != tuple(shape):
        raise ParameterError(
            f"The posterior explains z of shape {tuple(q.event_shape)} and the prior's z has shape {tuple(shape)}. Give both "
            "the same."
        )
    mine = known_row(q)
    if mine is None or p is None:
        return
    levels, theirs = (_levels(each) for each in (q, prior))
    if levels != theirs and min(levels, theirs) > 0:
        raise ParameterError(
            f"The posterior chooses among {levels} categories and the prior among {theirs}. Give both the same number."
        )
    if not _fits(mine, p):
        raise AbilityError(
            f"{_a(mine.name).capitalize()} posterior draws z from the support '{mine.support}', where {_a(p.name)} prior (support "
            f"'{p.support}') has no density everywhere. Use {_alternatives(p)}."
        )
    if mine.name in p.never or (q.finite_moments < inf and 0 < p.moment >= q.finite_moments):
        raise AbilityError(
            f"KL(q || p) is infinite for {_a(mine.name)} posterior under {_a(p.name)} prior: the prior's log density falls "
            f"faster than the posterior's tails{_cure(q)}. Use {_alternatives(p)}, or a prior with heavy tails (student-t)."
        )


def _levels(what: Family | Distribution) -> int:
    """Among how many categories a cell chooses; 0 where it does not."""
    if isinstance(what, Family):
        return getattr(what, "n_raw", 0) if isinstance(what, cells.Categorical) else 0
    while isinstance(what, Independent):
        what = what.base_dist
    return what.logits.shape[-1] if isinstance(what, Categorical) else 0


def _fits(q: Row, p: Row) -> bool:
    """Whether each draw of q has a density under p, or may have one where p's ends are parameters."""
    if p.moves:
        return q.name in _INSIDE[p.name]
    target = "real" if p.support == "rows" else p.support
    return target in WITHIN[q.support]


def _alternatives(p: Row) -> str:
    fitting = [
        q.name
        for q in TABLE
        if "posterior" in q.stands and _fits(q, p) and not q.moves and q.family not in _HEAVY and q.name not in p.never
    ]
    return " or ".join(fitting[:3]) if fitting else "another prior"


_HEAVY = (real.Cauchy, real.StudentT, rows.MultivariateStudentT, positives.FisherSnedecor)


def _cure(q: Family) -> str:
    if isinstance(q, (real.StudentT, rows.MultivariateStudentT)):
        return f" (more than {q.finite_moments:g} degrees of freedom are not promised: give df or least_df)"
    return ""


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"
