"""What a case is: a known answer, latentia's number, and the number that the fault gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

CASES: "list[Case]" = []


class Answer(NamedTuple):
    """The numbers of one case.

    Arguments:
        known: by a closed form, enumeration, quadrature or a plain sum.
        ours: through latentia's public interface.
        faulty: by the faulty formula.
        tolerance: how far ours may lie from what is known; a fault has to lie further off.
    """

    known: float
    ours: float
    faulty: float
    tolerance: float = 1e-6

    @property
    def passed(self) -> bool:
        return abs(self.ours - self.known) <= self.tolerance

    @property
    def can_fail(self) -> bool:
        return not abs(self.faulty - self.known) <= 2 * self.tolerance


@dataclass(frozen=True)
class Case:
    """A fault of the field, and a number that gives it away."""

    fault: str
    number: str
    answer: Callable[[], Answer]


def case(fault: str, number: str) -> Callable[[Callable[[], Answer]], Callable[[], Answer]]:
    """Put a case into the list: the fault in words, and what its number is."""

    def add(answer: Callable[[], Answer]) -> Callable[[], Answer]:
        CASES.append(Case(fault, number, answer))
        return answer

    return add
