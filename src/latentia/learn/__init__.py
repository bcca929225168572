"""Who moves, when; and the one loop."""

from .adversarial import Adversarial
from .alternating import Alternating
from .amortized import AmortizedVI
from .base import Info, Learner, State
from .exact_em import ExactEM
from .fitting import fit
from .linear_gradient import LinearGradient
from .linear_vae import LinearVAE
from .limits import Limits, Progress
from .loop import Loop
from .objective import Objective
from .optimisers import Schedule
from .principal import PrincipalAxes
from .variational_em import VariationalEM
from .reweighted_wake_sleep import ReweightedWakeSleep
from .semi_amortized import SemiAmortizedVI
from .wake_sleep import WakeSleep

__all__ = [
    "Adversarial",
    "Alternating",
    "AmortizedVI",
    "ExactEM",
    "Info",
    "Learner",
    "Limits",
    "LinearGradient",
    "LinearVAE",
    "Loop",
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
