"""Layers dealt out: each process holds its part, the run goes on from a checkpoint either way, mistakes are sentences.

That the numbers are those of one process stands in test_same_result.py.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from problems import vae
from spawning import spawn

from latentia.processes.layers import layers_from

SCRIPT = str(Path(__file__).parent / "parts.py")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("parts")
    ended = spawn(2, [SCRIPT, str(folder)])
    assert [e.code for e in ended] == [0, 0], ended[0].err[-3000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_each_process_holds_its_part_of_the_large_layers_and_of_their_moments(ranks: list[dict[str, Any]]) -> None:
    model, q = vae()
    all_weights = sum(p.numel() for module in (model, q) for p in module.parameters())
    dealt = sum(p.numel() for layer in layers_from((model, q), 48) for p in layer.parameters())
    assert 0 < dealt < all_weights
    parts = [found["held"] for found in ranks]
    assert [part["whole"] for part in parts] == [all_weights] * 2
    assert sum(part["parameters"] for part in parts) == 2 * all_weights - dealt
    assert sum(part["moments"] for part in parts) == 2 * (2 * all_weights - dealt)
    assert all(part["parameters"] < all_weights for part in parts)


def test_both_come_out_with_the_whole_weights(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["whole"] == ranks[1]["whole"]
    model, q = vae()
    sizes = {
        **{f"model.{name}": p.numel() for name, p in model.state_dict().items()},
        **{f"posterior.{name}": p.numel() for name, p in q.state_dict().items()},
    }
    assert {name: len(bits) for name, bits in ranks[0]["whole"]["bits"].items()} == sizes


def test_a_stopped_run_is_resumed_with_the_same_bits(ranks: list[dict[str, Any]]) -> None:
    for found in ranks:
        assert 0 < found["stopped, parts"] < found["whole"]["steps"]
        assert found["parts"] == found["whole"]


@pytest.mark.parametrize("name", ["whole after", "parts after"])
def test_a_checkpoint_serves_whole_layers_and_parts(name: str, ranks: list[dict[str, Any]]) -> None:
    for found in ranks:
        assert 0 < found[f"stopped, {name}"] < found["whole"]["steps"]
        assert found[name]["steps"] == found["whole"]["steps"]
        for key, bits in found["whole"]["bits"].items():
            assert found[name]["bits"][key] == pytest.approx(bits, abs=1e-6), key


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("not finite", "the data (batch.x)"),
        ("no layer", "the largest one that could be has 56 weights"),
        ("compiled", "Use execution='eager'"),
        ("read elsewhere", "reads a layer's weights elsewhere"),
        ("svi", "SVI cannot learn networks whose layers are dealt out"),
    ],
)
def test_what_cannot_be_is_said_in_all_processes(trouble: str, words: str, ranks: list[dict[str, Any]]) -> None:
    for found in ranks:
        assert words in found[trouble][0]


def test_no_thread_outlives_the_processes_meeting(ranks: list[dict[str, Any]]) -> None:
    """One that does makes about every tenth process abort at its end."""
    assert [found["threads"] for found in ranks] == [1, 1]


def test_a_process_that_dies_takes_the_others_with_it_in_one_sentence(tmp_path: Path) -> None:
    ended = spawn(2, [SCRIPT, str(tmp_path), "dies"])
    assert [e.code for e in ended] == [2, 3]
    assert len(ended[0].err.strip().splitlines()) == 1
    assert "Another process of this run ended" in ended[0].err
