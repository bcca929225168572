"""Batches cut to whole packs and shared out: every pack once, whole, whatever the number of processes."""

import pytest
import torch

from latentia.batch import Batch, TensorBatches
from latentia.learn.games.packs import entries, next_packs, part_of_noise
from latentia.learn.games.penalties import Penalties
from latentia.processes import Processes, share
from latentia.randomness import Stream, part_noise


def batches(n: int = 47, size: int = 8) -> TensorBatches:
    weight = torch.arange(1.0, n + 1)
    return TensorBatches(torch.arange(float(n)).reshape(n, 1), batch_size=size, weight=weight, seed=1)


def epoch(processes: Processes, pack: int, n: int = 47) -> list[Batch]:
    mine = share(batches(n), processes)
    return [next_packs(mine, pack) for _ in range(2 * (n // 8))]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("pack", [1, 2, 4])
@pytest.mark.parametrize("n", [47, 43])  # 47 = 5 x 8 + 7; of 43 three are left, which hold no pack of four
def test_the_packs_of_all_processes_are_those_of_one(size: int, pack: int, n: int) -> None:
    whole = epoch(Processes(), pack, n)
    parts = [epoch(Processes(rank, size), pack, n) for rank in range(size)]
    for number, one in enumerate(whole):
        theirs = [p[number] for p in parts]
        assert all(len(part) % pack == 0 and len(part) for part in theirs)
        assert all(part.n_together == len(one) for part in theirs)
        counted = [part for part in theirs if part.weight is not None and bool(part.weight.any())]
        assert torch.equal(torch.cat([part.index for part in counted]), one.index)
        assert torch.equal(torch.cat([part.weight for part in counted]), one.weight)  # type: ignore[arg-type]
        starts = [part.place.start for part in counted]  # type: ignore[union-attr]
        assert starts == [sum(map(len, counted[:i])) for i in range(len(counted))]


def test_the_line_between_rows_and_samples_has_the_share_that_one_process_draws() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(6, 4), torch.randn(6, 4)  # six packs of two rows
    penalty, bowl = Penalties(gradient=1.0), lambda x: x.square().sum(1)
    with Stream(0):
        whole, after = penalty(bowl, real, fake), torch.rand(1)
    for start, stop in ((0, 2), (2, 6)):
        with Stream(0), part_noise(2 * start, 2 * stop, 12):
            part, then = penalty(bowl, real[start:stop], fake[start:stop]), torch.rand(1)
        assert torch.allclose(part, whole[start:stop])
        assert torch.equal(then, after)


def test_noise_without_other_processes_is_as_it_was() -> None:
    with Stream(0):
        wanted = torch.rand(5)
    with Stream(0), part_of_noise(5, axis=0):
        assert torch.equal(torch.rand(5), wanted)


def test_entries_are_alike_for_every_pack() -> None:
    assert entries(torch.tensor(2.0), 3).tolist() == [2.0, 2.0, 2.0]
    assert entries(torch.tensor([1.0, 2.0]), 4).tolist() == [1.0, 1.0, 2.0, 2.0]
    assert entries(torch.tensor([1.0, 2.0]), 2).tolist() == [1.0, 2.0]
