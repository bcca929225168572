"""`latentia explore`: every picture of a run of pictures and of a run of a table; what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentia
from latentia.cli import main
from latentia.cli.explore_asked import WHAT

ONLY_LINEAR, ONLY_PICTURES = {"components"}, {"manifold"}
RUNS = {  # whether its decoder is linear, and its rows are pictures
    "pictures": (False, True),
    "table": (False, False),
    "ppca": (True, False),
    "ae": (False, True),
    "logistic": (False, True),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("explore")
    rng = np.random.default_rng(0)
    np.save(folder / "pictures.npy", rng.integers(0, 17, size=(60, 4, 5)).astype(np.uint8))
    np.save(folder / "table.npy", rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3)))
    quick = ["--no-report", "--n-latent", "2", "--device", "cpu"]
    vae = [*quick, "--hidden", "8", "--max-epochs", "3"]
    assert main(["fit", str(folder / "pictures.npy"), "--out", str(folder / "pictures"), *vae]) == 0
    assert main(["fit", str(folder / "table.npy"), "--out", str(folder / "table"), *vae]) == 0
    assert main(["fit", str(folder / "table.npy"), "--model", "ppca", "--out", str(folder / "ppca"), *quick]) == 0
    ae = [*vae, "--scale", "none"]
    assert main(["fit", str(folder / "pictures.npy"), "--model", "ae", "--out", str(folder / "ae"), *ae]) == 0
    more = ["--model", "ae", "--init", str(folder / "ae"), "--out", str(folder / "begun")]
    assert main(["fit", str(folder / "pictures.npy"), *more, *ae]) == 0
    np.save(folder / "bits.npy", rng.integers(0, 2, size=(60, 4, 5)).astype(np.uint8))
    lpca = ["--model", "logistic-pca", "--max-epochs", "3", *quick]
    assert main(["fit", str(folder / "bits.npy"), "--out", str(folder / "logistic"), *lpca]) == 0
    return {name: folder / name for name in (*RUNS, "begun")}


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("name", RUNS)
def test_every_picture(name: str, what: str, runs: dict[str, Path], capsys: Any) -> None:
    capsys.readouterr()
    code = main(["explore", str(runs[name]), what, "--json", *(["--every", "2"] if what == "training" else [])])
    said = capsys.readouterr()
    linear, pictures = RUNS[name]
    if (what in ONLY_LINEAR and not linear) or (what in ONLY_PICTURES and not pictures):
        assert code == 2
        assert "Traceback" not in said.err
        return
    assert code == 0, said.err
    files = json.loads(said.out)["files"]
    assert all(Path(file).is_file() for file in files)
    with Image.open(files[0]) as picture:
        assert min(picture.size) > 60


def test_values_are_the_numbers_of_the_picture(runs: dict[str, Path], tmp_path: Path) -> None:
    out, values = tmp_path / "a.png", tmp_path / "a.npy"
    line = ["explore", str(runs["table"]), "interpolation", "--rows", "3,7", "--n", "5", "--out", str(out)]
    assert main([*line, "--way", "spherical", "--values", str(values)]) == 0
    assert np.load(values).shape == (5, 3)
    assert main(line) == 2  # it is kept
    assert main([*line, "--force"]) == 0


def test_the_training_of_a_run_that_began_from_another_ends_where_it_did(runs: dict[str, Path], tmp_path: Path) -> None:
    line = ["training", "--every", "3", "--out", str(tmp_path / "a.webp"), "--values", str(tmp_path / "a.npy")]
    assert main(["explore", str(runs["begun"]), *line]) == 0
    seen, begun = np.load(tmp_path / "a.npy"), latentia.load(runs["begun"])
    last = seen[seen[:, 0] == seen[:, 0].max()][:, 1:]
    codes = begun.transform(np.load(runs["begun"].parent / "pictures.npy").reshape(60, -1))
    assert np.allclose(np.sort(last[:, 0]), np.sort(codes[:, 0]), atol=1e-4)


def test_several_pairs_are_the_ways_of_each(runs: dict[str, Path], tmp_path: Path) -> None:
    def numbers(rows: str) -> np.ndarray:
        out, values = (tmp_path / f"{rows}.{ending}" for ending in ("png", "npy"))
        line = ["explore", str(runs["pictures"]), "interpolation", "--n", "4", "--rows", rows]
        assert main([*line, "--out", str(out), "--values", str(values)]) == 0
        return np.load(values)

    both = numbers("3,7,5,2")
    assert np.array_equal(both, np.concatenate([numbers("3,7"), numbers("5,2")]))
    assert not np.allclose(both[:4], both[4:])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tour"], "WHAT"),
        (["interpolation", "--rows", "1"], "between two"),
        (["interpolation", "--rows", "1,2,3,4"], "one pair of rows"),
        (["interpolation", "--rows", "1,900"], "is not there"),
        (["interpolation", "--way", "direct"], "direct"),
        (["traversal", "--units", "a"], "no list of whole numbers"),
        (["traversal", "--units", "7"], "unit=7 is not there"),
        (["neighbours", "--n", "99"], "n=99 cannot be used"),
        (["neighbours", "--n", "0"], "--n 0 cannot be drawn"),
        (["components", "--n", "-2"], "--n -2 cannot be drawn"),
        (["manifold", "--n", "2000"], "Use 2 to 60"),
        (["map", "--units", "0,1"], "a map does not take it"),
        (["traversal", "--n", "5"], "Its options: --units"),
        (["traversal", "--rows", "3"], "a traversal does not take it"),
        (["field", "--zoom", "inf"], "--zoom inf cannot be used"),
        (["training", "--every", "0"], "--every 0 cannot be used"),
        (["map", "--out", "map.pdf"], "ends in .png"),
        (["training", "--out", "a.mp4"], ".webp or .gif"),
        (["map", "--values", "a.txt"], "--values a.txt ends in"),
    ],
)
def test_what_it_refuses(arguments: list[str], words: str, runs: dict[str, Path], capsys: Any) -> None:
    capsys.readouterr()
    assert main(["explore", str(runs["table"]), *arguments]) == 2
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert "Traceback" not in said
