"""Who moves, when; and the one loop."""

from .base import Info, Learner, State

__all__ = ["Info", "Learner", "State"]
