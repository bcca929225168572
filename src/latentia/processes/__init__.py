"""Several processes at work on one problem: who they are, what they add up, which rows are whose."""

from .group import ALONE, Processes, alone, current, joined
from .share import Share, part_of, processes_of, share, whole_of
from .words import is_hushed

__all__ = [
    "ALONE",
    "Processes",
    "Share",
    "alone",
    "current",
    "is_hushed",
    "joined",
    "part_of",
    "processes_of",
    "share",
    "whole_of",
]
