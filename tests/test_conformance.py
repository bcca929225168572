"""The faults of the field: latentia passes each case, and each case can fail."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "conformance"))
try:
    import faults_of_bounds as faults_of_bounds
    import faults_of_practice as faults_of_practice
    from case import CASES, Case
    from run import HEAD
finally:
    sys.path.pop(0)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.fault[:50])
def test_the_answer_is_the_known_one_and_the_fault_would_be_seen(one: Case) -> None:
    found = one.answer()
    assert found.passed, found
    assert found.can_fail, found


def test_the_docs_show_the_table_that_was_made() -> None:
    made = (ROOT / "benchmarks" / "results" / "conformance.md").read_text(encoding="utf-8")
    table = made[made.index(HEAD) :]
    assert table.count("\n") == len(CASES) + 2
    assert table in (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert all(one.fault in table for one in CASES)
