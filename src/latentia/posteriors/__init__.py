"""q(z|x): whatever has parameters that are not in p(x, z)."""

from .amortized import Amortized
from .base import Posterior
from .borrowed import Borrowed
from .exact import Exact
from .refined import Refined

__all__ = ["Amortized", "Borrowed", "Exact", "Posterior", "Refined"]
