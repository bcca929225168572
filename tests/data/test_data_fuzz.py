"""Whatever a file holds, `load` gives a `Dataset` or a `DataError`, never anything else."""

import gzip
import io
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

import latentia.data as data
from latentia.errors import DataError

FRAME = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40) % 7, "k": ["u", "vw"] * 20})
ARRAY = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)


def _bytes(write, *args, **kwargs):
    sink = io.BytesIO()
    write(sink, *args, **kwargs)
    return sink.getvalue()


IDX = struct.pack(">HBB3I", 0, 8, 3, 6, 5, 4) + ARRAY.tobytes()
VALID = {
    "t.csv": FRAME.to_csv(index=False).encode(),
    "t.tsv": FRAME.to_csv(index=False, sep="\t").encode(),
    "t.csv.gz": gzip.compress(FRAME.to_csv(index=False).encode()),
    "t.parquet": _bytes(FRAME.to_parquet),
    "t.feather": _bytes(FRAME.to_feather),
    "t.npy": _bytes(np.save, ARRAY),
    "t.npz": _bytes(np.savez, x=ARRAY, y=np.arange(6)),
    "packed.npz": _bytes(np.savez_compressed, x=ARRAY, y=np.arange(6)),
    "t.gz": gzip.compress(IDX),
    "t-ubyte": IDX,
    "p/t.png": _bytes(Image.fromarray(ARRAY[0]).save, format="PNG"),
    "p/t.jpg": _bytes(Image.fromarray(ARRAY[0]).save, format="JPEG"),
}
# Those that state their length: the shorter file is never a smaller data set.
STRICT = ("t.csv.gz", "t.parquet", "t.feather", "t.npy", "t.npz", "packed.npz", "t.gz", "t-ubyte")
FUZZ = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _load(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    label = (
        "k" if name.startswith("t.") and name.endswith((".csv", ".tsv", ".csv.gz", ".parquet", ".feather")) else None
    )
    target = path.parent if name.startswith("p/") else path
    try:
        got = data.load(target, label=label)
    except DataError:
        return None
    finally:
        path.unlink()
    assert got.x.ndim == 2
    assert got.x.size
    return got


@pytest.mark.parametrize("name", VALID)
def test_the_valid_ones_are_read(tmp_path, name):
    assert _load(tmp_path, name, VALID[name]) is not None


@pytest.mark.parametrize("name", VALID)
@FUZZ
@given(content=st.binary(max_size=300))
@example(content=b"\x1f\x8b")
@example(content=b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (((((((((((((((")
@example(content=b"PK\x05\x06" + bytes(18))
@example(content=b"ARROW1\0\0\0\0\0\0ARROW1")
@example(content=b"PAR1\xff\xff\xff\x7fPAR1")
@example(content=b'"')
@example(content=b'"a\n1')
@example(content=b"\xef\xbb\xbf")
@example(content=b"a" * 200_000)
def test_random_bytes(tmp_path, name, content):
    _load(tmp_path, name, content)


@pytest.mark.parametrize("name", VALID)
@FUZZ
@given(content=st.binary(max_size=60))
def test_random_bytes_after_a_true_beginning(tmp_path, name, content):
    _load(tmp_path, name, VALID[name][:24] + content)


@pytest.mark.parametrize("name", VALID)
@FUZZ
@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_off_files(tmp_path, name, share):
    content = VALID[name]
    got = _load(tmp_path, name, content[: int(share * len(content))])
    assert got is None or name not in STRICT


@pytest.mark.parametrize("name", VALID)
@FUZZ
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes(tmp_path, name, flips):
    content = bytearray(VALID[name])
    for share, mask in flips:
        content[int(share * len(content))] ^= mask
    _load(tmp_path, name, bytes(content))


@FUZZ
@given(text=st.text(st.sampled_from('ab1.,;\t"\n\r -eé'), max_size=60))
def test_random_tables(tmp_path, text):
    _load(tmp_path, "u.csv", text.encode())
