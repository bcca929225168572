"""Who moves, when; and the one loop."""

from .amortized import AmortizedVI
from .base import Info, Learner, State
from .exact_em import ExactEM
from .loop import Loop, Progress, fit
from .objective import Objective
from .optimisers import Schedule

__all__ = ["AmortizedVI", "ExactEM", "Info", "Learner", "Loop", "Objective", "Progress", "Schedule", "State", "fit"]
