"""How well q explains x under p: per row, nats, higher is better, constants kept."""

from .base import Bound, Terms, auxiliaries_of
from .elbo import Elbo
from .importance import ImportanceWeighted
from .information import Information, mutual_information
from .reconstruction import LabelBound, Reconstruction
from .renyi import Renyi
from .wake import ReweightedGoals, WakeSleepGoals

__all__ = [
    "Bound",
    "Elbo",
    "ImportanceWeighted",
    "Information",
    "LabelBound",
    "Reconstruction",
    "Renyi",
    "ReweightedGoals",
    "Terms",
    "WakeSleepGoals",
    "auxiliaries_of",
    "mutual_information",
]
