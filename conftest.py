"""Names that every docstring example may use."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _names(doctest_namespace: dict[str, Any]) -> None:
    import numpy
    import torch

    doctest_namespace.update(torch=torch, np=numpy)
