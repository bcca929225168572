"""Two and three processes come to the result of one, to float tolerance; and to the same bits as each other."""

from pathlib import Path

import pytest
import torch
from problems import EXCEPTIONS, PROBLEMS, solve
from safetensors.torch import load_file
from spawning import spawn
from torch import Tensor

HERE = Path(__file__).parent
GAMES = ("a game of two rows", "packs", "few packs")
WITH_THREE = ("weights", "a batch of two", "svi, a batch of two", "few layers dealt out", "ppca", "estimates", *GAMES)
EXACT = ("mixture", "two starts", "ppca", "finite latent")  # in float64 throughout


@pytest.fixture(scope="module")
def alone() -> dict[str, Tensor]:
    torch.set_num_threads(1)
    return solve([*PROBLEMS, *EXCEPTIONS])


def together(size: int, names: list[str], folder: Path) -> list[dict[str, Tensor]]:
    ended = spawn(size, [str(HERE / "problems.py"), str(folder), *names])
    assert [e.code for e in ended] == [0] * size, ended[0].err[-3000:]
    return [load_file(folder / f"{rank}.safetensors") for rank in range(size)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    return together(2, [*PROBLEMS, *EXCEPTIONS], tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    return together(3, list(WITH_THREE), tmp_path_factory.mktemp("three"))


def of(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {key: value for key, value in tensors.items() if key.startswith(f"{name}/")}
    assert found
    return found


@pytest.mark.parametrize("name", PROBLEMS)
def test_two_processes_solve_it_as_one_does(name: str, alone: dict[str, Tensor], two: list[dict[str, Tensor]]) -> None:
    check(name, alone, two)


@pytest.mark.parametrize("name", [name for name in WITH_THREE if name in PROBLEMS])
def test_three_do(name: str, alone: dict[str, Tensor], three: list[dict[str, Tensor]]) -> None:
    check(name, alone, three)


def check(name: str, alone: dict[str, Tensor], ranks: list[dict[str, Tensor]]) -> None:
    tolerance = 1e-12 if name in EXACT else 1e-6
    for key, wanted in of(name, alone).items():
        torch.testing.assert_close(ranks[0][key], wanted, rtol=tolerance, atol=tolerance, equal_nan=True)
        for other in ranks[1:]:
            assert torch.equal(other[key].nan_to_num(), ranks[0][key].nan_to_num()), key


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_the_exceptions_are_alike_in_all_processes(
    name: str, alone: dict[str, Tensor], two: list[dict[str, Tensor]]
) -> None:
    found = of(name, two[0])
    for key, wanted in found.items():
        assert torch.equal(two[1][key], wanted), key
        assert bool(torch.isfinite(wanted.double()).all())
    bounds = found[f"{name}/history"]
    torch.testing.assert_close(bounds, alone[f"{name}/history"], rtol=0.1, atol=0.0)
