"""A corruption of the user's: what it is handed, whose noise it draws, and what is as it was afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from latentia import DenoisingAutoencoder
from latentia.corruption import Given
from latentia.errors import DataError, ParameterError
from latentia.randomness import Stream, part_noise, row_noise

X = np.random.default_rng(0).normal(size=(90, 5))
TINY: dict[str, Any] = {"n_latent": 2, "hidden": (8,), "max_epochs": 4, "batch_size": 30, "device": "cpu"}
Function = Callable[[Tensor], Tensor]


def dae(corruption: Function, **options: Any) -> DenoisingAutoencoder:
    return DenoisingAutoencoder(**{**TINY, "corruption": corruption, "random_state": 0, **options})


def by_torch(x: Tensor) -> Tensor:
    return x + 0.3 * torch.randn_like(x)


def by_numpy(x: Tensor) -> Tensor:
    return x + 0.3 * torch.as_tensor(np.random.normal(size=x.shape)).to(x)  # noqa: NPY002


def by_both(x: Tensor) -> Tensor:
    return by_numpy(by_torch(x))


RANDOM: dict[str, Function] = {"torch": by_torch, "numpy": by_numpy, "both": by_both}


# --- the user's own rows ---------------------------------------------------------------------------------------------

IN_PLACE: dict[str, tuple[Function, Function]] = {
    "scaled": (lambda x: x.mul_(0.5), lambda x: x * 0.5),
    "a column blotted out": (lambda x: x.index_fill_(1, torch.tensor([0]), 0.0), lambda x: x * (torch.arange(5) > 0)),
    "noise added": (lambda x: x.add_(0.3 * torch.randn_like(x)), by_torch),
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("validation_fraction", [0.0, 0.2])
def test_a_function_that_writes_into_its_rows_is_one_that_does_not(name: str, validation_fraction: float) -> None:
    x = X.astype(np.float32)
    into, aside = (dae(f, validation_fraction=validation_fraction).fit(x) for f in IN_PLACE[name])
    assert np.array_equal(x, X.astype(np.float32))
    assert np.array_equal(into.transform(x), aside.transform(x))
    assert [row["bound"] for row in into.history_] == [row["bound"] for row in aside.history_]


# --- whose noise -----------------------------------------------------------------------------------------------------


def numpy_state() -> list[Any]:
    state = np.random.get_state()  # noqa: NPY002
    return [part.tolist() if isinstance(part, np.ndarray) else part for part in state]


def move_both() -> None:
    """Another beginning of both generators."""
    torch.rand(7)
    np.random.random(7)  # noqa: NPY002


@pytest.mark.parametrize("name", RANDOM)
def test_the_seed_settles_all_noise_and_no_global_state_moves(name: str) -> None:
    states = torch.get_rng_state(), numpy_state()
    first = dae(RANDOM[name], validation_fraction=0.2).fit(X)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert numpy_state() == states[1]
    move_both()
    again, other = (dae(RANDOM[name], validation_fraction=0.2, random_state=seed).fit(X) for seed in (0, 1))
    assert np.array_equal(again.transform(X), first.transform(X))
    assert [row["bound"] for row in again.history_] == [row["bound"] for row in first.history_]
    assert not np.array_equal(other.transform(X), first.transform(X))


@pytest.mark.parametrize("name", RANDOM)
def test_noise_is_drawn_anew_at_every_step_of_learning(name: str) -> None:
    seen: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        out = RANDOM[name](x)
        seen.append((out - x).flatten().round(decimals=4))
        return out

    dae(watched, validation_fraction=0).fit(X)
    drawn = torch.stack([noise for noise in seen if len(noise) == 150])
    assert len(drawn) == 12
    assert len(torch.unique(drawn, dim=0)) == 12
    assert drawn.std().item() == pytest.approx(0.3 * (2**0.5 if name == "both" else 1), rel=0.1)


@pytest.mark.parametrize("name", RANDOM)
def test_a_run_taken_up_again_ends_where_the_whole_one_does(name: str, tmp_path: Path) -> None:
    whole = dae(RANDOM[name], validation_fraction=0).fit(X)
    dae(RANDOM[name], validation_fraction=0, max_epochs=2).fit(X, run=tmp_path)
    move_both()
    rest = dae(RANDOM[name], validation_fraction=0).fit(X, run=tmp_path, resume=True)
    assert np.array_equal(rest.transform(X), whole.transform(X))


@pytest.mark.parametrize("name", RANDOM)
def test_nothing_else_need_draw_for_noise_to_be_drawn_anew(name: str) -> None:
    x, corruption = torch.as_tensor(X), Given(RANDOM[name])
    with Stream(0):
        first, second = corruption(x), corruption(x)
    with Stream(0):
        again = corruption(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_a_recorded_step_of_torchs_noise_has_the_same_bits() -> None:
    options = {"max_epochs": 80, "validation_fraction": 0}  # 240 steps, 40 of them by the program
    eager, recorded = (dae(by_torch, execution=e, **options).fit(X) for e in ("eager", "recorded"))
    assert np.array_equal(recorded.transform(X), eager.transform(X))


def test_numpys_noise_is_not_recorded() -> None:
    """It would be the noise of the recorded step for ever."""
    options = {"max_epochs": 80, "validation_fraction": 0}
    with pytest.raises(ParameterError, match=r"numpy\.random, which cannot be recorded.*execution='eager'"):
        dae(by_numpy, execution="recorded", **options).fit(X)


def test_pre_training_does_not_record_what_a_function_decides() -> None:
    calls: list[int] = []

    def counted(x: Tensor) -> Tensor:
        calls.append(len(x))
        return by_numpy(x)

    dae(counted, pretrain_epochs=80, max_epochs=1, validation_fraction=0).fit(X)
    assert calls.count(30) == 3 * (80 + 1)


@pytest.mark.parametrize("name", RANDOM)
def test_at_evaluation_noise_belongs_to_the_rows_and_the_seed(name: str) -> None:
    x, corruption = torch.as_tensor(X), Given(RANDOM[name])
    found = []
    for seed in (0, 0, 1):
        move_both()
        with row_noise(x, seed):
            found.append([corruption(x), corruption(x)])
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1]))
    assert not torch.equal(found[0][0], found[0][1])
    assert not torch.equal(found[0][0], found[2][0])


def test_a_process_draws_its_part_of_the_batchs_noise() -> None:
    x, corruption = torch.as_tensor(X[:8]), Given(by_torch)
    with Stream(0):
        whole = corruption(x)
    for start, stop in ((0, 3), (3, 8)):
        with Stream(0), part_noise(start, stop, 8):
            assert torch.equal(corruption(x[start:stop]), whole[start:stop])


def test_two_processes_do_not_draw_the_same_of_numpy() -> None:
    x, corruption = torch.zeros(4, 5), Given(by_numpy)
    found, after = [], []
    for start in (0, 4):
        with Stream(0), part_noise(start, start + 4, 8):
            found.append(corruption(x))
            after.append(torch.rand(1))
    assert not torch.equal(found[0], found[1])
    assert torch.equal(after[0], after[1])  # their streams stay alike


# --- what it gives ---------------------------------------------------------------------------------------------------


def test_rows_that_came_back_in_float64_are_those_of_float32() -> None:
    into, aside = (dae(f).fit(X) for f in (lambda x: x.double() * 0.5, lambda x: x * 0.5))
    assert np.array_equal(into.transform(X), aside.transform(X))


BAD: dict[str, tuple[Function, str]] = {
    "another shape": (lambda x: x[:, :2], "Return a tensor of that shape"),
    "an array": (lambda x: x.numpy(), "into ndarray"),  # type: ignore[dict-item, return-value]
    "not finite": (lambda x: x.div_(0.0), "not finite"),
    "rows alike": (lambda x: x.zero_(), "destroys everything"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_look_at_what_is_given_leaves_the_rows_alone(name: str) -> None:
    function, words = BAD[name]
    x = X.astype(np.float32)
    with pytest.raises(DataError, match=words):
        dae(function).fit(x)
    assert np.array_equal(x, X.astype(np.float32))
