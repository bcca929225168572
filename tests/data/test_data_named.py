"""Named sets: against the files read by hand, and where they are looked for."""

import csv
import gzip
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import latentia.data as data
from latentia.data.catalogue import CATALOGUE
from latentia.errors import DataError


def test_the_table_agrees_with_the_catalogue(data_folder):
    listed = json.loads((data_folder / "manifest.json").read_text())["datasets"]
    known = {f["file"]: (f["bytes"], f["sha256"]) for s in listed for f in s["files"]}
    ours = [f for entry in CATALOGUE.values() for f in entry.files]
    assert len(ours) == 19
    for file in ours:
        assert known[file.path] == (file.bytes, file.sha256)


@pytest.mark.parametrize("name", data.names())
def test_every_set_is_as_described(data_folder, name):
    got, facts = data.load(name), data.describe(name)
    parts = {s: p for s, p in (("train", got), ("valid", got.valid), ("test", got.test)) if p is not None}
    assert {s: len(p.x) for s, p in parts.items()} == facts["splits"]
    for part in parts.values():
        assert (part.x.shape[1], part.name) == (facts["columns"], name)
        assert (part.label is not None) == bool(facts["label"])
        assert (list(part.image_shape) if part.image_shape else None) == facts["image_shape"]
        data.check_rows(part.x)
    assert facts["found"] in ("in the data folder", "in scikit-learn")
    json.dumps(facts)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_by_hand(data_folder, name):
    def raw(file, skip):
        with gzip.open(data_folder / name / file) as packed:
            return np.frombuffer(packed.read(), np.uint8)[skip:]

    got = data.load(name)
    np.testing.assert_array_equal(got.x.ravel(), raw("train-images-idx3-ubyte.gz", 16))
    np.testing.assert_array_equal(got.label, raw("train-labels-idx1-ubyte.gz", 8))  # pyright: ignore
    test = data.load(name, split="test")
    np.testing.assert_array_equal(test.x.ravel(), raw("t10k-images-idx3-ubyte.gz", 16))
    np.testing.assert_array_equal(test.label, raw("t10k-labels-idx1-ubyte.gz", 8))  # pyright: ignore


def test_static_mnist_belongs_to_mnist(data_folder):
    static, mnist = data.load("mnist_static"), data.load("mnist")
    with np.load(data_folder / "mnist_static" / "binarized_mnist.npz") as z:
        at = z["train_mnist_index"]
    assert mnist.label is not None
    np.testing.assert_array_equal(static.label, mnist.label[at])  # pyright: ignore[reportArgumentType]
    grey = mnist.x[at]
    assert not static.x[grey == 0].any()
    assert static.x[grey == 255].all()
    assert static.valid is not None
    assert static.valid.x.mean() == pytest.approx(0.13113, abs=1e-5)


def test_packed_bits_by_hand(data_folder):
    with np.load(data_folder / "binary_uci" / "dna.npz") as z:
        packed = z["test_data"]
    slow = [[int(bit) for byte in row for bit in f"{byte:08b}"][:180] for row in packed[:50].tolist()]
    np.testing.assert_array_equal(data.load("dna", split="test").x[:50], slow)


@pytest.mark.parametrize(("name", "file"), [("wine_quality_red", "winequality_red"), ("banknote", "banknote")])
def test_tables_by_hand(data_folder, name, file):
    with gzip.open(data_folder / "tabular" / f"{file}.csv.gz", "rt") as text:
        header, *rows = csv.reader(text)
    got = data.load(name)
    want = np.array(rows, float)
    assert got.columns == tuple(header[:-1])
    np.testing.assert_array_equal(got.x, want[:, :-1])
    np.testing.assert_array_equal(got.label, want[:, -1])  # pyright: ignore[reportArgumentType]


def test_a_faces_archive_by_hand(data_folder):
    with np.load(data_folder / "olivetti" / "olivetti_faces.npz") as z:
        images, subject = z["images"], z["subject"]
    got = data.load("olivetti", columns=["pixel_64", "pixel_0"])
    np.testing.assert_array_equal(got.x, np.stack([images[:, 1, 0], images[:, 0, 0]], axis=1))
    np.testing.assert_array_equal(got.label, subject)  # pyright: ignore[reportArgumentType]


def test_scikit_learn_sets_need_no_folder(no_folder):
    from sklearn.datasets import load_digits, load_iris

    digits, iris = data.load("digits"), data.load("iris")
    np.testing.assert_array_equal(digits.x, load_digits().data)
    np.testing.assert_array_equal(digits.label, load_digits().target)  # pyright: ignore[reportArgumentType]
    assert digits.image_shape == (8, 8)
    assert digits.columns[63] == "pixel_63"
    np.testing.assert_array_equal(iris.x, load_iris().data)
    assert iris.label is not None
    assert iris.label[[0, 149]].tolist() == ["setosa", "virginica"]
    assert (data.fetch("iris") / "iris.csv").is_file()


def test_unknown_names(no_folder):
    for verb in (data.describe, data.fetch):
        with pytest.raises(DataError, match=r"no data set 'fashion'.*Did you mean 'fashion_mnist'"):
            verb("fashion")
    with pytest.raises(DataError, match="no part 'valid'"):
        data.load("iris", split="valid")


def test_the_folder_is_found_by_variable_beside_and_in_the_cache(data_folder, no_folder, monkeypatch):
    def copy(root):
        shutil.copytree(data_folder / "frey_faces", root / "frey_faces")
        return root

    assert data.fetch("frey_faces") == data_folder / "frey_faces"
    monkeypatch.delenv("LATENTIA_DATA")
    assert data.describe("frey_faces")["found"] == "not available"
    from latentia.data.named import cache_root

    cache = copy(cache_root())
    assert data.fetch("frey_faces") == cache / "frey_faces"
    assert data.describe("frey_faces")["found"] == "in the user's cache"
    beside = copy(no_folder / "a" / "shared" / "data")
    assert data.fetch("frey_faces").samefile(beside / "frey_faces")
    monkeypatch.setenv("LATENTIA_DATA", str(no_folder))
    assert data.fetch("frey_faces") == cache / "frey_faces"


def test_what_is_not_there_says_what_to_set(no_folder, monkeypatch):
    assert data.describe("mnist")["found"] == "would be downloaded"
    with pytest.raises(DataError, match=r"omniglot is neither.*LATENTIA_DATA.*LATENTIA_MIRROR"):
        data.load("omniglot")
    monkeypatch.setenv("LATENTIA_DATA", str(no_folder / "absent"))
    with pytest.raises(DataError, match="is no folder"):
        data.load("omniglot")
    monkeypatch.setenv("LATENTIA_DATA", str(no_folder))
    with pytest.raises(DataError, match="is no address"):
        data.fetch("omniglot", base_url="file:///etc")


def test_a_file_of_the_wrong_size_is_named(data_folder, no_folder, monkeypatch):
    short = no_folder / "frey_faces" / "frey_faces.npz"
    short.parent.mkdir()
    short.write_bytes((data_folder / "frey_faces" / "frey_faces.npz").read_bytes()[:-5])
    monkeypatch.setenv("LATENTIA_DATA", str(no_folder))
    with pytest.raises(DataError, match=r"frey_faces\.npz has 996885 bytes, 996890 were expected"):
        data.load("frey_faces")


def test_nothing_heavy_is_loaded_with_the_package():
    heavy = "{'torch', 'pyarrow', 'pandas', 'polars', 'PIL', 'pooch', 'sklearn', 'requests', 'narwhals', 'scipy'}"
    code = f"import sys, latentia.data; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_torch_is_ever_loaded():
    code = "import sys, latentia.data as d; d.load('iris'); d.load([[1, 2]]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
