"""Samples per row, against every combination of sizes."""

from itertools import product

import numpy as np
import pytest
import torch

from latentia.evidence.allotment import LEAST, STEP, VAGUE, allotted


def squared(size: np.ndarray) -> np.ndarray:
    return (1 + (VAGUE / size) ** 4) / size


@pytest.mark.parametrize("spread", [[1.0, 1.0, 1.0], [0.1, 1.0, 30.0], [0.0, 2.0, 5.0], [0.05, 0.06, 8.0]])
@pytest.mark.parametrize("square", [1e-3, 1e-2, 0.1, 5.0])
def test_no_combination_is_much_cheaper(spread: list[float], square: float) -> None:
    sizes = np.round(LEAST * STEP ** np.arange(28))
    best = np.inf
    for one in product(sizes, repeat=3):
        together = sum(one)
        if together < best and (np.square(spread) * squared(np.array(one))).sum() <= square:
            best = together
    found = allotted(torch.tensor(spread, dtype=torch.float64), square, 10**7)
    assert (np.square(spread) * squared(found.numpy())).sum() <= square * (1 + 1e-9) or not np.isfinite(best)
    assert int(found.sum()) <= 1.25 * best  # one row's step, where the last one is a jump


def test_many_rows_are_exact() -> None:
    """k_i proportional to the spread, but for the steps: the sum is that of Neyman's formula."""
    spread = torch.from_numpy(np.random.default_rng(0).lognormal(2.0, 1.0, 2000))
    square = float(spread.sum()) ** 2 / (2000 * 5000)
    found = allotted(spread, square, 10**9)
    assert (np.square(spread.numpy()) * squared(found.numpy())).sum() == pytest.approx(square, rel=0.02)
    assert int(found.sum()) == pytest.approx(2000 * 5000, rel=0.03)


def test_budget_and_least() -> None:
    spread = torch.tensor([1.0, 50.0], dtype=torch.float64)
    assert int(allotted(spread, 1e-9, 5000).sum()) <= 5000
    assert int(allotted(spread, 10.0, 10**6, least=50_000).sum()) >= 50_000
    assert int(allotted(spread, 10.0, 20_000, least=50_000).sum()) <= 20_000
    assert allotted(spread, 1e-9, 120).tolist() == [60, 60]
    assert allotted(torch.zeros(3, dtype=torch.float64), 1.0, 10_000).tolist() == [LEAST] * 3
