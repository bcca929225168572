"""A proof that your own model can be put to, in your own tests.

import pytest
from latentia import testing

@pytest.mark.parametrize("claim", testing.PROOFS)
def test_my_model(claim):
    testing.assert_certified(MyModel(), MyPosterior(), only=(claim,))
"""

from collections.abc import Iterator
from typing import Any

from .evidence.certifying import PROOFS, Certificate, Check, certify
from .evidence.certifying.masses import masses
from .evidence.certifying.page import write_certificates
from .evidence.certifying.shipped import shipped

__all__ = [
    "PROOFS",
    "Certificate",
    "Check",
    "assert_certified",
    "certify",
    "checks",
    "masses",
    "shipped",
    "write_certificates",
]


def assert_certified(model: Any, posterior: Any = None, **options: Any) -> None:
    """Raise `AssertionError`, with the whole table, unless every claim about the model holds.

    Arguments: as for `certify`.

    >>> from latentia.models import ProbabilisticPCA
    >>> assert_certified(ProbabilisticPCA(3, 1), only=("shapes",))
    """
    found = certify(model, posterior, **options)
    if not found.passed:
        raise AssertionError(str(found))


def checks(model: Any, posterior: Any = None, **options: Any) -> Iterator[Check]:
    """The checks of a model one by one, in their order.

    >>> from latentia.models import ProbabilisticPCA
    >>> [check.outcome for check in checks(ProbabilisticPCA(3, 1), only=("joint",))]
    ['passed']
    """
    yield from certify(model, posterior, **options).checks
