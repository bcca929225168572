"""q(z|x): whatever has parameters that are not in p(x, z)."""

from .amortized import Amortized
from .base import Posterior
from .borrowed import Borrowed
from .exact import Exact
from .point import BestPoint, Point
from .refined import Refined

__all__ = ["Amortized", "BestPoint", "Borrowed", "Exact", "Point", "Posterior", "Refined"]
