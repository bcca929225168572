"""Who moves, when; and the one loop."""

from .adversarial import Adversarial
from .aggressive import Aggressive
from .alternating import Alternating
from .amortized import AmortizedVI
from .base import Info, Learner, State
from .exact_em import ExactEM
from .fitting import fit
from .limits import Limits, Progress
from .linear import LinearGradient, LinearVAE, PrincipalAxes
from .loop import Loop
from .monte_carlo_em import MonteCarloEM
from .objective import Objective
from .optimisers import Schedule
from .reweighted_wake_sleep import ReweightedWakeSleep
from .semi_amortized import SemiAmortizedVI
from .svi import SVI
from .variational_em import VariationalEM
from .wake_sleep import WakeSleep

__all__ = [
    "SVI",
    "Adversarial",
    "Aggressive",
    "Alternating",
    "AmortizedVI",
    "ExactEM",
    "Info",
    "Learner",
    "Limits",
    "LinearGradient",
    "LinearVAE",
    "Loop",
    "MonteCarloEM",
    "Objective",
    "PrincipalAxes",
    "Progress",
    "ReweightedWakeSleep",
    "Schedule",
    "SemiAmortizedVI",
    "State",
    "VariationalEM",
    "WakeSleep",
    "fit",
]
