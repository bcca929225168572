"""The distributions that torch lacks, and noise of a row turned into draws of any distribution."""

from .continuous_bernoulli import ContinuousBernoulli
from .discretised import Discretised
from .interval import log_interval
from .reconstruction import CrossEntropy
from .rescaled import Rescaled
from .rows import centre, draw, from_noise

__all__ = [
    "ContinuousBernoulli",
    "CrossEntropy",
    "Discretised",
    "Rescaled",
    "centre",
    "draw",
    "from_noise",
    "log_interval",
]
