"""Every model through every command: an answer, or a sentence that says why not; never a fault of latentia's own."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentia.cli import main

GENERATOR = np.random.default_rng(0)
FACTORS = GENERATOR.normal(size=(80, 2)) @ GENERATOR.normal(size=(2, 4)) + 0.3 * GENERATOR.normal(size=(80, 4))
WORDS = ("the", "cat", "dog", "sat")
FEW = ["--max-epochs", "2"]
MODELS: dict[str, tuple[str, list[str]]] = {
    "vae": ("real", FEW),
    "vae of bits, categories": ("bits", ["--posterior", "categorical", "--n-latent", "2", *FEW]),
    "vae on a sphere": ("real", ["--posterior", "von-mises-fisher", "--n-latent", "3", *FEW]),
    "vae of a flow": ("real", ["--posterior", "autoregressive-flow", "--n-latent", "2", *FEW]),
    "ppca": ("real", ["--n-latent", "2"]),
    "fa": ("real", ["--n-latent", "2"]),
    "gmm": ("real", ["--n-components", "2"]),
    "bgmm": ("real", ["--n-components", "2"]),
    "linear-ae": ("real", ["--n-latent", "2"]),
    "logistic-pca": ("bits", ["--n-latent", "2"]),
    "ae": ("real", ["--n-latent", "2", *FEW]),
    "dae": ("real", ["--n-latent", "2", *FEW]),
    "gan": ("real", FEW),
    "text-vae": ("text", ["--n-latent", "2", "--n-embed", "4", "--n-hidden", "6", *FEW]),
}
COMMANDS: list[list[str]] = [
    ["score", "RUN", "DATA", "--samples", "8"],
    ["score", "RUN", "DATA", "--evidence", "annealed", "--samples", "2", "--steps", "4", "--limit", "5"],
    ["encode", "RUN", "DATA"],
    ["reconstruct", "RUN", "DATA"],
    ["sample", "RUN", "-n", "3"],
    ["doctor", "RUN", "--no-lag", "--samples", "8"],
    ["gaps", "RUN", "DATA", "--limit", "4", "--steps", "3", "--samples", "8"],
    ["quality", "RUN", "DATA", "--features", "pca-2"],
    ["compare", "RUN", "RUN", "--on", "DATA", "--samples", "8"],
    ["compare", "RUN", "RUN", "--on", "DATA", "--features", "raw"],
    *(["explore", "RUN", what] for what in ("traversal", "interpolation", "map", "field", "components", "neighbours")),
    ["resume", "RUN"],
]


def write(kind: str, path: Path) -> None:
    """Rows of numbers with a label, bits, or sentences."""
    if kind == "text":
        lines = [" ".join(GENERATOR.choice(WORDS, GENERATOR.integers(2, 5))) for _ in range(40)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return
    rows: Any = FACTORS if kind == "real" else (FACTORS > 0).astype(int)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "b", "c", "d"], *rows.tolist()])


LEARNERS = (
    *("svi", "semi-amortized", "aggressive", "wake-sleep", "reweighted-wake-sleep", "monte-carlo-em", "adversarial"),
)
MODELS |= {f"vae by {name}": ("real", ["--learner", name, *FEW]) for name in LEARNERS}
BY = tuple(f"vae by {name}" for name in LEARNERS if name != "svi")
SLOW = (*BY, "vae of bits, categories", "vae of a flow", "linear-ae", "bgmm")  # others like them serve as their sample
ROWS = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in MODELS]


@pytest.mark.parametrize("model", ROWS)
def test_no_command_breaks(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind, options = MODELS[model]
    data, run = tmp_path / ("rows.txt" if kind == "text" else "rows.csv"), tmp_path / "run"
    write(kind, data)
    assert main(["fit", str(data), "--model", model.split()[0], "--out", str(run), "--seed", "0", *options]) == 0
    answered = 0
    for command in COMMANDS:
        capsys.readouterr()
        code = main([{"RUN": str(run), "DATA": str(data)}.get(word, word) for word in command])
        said = capsys.readouterr().err
        assert code in (0, 2), (command, said)
        assert code == 0 or said.rstrip().endswith((".", ")")), (command, said)
        answered += code == 0
    assert answered >= 4
