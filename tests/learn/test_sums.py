"""Sums of an epoch: against one pass over everything, whatever the window and wherever a checkpoint fell."""

import torch

from latentia.learn.base import Info
from latentia.learn.sums import WINDOW, Sums

D = torch.float64


def infos(n: int, weighted: bool) -> list[Info]:
    torch.manual_seed(0)
    out = []
    for i in range(n):
        rows = 5 if i % 7 else 3
        weight = torch.rand(rows) if weighted else None
        out.append(Info(torch.randn(rows), {"a": torch.randn(rows), "b": torch.randn(rows)}, weight, None, rows))
    return out


def dumb(items: list[Info]) -> list[float]:
    weight = 0.0
    sums = [0.0, 0.0, 0.0]
    for item in items:
        for row in range(item.rows):
            w = 1.0 if item.weight is None else item.weight[row].item()
            weight += w
            for i, column in enumerate((item.bound, *item.parts.values())):
                sums[i] += w * column[row].item()
    return [s / weight for s in sums]


def test_against_a_plain_loop() -> None:
    for weighted in (False, True):
        items, sums = infos(3 * WINDOW + 5, weighted), Sums()
        for item in items:
            sums.add(item)
        bound, parts = sums.means()
        torch.testing.assert_close(
            torch.tensor([bound, *parts.values()], dtype=D), torch.tensor(dumb(items), dtype=D), rtol=1e-12, atol=0
        )
        assert list(parts) == ["a", "b"]


def test_looking_and_saving_in_between_change_no_bit() -> None:
    items, plain, watched = infos(2 * WINDOW + 9, True), Sums(), Sums()
    for i, item in enumerate(items):
        plain.add(item)
        watched.add(item)
        if i % 10 == 3:
            watched.means()
        if i % 17 == 5:
            tensors, numbers = watched.snapshot()
            watched = Sums()
            watched.restore(tensors, numbers, torch.device("cpu"))
    assert plain.means() == watched.means()


def test_before_the_first_step_there_is_no_mean() -> None:
    bound, parts = Sums().means()
    assert bound != bound
    assert parts == {}
