"""What a learner climbs: the bound that it reports, or goals of its own; whether it takes a price of the KL."""

from typing import Any

from ..bounds import Elbo


def has_own_goals(learner: Any) -> bool:
    """Whether the steps climb something else than the bound that is reported, as those of wake-sleep and its kin do.

    >>> from latentia.learn import AmortizedVI, WakeSleep
    >>> from latentia.posteriors import Exact
    >>> has_own_goals(WakeSleep(Exact())), has_own_goals(AmortizedVI(Exact()))
    (True, False)
    """
    return type(_climbed(learner)) is not type(learner.bound)


def takes_price(learner: Any) -> bool:
    """Whether an objective may weigh the KL of this learner's bound.

    >>> from latentia.bounds import ImportanceWeighted
    >>> from latentia.learn import SVI, AmortizedVI, WakeSleep
    >>> from latentia.families import Normal
    >>> from latentia.posteriors import Exact, Local
    >>> learners = SVI(Local(Normal((2,)))), AmortizedVI(Exact(), bound=ImportanceWeighted(5)), WakeSleep(Exact())
    >>> [takes_price(learner) for learner in learners]
    [True, False, False]
    """
    return getattr(learner, "objective", None) is not None and isinstance(_climbed(learner), Elbo)


def _climbed(learner: Any) -> Any:
    return getattr(learner, "inner", learner).bound
