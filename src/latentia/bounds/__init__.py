"""How well q explains x under p: per row, nats, higher is better, constants kept."""

from .base import Bound, Terms
from .elbo import Elbo
from .importance import ImportanceWeighted
from .information import Information, mutual_information
from .reconstruction import Reconstruction

__all__ = ["Bound", "Elbo", "ImportanceWeighted", "Information", "Reconstruction", "Terms", "mutual_information"]
