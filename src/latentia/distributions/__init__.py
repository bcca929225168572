"""The distributions that torch lacks, and noise of a row turned into draws of any distribution."""

from .continuous_bernoulli import ContinuousBernoulli
from .discretised import Discretised
from .divergence import StandardNormal, kl
from .interval import log_interval
from .reconstruction import CrossEntropy
from .rescaled import Rescaled
from .rows import centre, draw, from_noise
from .summed import summed_log_prob

__all__ = [
    "ContinuousBernoulli",
    "CrossEntropy",
    "Discretised",
    "Rescaled",
    "StandardNormal",
    "centre",
    "draw",
    "from_noise",
    "kl",
    "log_interval",
    "summed_log_prob",
]
