"""q(z|x): whatever has parameters that are not in p(x, z)."""

from .absent import Absent
from .amortized import Amortized
from .base import Posterior
from .borrowed import Borrowed
from .defensive import Defensive
from .exact import Exact
from .local import Local
from .mean_field import MeanField
from .point import BestPoint, Point
from .refined import Refined
from .refined_family import RefinedFamily
from .refined_flow import RefinedFlow
from .semi_amortized import SemiAmortized

__all__ = [
    "Absent",
    "Amortized",
    "BestPoint",
    "Borrowed",
    "Defensive",
    "Exact",
    "Local",
    "MeanField",
    "Point",
    "Posterior",
    "Refined",
    "RefinedFamily",
    "RefinedFlow",
    "SemiAmortized",
]
