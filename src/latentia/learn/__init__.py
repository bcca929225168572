"""Who moves, when; and the one loop."""

from .adversarial import Adversarial
from .amortized import AmortizedVI
from .base import Info, Learner, State
from .exact_em import ExactEM
from .fitting import fit
from .limits import Limits, Progress
from .loop import Loop
from .objective import Objective
from .optimisers import Schedule
from .reweighted_wake_sleep import ReweightedWakeSleep
from .semi_amortized import SemiAmortizedVI
from .wake_sleep import WakeSleep

__all__ = [
    "Adversarial",
    "AmortizedVI",
    "ExactEM",
    "Info",
    "Learner",
    "Limits",
    "Loop",
    "Objective",
    "Progress",
    "ReweightedWakeSleep",
    "Schedule",
    "SemiAmortizedVI",
    "State",
    "WakeSleep",
    "fit",
]
