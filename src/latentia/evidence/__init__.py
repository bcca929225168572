"""Numbers about log p(x), each an `Estimate` that knows what it is."""

from .diagnostics import Units, active_units
from .estimators import elbo, estimate, exact, importance
from .totals import Totals

__all__ = ["Totals", "Units", "active_units", "elbo", "estimate", "exact", "importance"]
