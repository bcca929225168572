"""Rows on a disk: each is dealt once in an epoch, whatever the shards; damaged shards are one sentence."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from latentia.batch import TensorBatches
from latentia.data import Shards, open_shards
from latentia.data.ahead import ahead
from latentia.data.stream import ShardBatches
from latentia.errors import DataError, ParameterError

NAMES = ("a", "b", "c")
SIZES = ([5], [0, 7, 0, 1, 12], [1, 1, 1], [64, 3, 33], [10, 10, 10])


def write(folder: Path, sizes: list[int], *, group: int = 4, dtype: Any = np.float32, **more: Any) -> np.ndarray:
    """Shards of these sizes; row r of the table holds r, r / 2 and -r."""
    folder.mkdir(exist_ok=True)
    first = np.arange(sum(sizes)).astype(np.float64)
    x = np.stack([first, first / 2, -first], 1).astype(dtype)
    start = 0
    for number, size in enumerate(sizes):
        part = x[start : start + size]
        columns = {name: part[:, j] for j, name in enumerate(NAMES)}
        columns |= {name: values[start : start + size] for name, values in more.items()}
        pq.write_table(pa.table(columns), folder / f"part-{number:03}.parquet", row_group_size=group)
        start += size
    return x


def epoch_of(batches: ShardBatches) -> list[Any]:
    return [next(batches) for _ in range(batches.per_epoch)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("batch_size", [1, 4, 7, 1000])
@pytest.mark.parametrize("buffer_bytes", [1, 100, 2**20])
def test_an_epoch_deals_every_row_once(tmp_path: Path, sizes: list[int], batch_size: int, buffer_bytes: int) -> None:
    x = write(tmp_path / "t", sizes)
    batches = open_shards(tmp_path / "t").batches(batch_size=batch_size, buffer_bytes=buffer_bytes, seed=3)
    for epoch in (1, 2):
        dealt = epoch_of(batches)
        index = torch.cat([batch.index for batch in dealt])
        assert sorted(index.tolist()) == list(range(len(x)))
        assert np.array_equal(torch.cat([batch.x for batch in dealt]).numpy(), x[index.numpy()])
        assert {len(batch) for batch in dealt[:-1]} <= {batches.batch_size}
        assert batches.position == {"epoch": epoch, "row": 0}


@pytest.mark.parametrize("buffer_bytes", [1, 100, 2**20])
def test_a_position_is_all_that_a_run_needs_to_go_on(tmp_path: Path, buffer_bytes: int) -> None:
    write(tmp_path / "t", [20, 0, 13, 8])
    options: dict[str, Any] = {"batch_size": 6, "buffer_bytes": buffer_bytes, "seed": 1}
    whole = open_shards(tmp_path / "t").batches(**options)
    positions, dealt = [], []
    for _ in range(2 * whole.per_epoch + 1):
        positions.append(whole.position)
        dealt.append(next(whole).index.tolist())
    for k, position in enumerate(positions):
        resumed = open_shards(tmp_path / "t").batches(**options)
        resumed.seek(position)
        assert [next(resumed).index.tolist() for _ in dealt[k:]] == dealt[k:]
    whole.seek(positions[2])
    assert next(whole).index.tolist() == dealt[2]


def test_the_order_is_the_seeds_and_the_epochs(tmp_path: Path) -> None:
    write(tmp_path / "t", [40, 40])

    def orders(seed: int) -> list[list[int]]:
        batches = open_shards(tmp_path / "t").batches(batch_size=80, buffer_bytes=200, seed=seed)
        return [next(batches).index.tolist() for _ in range(2)]

    first, second = orders(0)
    assert orders(0) == [first, second]
    assert len({tuple(order) for order in (first, second, *orders(1))}) == 4


def test_row_groups_come_in_another_order_in_each_epoch(tmp_path: Path) -> None:
    write(tmp_path / "t", [80])
    batches = open_shards(tmp_path / "t").batches(batch_size=80, buffer_bytes=1)
    orders = [(next(batches).index // 4)[::4].tolist() for _ in range(3)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in [*orders, list(range(20))]}) == 4


def test_a_table_that_fits_one_buffer_is_shuffled_as_a_whole(tmp_path: Path) -> None:
    n = 4000
    write(tmp_path / "t", [n], group=100)
    index = next(open_shards(tmp_path / "t").batches(batch_size=n, seed=0)).index.double().numpy()
    # The correlation of a permutation with the identity has standard deviation 1 / sqrt(n - 1).
    assert abs(np.corrcoef(index, np.arange(n))[0, 1]) < 5 / np.sqrt(n - 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16])
def test_in_order_is_what_a_tensor_deals(tmp_path: Path, dtype: Any) -> None:
    x = write(tmp_path / "t", [9, 0, 14], dtype=dtype)
    memory = TensorBatches(torch.as_tensor(x.astype(np.float64)), batch_size=4, dtype=torch.float64)
    batches = open_shards(tmp_path / "t").batches(batch_size=4, dtype=torch.float64, buffer_bytes=100)
    next(batches)
    before = batches.position
    for ours, theirs in zip(batches.in_order(), memory.in_order(), strict=True):
        assert torch.equal(ours.x, theirs.x)
        assert torch.equal(ours.index, theirs.index)
    assert batches.position == before
    after = next(batches).index
    batches.seek(before)
    assert torch.equal(next(batches).index, after)
    list(batches.one_pass())
    assert batches.position == {"epoch": 1, "row": 0}


def test_weights_and_labels_are_no_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight, kind = rng.random(23), np.array(list("xyz") * 8)[:23]
    x = write(tmp_path / "t", [9, 0, 14], weight=weight, kind=kind)
    shards = open_shards(tmp_path / "t", weight="weight", label="kind", drop=["b"])
    assert shards.columns == ("a", "c")
    data = shards.dataset()
    assert np.array_equal(data.x, x[:, [0, 2]])
    assert np.array_equal(data.label, kind)
    assert np.array_equal(data.weight, weight)
    batches = shards.batches(batch_size=5, dtype=torch.float64)
    assert batches.mean_weight == pytest.approx(weight.mean(), rel=1e-12)
    for batch in epoch_of(batches):
        assert np.array_equal(batch.weight.numpy(), weight[batch.index.numpy()])
    assert np.array_equal(shards.leave_out(np.array([3])).weights(), np.delete(weight, 3))


def test_rows_left_out_taken_and_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = write(tmp_path / "t", [17, 0, 30, 5], weight=np.ones(52))
    shards = open_shards(tmp_path / "t", weight="weight")
    for share in (1, 10, 40, 51):
        gone = rng.choice(52, share, replace=False)
        rest = shards.leave_out(gone)
        kept = np.setdiff1d(np.arange(52), gone)
        assert rest.n_rows == len(kept)
        assert np.array_equal(np.concatenate([block.x for block in rest.blocks()]), x[kept])
        assert sorted(torch.cat([b.index for b in epoch_of(rest.batches(batch_size=7))]).tolist()) == kept.tolist()
        assert np.array_equal(shards.take(gone).x, x[np.sort(gone)])
        assert np.array_equal(rest.draw(100, 0), kept)
        drawn = rest.draw(max(1, len(kept) // 2), 0)
        assert np.isin(drawn, kept).all()
        assert len(np.unique(drawn)) == len(drawn)
        assert rest.total_weight == len(kept)
    with pytest.raises(ParameterError, match="All 52 rows"):
        shards.leave_out(np.arange(52))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(50, 4), (50, 2, 2), (50, 2, 2, 1)])
def test_a_big_array_is_mapped(tmp_path: Path, order: Any, shape: tuple[int, ...], monkeypatch: Any) -> None:
    monkeypatch.setattr("latentia.data.mapped._GROUP_BYTES", 100)
    x = np.random.default_rng(0).normal(size=shape)
    np.save(tmp_path / "x.npy", np.asarray(x, order=order))
    shards = open_shards(tmp_path / "x.npy")
    assert np.array_equal(shards.dataset().x, x.reshape(50, -1))
    assert shards.image_shape == (shape[1:] if len(shape) > 2 else None)
    assert len(shards.source.groups) > 10


def test_an_arrow_file_is_mapped(tmp_path: Path) -> None:
    table = pa.table({"a": np.arange(50.0), "b": np.arange(50), "w": np.ones(50)})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=7):
            writer.write_batch(batch)
    shards = open_shards(tmp_path / "x.arrow", weight="w")
    assert np.array_equal(shards.dataset().x, np.stack([np.arange(50.0)] * 2, 1))
    assert shards.total_weight == 50
    assert shards.fingerprint == open_shards(tmp_path / "x.arrow", weight="w").fingerprint


def test_whole_numbers_with_missing_cells_become_nan(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([1, None, 3]), "b": [1, 2, 3]}), tmp_path / "x.parquet")
    x = open_shards(tmp_path / "x.parquet").dataset().x
    assert np.array_equal(x, [[1, 1], [np.nan, 2], [3, 3]], equal_nan=True)


def test_the_fingerprint_follows_the_table(tmp_path: Path) -> None:
    for name, size in (("one", 9), ("two", 9), ("three", 10)):
        write(tmp_path / name, [size, 5])
    one, two, three = (open_shards(tmp_path / name).fingerprint for name in ("one", "two", "three"))
    assert one == two != three
    assert open_shards(tmp_path / "one", drop=["a"]).fingerprint != one


# --- damage ------------------------------------------------------------------------------------------------------


def cut(folder: Path) -> None:
    path = folder / "part-001.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def cut_to_nothing(folder: Path) -> None:
    (folder / "part-001.parquet").write_bytes(b"")


def other_type(folder: Path) -> None:
    pq.write_table(pa.table({"a": [1.0], "b": ["x"], "c": [1.0]}), folder / "part-002.parquet")


def other_columns(folder: Path) -> None:
    pq.write_table(pa.table({"a": np.ones(1, np.float32), "c": np.ones(1, np.float32)}), folder / "part-002.parquet")


def more_columns(folder: Path) -> None:
    pq.write_table(pa.table({name: np.ones(1, np.float32) for name in (*NAMES, "d")}), folder / "part-002.parquet")


def all_text(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    pq.write_table(pa.table({"a": ["x", "y"]}), folder / "part-000.parquet")


def no_rows(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    pq.write_table(pa.table({"a": np.ones(0)}), folder / "part-000.parquet")


def no_files(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


DAMAGE = [
    (cut, "part-001.parquet cannot be read as a Parquet file"),
    (cut_to_nothing, "part-001.parquet is empty"),
    (other_type, "Column '[ab]' is (double|string) in .*part-002.parquet and float in part-000.parquet"),
    (other_columns, "part-002.parquet has no column 'b', which part-000.parquet has"),
    (more_columns, "part-002.parquet has a column 'd', which part-000.parquet has not"),
    (all_text, "column 'a' of part-000.parquet holds string, numbers were expected"),
    (no_rows, "1 Parquet shards but no rows"),
    (no_files, "holds no .parquet files"),
]


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE, ids=lambda v: getattr(v, "__name__", ""))
def test_bad_shards_are_one_sentence(tmp_path: Path, damage: Callable[[Path], None], sentence: str) -> None:
    write(tmp_path / "t", [9, 12])
    damage(tmp_path / "t")
    with pytest.raises(DataError, match=sentence) as caught:
        open_shards(tmp_path / "t")
    assert "\n" not in str(caught.value)


def broken_pages(folder: Path) -> None:
    path = folder / "part-001.parquet"
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = b"\xff" * (len(content) // 2 - 4)
    path.write_bytes(bytes(content))


def replaced(folder: Path) -> None:
    write(folder, [9, 10])


def removed(folder: Path) -> None:
    (folder / "part-001.parquet").unlink()


@pytest.mark.parametrize("damage", [broken_pages, replaced, removed])
def test_damage_that_comes_later_ends_the_epoch_in_a_sentence(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write(tmp_path / "t", [9, 12])
    shards = open_shards(tmp_path / "t", weight="b")
    batches = shards.batches(batch_size=2, buffer_bytes=1)
    damage(tmp_path / "t")
    with pytest.raises(DataError, match=r"part-001.parquet (cannot be read|holds other rows)"):
        epoch_of(batches)
    with pytest.raises(DataError, match=r"part-001.parquet (cannot be read|holds other rows)"):
        list(shards.blocks())
    if damage is not broken_pages:
        with pytest.raises(DataError, match=r"part-001.parquet (cannot be read|holds other rows)"):
            shards.source.read_weight(shards.source.groups[-1])


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_weights_that_are_none(tmp_path: Path, bad: float) -> None:
    weight = np.ones(21)
    weight[13] = bad
    write(tmp_path / "t", [9, 12], weight=weight)
    with pytest.raises(DataError, match="the weight of row 13 is"):
        _ = open_shards(tmp_path / "t", weight="weight").total_weight
    write(tmp_path / "t", [9, 12], weight=np.zeros(21))
    with pytest.raises(DataError, match="all row weights are zero"):
        _ = open_shards(tmp_path / "t", weight="weight").total_weight


def test_a_row_group_beyond_the_memory_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    write(tmp_path / "t", [100], group=100)
    monkeypatch.setattr("latentia.data.shards.free_memory", lambda: 4000)
    with pytest.raises(DataError, match="row group of 100 rows"):
        open_shards(tmp_path / "t")


def test_reading_ahead_raises_where_the_result_would_have_come() -> None:
    def fail() -> int:
        raise DataError("damaged")

    results = ahead([lambda: 1, lambda: 2, fail, lambda: 4])
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(DataError, match="damaged"):
        next(results)
    ahead([fail]).close()


def test_a_reader_that_is_given_up_waits_for_nobody() -> None:
    """A collection may close a reader at any moment: waiting for another thread then has been a deadlock."""
    read_on = threading.Event()
    results = ahead([lambda: True, lambda: read_on.wait(10)])
    assert next(results)
    start = time.perf_counter()
    results.close()
    assert time.perf_counter() - start < 5
    read_on.set()


PEAK = """
import resource, sys
import torch
from latentia.data import open_shards
torch.set_num_threads(1)
batches = open_shards(sys.argv[1]).batches(batch_size=1000, buffer_bytes=2**21)
for _ in range(batches.per_epoch): next(batches)
for _ in batches.in_order(): pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for name, shards in (("small", 1), ("large", 16)):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(shards):
            x = np.random.default_rng(number).normal(size=(50_000, 20)).astype(np.float32)
            table = pa.table({str(j): x[:, j] for j in range(20)})
            pq.write_table(table, folder / f"{number}.parquet", row_group_size=10_000)
        command = [sys.executable, "-c", PEAK, str(folder)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    unit = 1 if sys.platform == "darwin" else 1024
    table_bytes = 16 * 50_000 * 80
    assert unit * (peaks[1] - peaks[0]) < table_bytes / 3  # held in memory, it would be 15/16 of it


def test_shards_say_what_they_are(tmp_path: Path) -> None:
    write(tmp_path / "t", [9, 12])
    shards = open_shards(tmp_path / "t")
    assert repr(shards) == "Shards 't': 21 rows, 3 columns, float32, 6 groups"
    assert isinstance(shards, Shards)
    assert (shards.n_bytes, shards.row_bytes) == (21 * 12, 12)
