"""Where the tests of `latentia.data` find data, and how they are kept from the user's own folders."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("LATENTIA_DATA") or Path(__file__).parents[3] / "shared" / "data").resolve()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the cache of whoever runs it, nor goes through a proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("LATENTIA_MIRROR", raising=False)
    monkeypatch.delenv("LATENTIA_DATA", raising=False)


@pytest.fixture
def data_folder(monkeypatch):
    """The folder of real data sets; tests that compare with them are skipped where nobody has put it."""
    if not (DATA / "mnist").is_dir():
        pytest.skip(f"the data folder is not here: {DATA} (set LATENTIA_DATA)")
    monkeypatch.setenv("LATENTIA_DATA", str(DATA))
    return DATA


@pytest.fixture
def no_folder(monkeypatch, tmp_path):
    """A working folder with no data folder beside it."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    return tmp_path
