"""What the curve of a fit is, by what its model and its learner are."""

from collections.abc import Sequence
from typing import Any

from ..abilities import HasUpdate
from ..bounds import ImportanceWeighted, Renyi
from ..learn.goals import has_own_goals

PARTS = ("reconstruction", "kl", "shared", "penalty")
BOUNDS = {ImportanceWeighted: "importance-weighted bound", Renyi: "Renyi bound"}


def parts_of_curve(history: Sequence[dict[str, Any]]) -> list[str]:
    """Names of the parts that are drawn beside the curve; a penalty of nothing is left out."""
    there = [part for part in PARTS if any(part in row for row in history)]
    return [part for part in there if part != "penalty" or any(row.get(part) for row in history)]


def is_exact(estimator: Any) -> bool:
    """Whether the curve is log p(x) itself: a learner in closed form has q exact where the model knows its update.

    >>> from latentia import VAE, ProbabilisticPCA
    >>> x = [[0.0, 1.0], [1.0, 0.5], [2.0, 0.0], [3.0, 1.5]]
    >>> is_exact(ProbabilisticPCA(1).fit(x))
    True
    """
    return estimator.learner_.is_closed and isinstance(estimator.model_, HasUpdate)


def curve_name(estimator: Any) -> str:
    """What the curve is called in its picture."""
    if not estimator.model_.is_density:
        return "objective (no bound)"
    if is_exact(estimator):
        return "log p(x)"
    return BOUNDS.get(type(estimator.learner_.bound), "bound")


def curve_words(estimator: Any, parts: Sequence[str]) -> tuple[str, ...]:
    """Sentences about what the curve is; `parts` are drawn beside it."""
    learner = estimator.learner_
    if not estimator.model_.is_density:
        return (
            "The likelihood of this model is a reconstruction error and no probability density: the curve is its "
            "objective in nats, and says nothing about log p(x).",
        )
    if is_exact(estimator):
        return _exact_words(parts)
    if has_own_goals(learner):
        own = (
            f"What is climbed is not this bound: {learner.name} has goals of its own, by which the bound may also fall."
        )
        return (_named(learner.bound, parts), own)
    return (_named(learner.bound, parts),)


def _exact_words(parts: Sequence[str]) -> tuple[str, ...]:
    says = "The curve is the mean log p(x) of the rows, exact for this model, as the parameters stood."
    added = "The penalty is what the prior over the parameters adds; the sum of both never falls."
    return (says, added) if "penalty" in parts else (says,)


def _named(bound: Any, parts: Sequence[str]) -> str:
    if isinstance(bound, ImportanceWeighted):
        return (
            f"The bound is importance-weighted, of k = {bound.n_samples} draws of z for each row: the logarithm of the mean of "
            "p(x, z) / q(z|x), which lies at or below log p(x) in the mean, and the nearer the larger k is."
        )
    if isinstance(bound, Renyi):
        return (
            f"The bound is Renyi's of order {bound.alpha:g}, from k = {bound.n_samples} draws of z for each row, which lies at or "
            "below log p(x) in the mean."
        )
    if "kl" not in parts:
        return "The curve is the learner's own bound on log p(x), in the mean over the rows."
    terms = (
        "Reconstruction says how well z explains the row; KL is what z costs, the nats by which its distribution for a row "
        "departs from the prior."
    )
    if "shared" not in parts:
        return f"The bound is the reconstruction term minus the KL term. {terms}"
    return (
        f"The bound is the reconstruction term minus the KL term, plus the shared term. {terms} The shared term is minus the KL of "
        "what all rows share, such as the means of the components, counted once for the data and divided among the rows."
    )
