"""Families: raw network output -> a distribution, cell by cell or row by row."""

from .base import LOG_SCALE_BOUND, Family, RowFamily, bounded, first_cell
from .cells import Bernoulli, Categorical, ContinuousBernoulli, CrossEntropy, Normal

FAMILIES: dict[str, type[Family]] = {
    family.name: family for family in (Normal, Bernoulli, ContinuousBernoulli, CrossEntropy, Categorical)
}

__all__ = [
    "FAMILIES",
    "LOG_SCALE_BOUND",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "CrossEntropy",
    "Family",
    "Normal",
    "RowFamily",
    "bounded",
    "first_cell",
]
