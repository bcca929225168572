"""Samples per row, against every combination of sizes."""

from itertools import product

import numpy as np
import pytest
import torch

from latentia.evidence.allotment import FEW, LEAST, STEP, VAGUE, allotted


def squared(spread: np.ndarray, share: np.ndarray, size: np.ndarray) -> float:
    vague = np.maximum(VAGUE, FEW * (1 + spread**2))
    return ((share * spread) ** 2 * (1 + (vague / size) ** 4) / size).sum()


@pytest.mark.parametrize("spread", [[1.0, 1.0, 1.0], [0.1, 1.0, 30.0], [0.0, 2.0, 5.0], [0.05, 0.06, 8.0]])
@pytest.mark.parametrize("share", [[1.0, 1.0, 1.0], [5.0, 1.0, 0.01]])
@pytest.mark.parametrize("square", [1e-3, 0.1, 5.0])
def test_no_combination_is_much_cheaper(spread: list[float], share: list[float], square: float) -> None:
    sizes = np.round(LEAST * STEP ** np.arange(28))
    best = np.inf
    for one in product(sizes, repeat=3):
        together = sum(one)
        if together < best and squared(np.array(spread), np.array(share), np.array(one)) <= square:
            best = together
    found = allotted(torch.tensor(spread, dtype=torch.float64), torch.tensor(share), square, 10**7)
    assert squared(np.array(spread), np.array(share), found.numpy()) <= square * 1.4 or not np.isfinite(best)
    assert int(found.sum()) <= 1.25 * best  # one row's step, where the last one is a jump


def test_many_rows_are_exact() -> None:
    """k_i proportional to the spread, but for the steps: the sum is that of Neyman's formula."""
    spread = torch.from_numpy(np.random.default_rng(0).lognormal(0.0, 1.0, 2000))
    square = float(spread.sum()) ** 2 / (2000 * 30_000)
    found, ones = allotted(spread, torch.ones(2000), square, 10**9), np.ones(2000)
    assert squared(spread.numpy(), ones, found.numpy()) == pytest.approx(square, rel=0.02)
    assert int(found.sum()) == pytest.approx(2000 * 30_000, rel=0.03)


def test_budget_and_least() -> None:
    spread, share = torch.tensor([1.0, 50.0], dtype=torch.float64), torch.ones(2)
    assert int(allotted(spread, share, 1e-9, 5000).sum()) <= 5000
    assert int(allotted(spread, share, 10.0, 10**7, least=500_000).sum()) >= 500_000
    assert int(allotted(spread, share, 10.0, 20_000, least=50_000).sum()) <= 20_000
    assert allotted(spread, share, 1e-9, 120).tolist() == [60, 60]
    assert allotted(torch.zeros(3, dtype=torch.float64), torch.ones(3), 1.0, 10_000).tolist() == [LEAST] * 3
    assert allotted(spread, torch.zeros(2), 1.0, 10_000).tolist() == [LEAST] * 2
