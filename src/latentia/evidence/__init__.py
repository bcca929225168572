"""Numbers about log p(x), each an `Estimate` that knows what it is."""

from .ais import Bracket, annealed, bidirectional
from .coverage import Neighbourhood, neighbourhood
from .diagnostics import Units, active_units
from .distances import frechet_distance, kernel_distance
from .estimators import elbo, estimate, exact, importance
from .extractors import Features, features
from .sample_quality import Measured, Quality, quality
from .totals import Totals

__all__ = [
    "Bracket",
    "Features",
    "Measured",
    "Neighbourhood",
    "Quality",
    "Totals",
    "Units",
    "active_units",
    "annealed",
    "bidirectional",
    "elbo",
    "estimate",
    "exact",
    "features",
    "frechet_distance",
    "importance",
    "kernel_distance",
    "neighbourhood",
    "quality",
]
