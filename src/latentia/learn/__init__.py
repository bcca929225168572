"""Who moves, when; and the one loop."""

from .amortized import AmortizedVI
from .base import Info, Learner, State
from .exact_em import ExactEM
from .fitting import fit
from .limits import Limits, Progress
from .loop import Loop
from .objective import Objective
from .optimisers import Schedule

__all__ = [
    "AmortizedVI",
    "ExactEM",
    "Info",
    "Learner",
    "Limits",
    "Loop",
    "Objective",
    "Progress",
    "Schedule",
    "State",
    "fit",
]
