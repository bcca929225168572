"""q(z|x): whatever has parameters that are not in p(x, z)."""

from .amortized import Amortized
from .base import Posterior
from .exact import Exact
from .refined import Refined

__all__ = ["Amortized", "Exact", "Posterior", "Refined"]
