"""How well q explains x under p: per row, nats, higher is better, constants kept."""

from .base import Bound, Terms
from .elbo import Elbo
from .importance import ImportanceWeighted

__all__ = ["Bound", "Elbo", "ImportanceWeighted", "Terms"]
