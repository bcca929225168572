"""The faults of the field, each as a case with a known answer: `python benchmarks/conformance/run.py`.

Prints what is known, what latentia says, and what the faulty formula says; writes the table; ends with an error where
latentia is wrong, or where a fault would not be seen.
"""

import sys
from pathlib import Path

import faults_of_bounds as faults_of_bounds
import faults_of_practice as faults_of_practice
from case import CASES, Answer, Case

RESULTS = Path(__file__).parents[1] / "results" / "conformance.md"
HEAD = "| fault | number | known | latentia | with the fault | passed |\n|---|---|---|---|---|---|\n"


def line(one: Case, found: Answer) -> str:
    """A row of the table; an answer in whose tolerance the fault would lie counts as failed."""
    passed = "yes" if found.passed and found.can_fail else "NO"
    known, ours, faulty = (shown(value) for value in found[:3])
    return f"| {one.fault} | {one.number} | {known} | {ours} | {faulty} | {passed} |\n"


def shown(value: float) -> str:
    """Four digits behind the point, fewer where they would be noise."""
    return f"{value:.4f}" if abs(value) >= 1e-3 or value == 0 else f"{value:.0e}"


def table() -> tuple[str, bool]:
    """The table of all cases, and whether all passed."""
    answers = [one.answer() for one in CASES]
    rows = "".join(line(one, found) for one, found in zip(CASES, answers))
    return HEAD + rows, all(found.passed and found.can_fail for found in answers)


if __name__ == "__main__":
    text, passed = table()
    RESULTS.write_text(f"# Conformance\n\nMade by `python benchmarks/conformance/run.py`.\n\n{text}", encoding="utf-8")
    sys.stdout.write(text)
    sys.exit(0 if passed else 1)
