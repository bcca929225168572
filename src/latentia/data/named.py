"""Named data sets: find their files or fetch them, and read them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from .arrays import NpzReader, from_array
from .catalogue import CATALOGUE, Entry, File
from .checks import suggest
from .dataset import Dataset
from .idx import read_idx_array
from .selection import Selection
from .tables import read_csv

_BESIDE = Path("..") / "shared" / "data"


def names() -> tuple[str, ...]:
    """Return the names of the data sets that `load` knows.

    >>> "mnist" in names()
    True
    """
    return tuple(CATALOGUE)


def describe(name: str) -> dict[str, object]:
    """Return what is known about a named set, ready for JSON; nothing is read or fetched.

    Args:
        name: one of `names()`.

    Returns:
        name, title, rows (of all parts), columns, values, label, image_shape, splits, source, licence, bytes,
        found ("in scikit-learn", "in the data folder", "in the user's cache", "would be downloaded", "not available")
        and path, which is None where there is none yet.

    Raises:
        DataError: there is no set of this name.

    >>> describe("iris")["rows"]
    150
    """
    entry = _entry(name)
    found, path = _whereabouts(entry)
    return {
        "name": name,
        "title": entry.title,
        "rows": sum(entry.splits.values()),
        "columns": entry.columns,
        "values": entry.values,
        "label": entry.label or None,
        "image_shape": list(entry.image_shape) if entry.image_shape else None,
        "splits": dict(entry.splits),
        "source": entry.source,
        "licence": entry.licence,
        "bytes": sum(file.bytes for file in entry.files),
        "found": found,
        "path": str(path) if path else None,
    }


def fetch(
    name: str, *, base_url: str | None = None, timeout: float = 30.0, attempts: int = 4, backoff: float = 1.0
) -> Path:
    """Return the folder with the files of a named set, downloading them into the user's cache if need be.

    The folder that LATENTIA_DATA names is looked at first (or `../shared/data`, where it is not set), then the cache.

    Args:
        name: one of `names()`.
        base_url: address of a mirror with the catalogue's layout; by default what LATENTIA_MIRROR says, else
            the public address of the set.
        timeout: seconds without a byte after which an attempt has failed.
        attempts: how often each file is tried.
        backoff: seconds before the second attempt, doubled for each one after it.

    Raises:
        DataError: no such set, a file of the wrong size, no address known, or the download failed.
    """
    entry = _entry(name)
    if entry.kind == "sklearn":
        import sklearn.datasets

        return Path(sklearn.datasets.__file__).parent / "data"
    for root in (_given_root(), cache_root()):
        if root is not None and _complete(root, entry, check=root != cache_root()):
            return root / Path(entry.files[0].path).parent
    return _download(name, entry, base_url, timeout=timeout, attempts=attempts, backoff=backoff)


def load_named(name: str) -> Dataset:
    """Return a named set, with its validation and test parts where it has them."""
    entry = _entry(name)
    folder = fetch(name)
    parts = _READERS[entry.kind](name, entry, folder)
    where = "scikit-learn" if entry.kind == "sklearn" else str(folder)
    source = f"{entry.title}: {entry.source}; read from {where}."
    parts = {split: replace(part, name=name, source=source) for split, part in parts.items()}
    return replace(parts["train"], valid=parts.get("valid"), test=parts.get("test"))


def cache_root() -> Path:
    """Return the folder of the user's cache; it need not exist."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("latentia"))


def _entry(name: str) -> Entry:
    if name in CATALOGUE:
        return CATALOGUE[name]
    raise DataError(f"There is no data set {name!r}. There are: {', '.join(CATALOGUE)}.{suggest(name, CATALOGUE)}")


def _given_root() -> Path | None:
    given = os.environ.get("LATENTIA_DATA")
    if not given:
        return _BESIDE.resolve() if _BESIDE.is_dir() else None
    root = Path(given).expanduser()
    if not root.is_dir():
        raise DataError(f"LATENTIA_DATA={given!r} is no folder. Set it to a folder of data sets, or unset it.")
    return root


def _complete(root: Path, entry: Entry, *, check: bool) -> bool:
    """True if all files are there. Sizes are compared, not checksums: reading MNIST should not mean hashing it.

    A file of the wrong size counts as absent in the cache, which is ours to mend; elsewhere it is an error.
    """
    there = [file for file in entry.files if (root / file.path).is_file()]
    wrong = [file for file in there if (root / file.path).stat().st_size != file.bytes]
    if wrong and check:
        size = (root / wrong[0].path).stat().st_size
        raise DataError(
            f"{root / wrong[0].path} has {size} bytes, {wrong[0].bytes} were expected: it is cut off or another "
            "file. Copy it again, or take it away to have it fetched."
        )
    return len(there) == len(entry.files) and not wrong


def _whereabouts(entry: Entry) -> tuple[str, Path | None]:
    if entry.kind == "sklearn":
        return "in scikit-learn", None
    given, cache = _given_root(), cache_root()
    folder = Path(entry.files[0].path).parent
    if given is not None and _complete(given, entry, check=False):
        return "in the data folder", given / folder
    if _complete(cache, entry, check=False):
        return "in the user's cache", cache / folder
    return ("would be downloaded" if os.environ.get("LATENTIA_MIRROR") or entry.public else "not available"), None


def _download(name: str, entry: Entry, base_url: str | None, **patience) -> Path:
    from .download import download

    mirror = base_url or os.environ.get("LATENTIA_MIRROR") or ""
    root = cache_root()
    for file in entry.files:
        download(file, _address(name, entry, file, mirror), root, **patience)
    return root / Path(entry.files[0].path).parent


def _address(name: str, entry: Entry, file: File, mirror: str) -> str:
    if not mirror and not entry.public:
        raise DataError(
            f"{name} is neither in LATENTIA_DATA nor in the cache, and no public address holds these very files. Set "
            "LATENTIA_DATA to a folder that has it, or LATENTIA_MIRROR to an address that serves such a folder."
        )
    if not mirror:
        return entry.public + Path(file.path).name
    if not mirror.startswith(("http://", "https://")):
        raise DataError(f"The mirror {mirror!r} is no address: one that begins with http:// or https:// was expected.")
    return f"{mirror.rstrip('/')}/{file.path}"


def _read_sklearn(name: str, entry: Entry, folder: Path) -> dict[str, Dataset]:
    import sklearn.datasets as sets

    load = {"digits": sets.load_digits, "iris": sets.load_iris, "wine": sets.load_wine}
    bunch = load.get(name, sets.load_breast_cancer)()
    if entry.image_shape:
        return {"train": from_array(bunch["images"], label=bunch["target"], name=name)}
    label = np.asarray(bunch["target_names"])[bunch["target"]]
    return {"train": from_array(bunch["data"], label=label, names=list(bunch["feature_names"]), name=name)}


def _read_idx(name: str, entry: Entry, folder: Path) -> dict[str, Dataset]:
    def part(prefix: str) -> Dataset:
        images = read_idx_array(folder / f"{prefix}-images-idx3-ubyte.gz")
        return from_array(images, label=read_idx_array(folder / f"{prefix}-labels-idx1-ubyte.gz"), name=name)

    return {"train": part("train"), "test": part("t10k")}


def _read_static(name: str, entry: Entry, folder: Path) -> dict[str, Dataset]:
    arrays = _npz(entry, folder)

    def part(split: str) -> Dataset:
        bits = np.unpackbits(arrays.read(split), axis=1, count=784).reshape(-1, 28, 28)
        return from_array(bits, label=arrays.read(f"{split}_label"), name=name)

    return {split: part(split) for split in entry.splits}


def _read_packed(name: str, entry: Entry, folder: Path) -> dict[str, Dataset]:
    arrays = _npz(entry, folder)

    def part(split: str) -> Dataset:
        bits = np.unpackbits(arrays.read(f"{split}_data"), axis=1, count=int(arrays.read("n_features")))
        return from_array(bits, name=name)

    return {split: part(split) for split in entry.splits}


def _read_omniglot(name: str, entry: Entry, folder: Path) -> dict[str, Dataset]:
    arrays = _npz(entry, folder)
    return {
        split: from_array(arrays.read(split), label=arrays.read(f"{split}_character"), name=name)
        for split in entry.splits
    }


def _read_images(name: str, entry: Entry, folder: Path) -> dict[str, Dataset]:
    arrays = _npz(entry, folder)
    label = arrays.read(entry.label) if entry.label else None
    return {"train": from_array(arrays.read("images"), label=label, name=name)}


def _read_table(name: str, entry: Entry, folder: Path) -> dict[str, Dataset]:
    return {"train": read_csv(folder / Path(entry.files[0].path).name, Selection(label=entry.label))}


def _npz(entry: Entry, folder: Path) -> NpzReader:
    return NpzReader(folder / Path(entry.files[0].path).name)


_READERS = {
    "sklearn": _read_sklearn,
    "idx": _read_idx,
    "static": _read_static,
    "packed": _read_packed,
    "omniglot": _read_omniglot,
    "images": _read_images,
    "table": _read_table,
}
