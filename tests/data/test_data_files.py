"""Every file format against an independent reader, and every way in which a file can be bad."""

import csv
import gzip
import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import latentia.data as data
from latentia.errors import DataError

FRAME = pd.DataFrame(
    {
        "length": [1.5, -2.0, 3.25, 1e-300],
        "count": [1, 2, 3, -4],
        "kind": ["red", "blue", "red, dark", 'a "b"'],
        "w": [1, 0, 2, 3],
    }
)


def _idx(array, code=8, packed=True):
    body = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    return gzip.compress(body) if packed else body


def _bytes(write, *args, **kwargs):
    sink = io.BytesIO()
    write(sink, *args, **kwargs)
    return sink.getvalue()


TABLES = {
    "t.csv": lambda p: FRAME.to_csv(p, index=False),
    "t.csv.gz": lambda p: FRAME.to_csv(p, index=False),
    "t.tsv": lambda p: FRAME.to_csv(p, index=False, sep="\t"),
    "semicolon.csv": lambda p: FRAME.to_csv(p, index=False, sep=";"),
    "bom.csv": lambda p: FRAME.to_csv(p, index=False, encoding="utf-8-sig"),
    "windows.csv": lambda p: FRAME.to_csv(p, index=False, lineterminator="\r\n"),
    "t.parquet": lambda p: FRAME.to_parquet(p),
    "index.parquet": lambda p: FRAME.set_index(pd.Index([7, 5, 3, 1])).to_parquet(p),
    "t.feather": lambda p: FRAME.to_feather(p),
    "t.arrow": lambda p: pa.feather.write_feather(pa.Table.from_pandas(FRAME), str(p), compression="zstd"),
    "index.ipc": lambda p: pa.feather.write_feather(pa.table(pa.Table.from_pandas(FRAME[::-1])), str(p)),
    "stream.arrow": lambda p: _stream(p),
}


def _stream(path):
    table = pa.Table.from_pandas(FRAME)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("name", TABLES)
def test_tables_agree_with_pandas(tmp_path, name):
    path = tmp_path / name
    TABLES[name](path)
    got = data.load(path, label="kind", weight="w")
    want = FRAME[::-1] if name == "index.ipc" else FRAME
    np.testing.assert_array_equal(got.x, want[["length", "count"]].to_numpy())
    assert (got.columns, got.name, got.x.dtype) == (("length", "count"), name, np.float64)
    assert got.label is not None
    assert got.label.tolist() == want["kind"].tolist()
    np.testing.assert_array_equal(got.weight, want["w"].to_numpy(float))  # pyright: ignore[reportArgumentType]
    assert data.load(str(path), columns=["count"]).x.dtype == np.int64


@pytest.mark.parametrize("seed", range(3))
def test_csv_of_random_numbers_agrees_with_python(tmp_path, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(500, 7)) * 10.0 ** rng.integers(-30, 30, (500, 7)))
    frame.columns = [f"c{i}" for i in range(7)]
    frame["missing"] = np.where(rng.random(500) < 0.2, np.nan, 1.0)
    frame["whole"] = rng.integers(-(2**53), 2**53, 500)
    frame.to_csv(tmp_path / "r.csv", index=False)
    got = data.load(tmp_path / "r.csv")
    with open(tmp_path / "r.csv") as file:
        header, *rows = csv.reader(file)
    assert got.columns == tuple(header)
    np.testing.assert_array_equal(got.x, [[float(field or "nan") for field in row] for row in rows])


HEADERS = [
    ("1,2\n3,4\n", ("0", "1"), [[1, 2], [3, 4]], True),
    ("a,2\n3,4\n", ("a", "2"), [[3, 4]], False),
    ("1,NA,3\n4,5,6\n", ("0", "1", "2"), [[1, np.nan, 3], [4, 5, 6]], True),
    (",0,1\n0,3,4\n", ("unnamed_0", "0", "1"), [[0, 3, 4]], False),
    ("1_0,2\n3,4\n", ("1_0", "2"), [[3, 4]], False),
    (" a , b\n1, 2\n", ("a", "b"), [[1, 2]], False),
    ('"x\ty",z\n1,2\n', ("x\ty", "z"), [[1, 2]], False),
    ("a\n1\n\n2\n", ("a",), [[1], [2]], False),
    ("a,b\ntrue,1\nfalse,2", ("a", "b"), [[1, 1], [0, 2]], False),
    ("\n\na,b\n1,inf\n", ("a", "b"), [[1, np.inf]], False),
    ("\ufeff1,2\n3,4\n", ("0", "1"), [[1, 2], [3, 4]], True),
    ("-1e5\n2\n", ("0",), [[-1e5], [2]], True),
]


@pytest.mark.parametrize(("text", "columns", "rows", "bare"), HEADERS)
def test_headers_are_recognised(tmp_path, text, columns, rows, bare):
    (tmp_path / "h.csv").write_text(text, encoding="utf-8")
    got = data.load(tmp_path / "h.csv")
    assert got.columns == columns
    np.testing.assert_array_equal(got.x, rows)
    assert ("without a header" in got.source) == bare


def test_commas_are_no_separators_in_tsv(tmp_path):
    (tmp_path / "t.tsv").write_text("a,b\tc\n1\t2\n")
    assert data.load(tmp_path / "t.tsv").columns == ("a,b", "c")


def test_quoted_fields_may_hold_line_ends(tmp_path):
    lines = "7,7\n" * 1_300_000  # longer than a block: no line end in it may be taken for the end of a row
    (tmp_path / "q.csv").write_text("a,k\n" + f'1,"{lines}"\n' * 2)
    label = data.load(tmp_path / "q.csv", label="k").label
    assert label is not None
    assert label.tolist() == [lines, lines]


def test_integers_and_small_types_stay(tmp_path):
    table = pa.table({"a": pa.array([1, 2], pa.uint8()), "b": pa.array([True, False])})
    pq.write_table(table, tmp_path / "u.parquet")
    got = data.load(tmp_path / "u.parquet")
    assert got.x.dtype == np.uint8
    assert got.x.tolist() == [[1, 1], [2, 0]]


def test_whole_numbers_become_integer_labels(tmp_path):
    (tmp_path / "l.csv").write_text("a,c\n1,5.0\n2,6.0\n")
    label = data.load(tmp_path / "l.csv", label="c").label
    assert label is not None
    assert label.dtype == np.int64
    assert label.tolist() == [5, 6]


@pytest.mark.parametrize("dtype", ["u1", "f4", ">f8", "?", "<i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, dtype, order):
    x = np.asarray(np.random.default_rng(0).integers(0, 2, (4, 3, 2)).astype(dtype), order=order)
    np.save(tmp_path / "x.npy", x)
    got = data.load(tmp_path / "x.npy")
    np.testing.assert_array_equal(got.x, x.reshape(4, 6).astype(float))
    assert got.x.flags.c_contiguous
    assert got.image_shape == (3, 2)


X, Y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2
ARCHIVES = {
    "x among others": ({"other": X + 1, "x": X}, {}, None),
    "the only table": ({"foo": X, "bar": Y}, {}, None),
    "y is the label": ({"X": X, "y": Y}, {}, Y),
    "named label": ({"data": X, "bar": Y}, {"label": "bar"}, Y),
    "column label": ({"data": np.c_[X, Y], "w": Y}, {"label": "2", "weight": "w"}, Y),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("case", ARCHIVES)
def test_npz(tmp_path, case, save):
    arrays, options, label = ARCHIVES[case]
    save(tmp_path / "a.npz", **arrays)
    got = data.load(tmp_path / "a.npz", **options)
    np.testing.assert_array_equal(got.x, X)
    np.testing.assert_array_equal(got.label, label)  # pyright: ignore[reportArgumentType]
    assert (got.weight is not None) == ("weight" in options)


IDX_TYPES = [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")]


@pytest.mark.parametrize(("code", "dtype"), IDX_TYPES)
@pytest.mark.parametrize("packed", [True, False])
def test_idx_with_labels_beside(tmp_path, code, dtype, packed):
    x = np.arange(24).reshape(4, 3, 2).astype(dtype)
    ending = ".gz" if packed else ""
    (tmp_path / f"some-images-idx3-ubyte{ending}").write_bytes(_idx(x, code, packed))
    (tmp_path / "some-labels-idx1-ubyte").write_bytes(_idx(np.arange(4, dtype="u1"), packed=False))
    got = data.load(tmp_path / f"some-images-idx3-ubyte{ending}")
    np.testing.assert_array_equal(got.x, x.reshape(4, 6))
    assert got.x.dtype == np.dtype(dtype).newbyteorder("=")
    assert got.label is not None
    assert got.label.tolist() == [0, 1, 2, 3]


def _npy(shape="(2, 2)", descr="<f8", body=b"\0" * 32, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + body


def _zip(content, method=zipfile.ZIP_DEFLATED, name="x.npy"):
    return _bytes(lambda s: _into(s, content, method, name))


def _into(sink, content, method, name):
    with zipfile.ZipFile(sink, "w", method) as archive:
        archive.writestr(name, content)


def _lying_zip():
    """An archive whose directory declares far more than the few bytes that are there could unpack to."""
    whole = bytearray(_zip(_npy("(1073741824, 8)", "|u1", b"")))
    at = whole.index(b"PK\x01\x02") + 24
    whole[at : at + 4] = struct.pack("<I", 2**32 - 2)
    return bytes(whole)


OBJECTS = _bytes(np.save, np.array([[1, {}]], object), allow_pickle=True)
LABEL = {"label": "k"}
NULLS = pa.table({"a": [2**60, None]})
GARBLED = pa.table({"a": [1], "k": pa.array([b"\xff"]).cast(pa.string(), safe=False)})
LIST = pa.table({"a": [1.0], "l": [[1, 2]]})
BAD_FILES = {
    "empty": ("a.csv", b"", {}, "is empty (0 bytes)"),
    "only newlines": ("a.csv", b"\n\n\n", {}, "no lines"),
    "only a header": ("a.csv", b"a,b\n", {}, "0 rows"),
    "ragged": ("a.csv", b"a,b\n1,2\n3\n4,5\n", {}, "ragged: line 3 has 1 fields, 2 were expected"),
    "ragged, wide": ("a.csv", b"a,b\n1,2\n3,4,5\n", {}, "line 3 has 3 fields"),
    "latin-1 header": ("a.csv", "größe,b\n1,2\n".encode("latin-1"), {}, "not UTF-8"),
    "latin-1 label": ("a.csv", "a,k\n1,grün\n2,x\n".encode("latin-1"), LABEL, "UTF-8"),
    "latin-1 cell": ("a.csv", "a,k\n1,grün\n".encode("latin-1"), {}, "not UTF-8"),
    "utf-16": ("a.csv", "a,b\n1,2\n".encode("utf-16"), {}, "not UTF-8"),
    "same name": ("a.csv", b"a,a\n1,2\n", {}, "same name: 'a'"),
    "same name, one asked": ("a.csv", b"a,a\n1,2\n", {"columns": ["a"]}, "same name: 'a'"),
    "text": ("a.csv", b"a,kind\n1,5\n2,?\n", {}, "column 'kind' of a.csv holds text, not numbers: row 1 is '?'"),
    "advice": ("a.csv", b"a,kind\n1,red\n", {}, "drop=['kind'] / --drop, or make it the label"),
    "dates": ("a.csv", b"a,day\n1,2020-01-01\n", {}, "holds date32"),
    "large integer": ("a.csv", b"a\n1\n9007199254740993\n", {}, "2**53"),
    "unknown column": ("a.csv", b"length,b\n1,2\n", {"label": "lenght"}, "Did you mean 'length'?"),
    "nothing left": ("a.csv", b"a,b\n1,2\n", {"drop": ["a", "b"]}, "no column left"),
    "negative weight": ("a.csv", b"a,w\n1,1\n2,-1\n", {"weight": "w"}, "column 'w' of a.csv: row 1 is negative"),
    "text weight": ("a.csv", b"a,w\n1,u\n", {"weight": "w"}, "holds text"),
    "bytes as csv": ("a.csv", b"\0\1\2\xff" * 100, {}, "a.csv"),
    "not packed": ("a.npz", b"hello", {}, "NPZ"),
    "packed and cut off": ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99)[:-9], {}, "gzip"),
    "no ending": ("a", b"hello", {}, "ending '', which is not known. Known are .csv"),
    "unknown ending": ("a.xlsx", b"hello", {}, "'.xlsx'"),
    "one picture": ("a.png", b"hello", {}, "Name its folder"),
    "pickle": ("a.npy", OBJECTS, {}, "never loaded"),
    "packed pickle": ("a.npz", _zip(OBJECTS), {}, "never loaded"),
    "complex": ("a.npy", _bytes(np.save, np.ones((2, 2), complex)), {}, "Complex"),
    "numpy text": ("a.npy", _bytes(np.save, np.array([["a", "1"]])), {}, "row 0, column 0 is 'a'"),
    "cut off npy": ("a.npy", _bytes(np.save, X)[:-1], {}, "declares an array of shape (6, 2)"),
    "huge npy": ("a.npy", _npy("(1000000000000, 1000)"), {}, "declares an array of shape (1000000000000, 1000)"),
    "negative npy": ("a.npy", _npy("(-2, -2)"), {}, "impossible"),
    "endless npy": ("a.npy", _npy("(2, " + "9" * 5000 + ")"), {}, "a.npy"),
    "wrong version": ("a.npy", _npy(version=9), {}, "a.npy"),
    "npy of one axis": ("a.npy", _bytes(np.save, Y), {}, "reshape(-1, 1)"),
    "no table": ("a.npz", _bytes(np.savez, a=Y, b=Y), {}, "there are: a (6,), b (6,)"),
    "two tables": ("a.npz", _bytes(np.savez, a=X, b=X), {}, "there are: a (6, 2), b (6, 2)"),
    "no arrays": ("a.npz", _zip(b"hello", name="readme"), {}, "there are: none"),
    "lying npz": ("a.npz", _lying_zip(), {}, "declares 4294967294 bytes"),
    "cut off npz": ("a.npz", _bytes(np.savez, x=X)[:-30], {}, "NPZ"),
    "strange npz": ("a.npz", _zip(_npy(), zipfile.ZIP_LZMA), {}, "np.savez"),
    "short npz": ("a.npz", _zip(_npy("(9, 9)")), {}, "cut off"),
    "short labels": ("a.npz", _bytes(np.savez, x=X, k=Y[:3]), LABEL, "labels of shape (3,) came for 6 rows"),
    "no idx": ("a.gz", gzip.compress(b"hello, this is text"), {}, "does not begin as an IDX"),
    "cut off idx": ("a.gz", _idx(np.ones((9, 2), "u1"))[:-9], {}, "IDX"),
    "short idx": ("a-ubyte", _idx(np.ones((9, 2), "u1"), packed=False)[:-1], {}, "holds only 17"),
    "packed short idx": ("a.gz", gzip.compress(b"\0\0\x08\x01\0\0\0\x09hello"), {}, "holds only 5"),
    "long idx": ("a-ubyte", _idx(np.ones((9, 2), "u1"), packed=False) + b"!", {}, "holds more"),
    "huge idx": ("a.gz", gzip.compress(struct.pack(">HBB3I", 0, 8, 3, *[2**31] * 3)), {}, "more than it can hold"),
    "idx labels": ("a.gz", _idx(np.ones(9, "u1")), {}, "Name the images file"),
    "no parquet": ("a.parquet", b"PAR1 hello PAR1", {}, "Parquet"),
    "cut off parquet": ("a.parquet", _bytes(FRAME.to_parquet)[:-20], {}, "Parquet"),
    "parquet, unknown": ("a.parquet", _bytes(FRAME.to_parquet), {"drop": ["knd"]}, "Did you mean 'kind'?"),
    "parquet text": ("a.parquet", _bytes(FRAME.to_parquet), {}, "row 0 is 'red'"),
    "parquet list": ("a.parquet", _bytes(lambda s: pq.write_table(LIST, s)), {}, "column 'l'"),
    "large beside missing": ("a.parquet", _bytes(lambda s: pq.write_table(NULLS, s)), {}, "2**53"),
    "garbled parquet": ("a.parquet", _bytes(lambda s: pq.write_table(GARBLED, s)), LABEL, "UTF8"),
    "garbled arrow": ("a.arrow", _bytes(lambda s: pa.feather.write_feather(GARBLED, s)), LABEL, "UTF8"),
    "no arrow": ("a.arrow", b"hello", {}, "Arrow"),
    "missing label": ("a.csv", b"a,k\n1,5\n2,\n", LABEL, "none in row 1 (1 in total)"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_get_one_sentence(tmp_path, case):
    name, content, options, words = BAD_FILES[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        data.load(path, **options)
    assert words in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_labels_beside_must_fit(tmp_path):
    (tmp_path / "a-images-idx3-ubyte").write_bytes(_idx(np.ones((4, 2, 2), "u1"), packed=False))
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(_idx(np.ones(3, "u1"), packed=False))
    with pytest.raises(DataError, match=r"\(3,\) labels came for the 4 rows"):
        data.load(tmp_path / "a-images-idx3-ubyte")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.gz"])
def test_gzip_bombs_are_not_unpacked(tmp_path, monkeypatch, name):
    monkeypatch.setattr("latentia.data.files._GZIP_FREE", 2**20)
    head = struct.pack(">HBB2I", 0, 8, 2, 2**14, 2**12) if name == "a.gz" else b"a\n"
    (tmp_path / name).write_bytes(gzip.compress(head + b"\0" * 2**26))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"more than"):
        data.load(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


def test_zip_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("latentia.data.arrays.MAX_BYTES", 2**20)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((2**11, 2**10), "u1"))
    with pytest.raises(DataError, match="the limit is 1048576"):
        data.load(tmp_path / "a.npz")


def test_parquet_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("latentia.data.tables.MAX_BYTES", 2**20)
    pq.write_table(pa.table({"a": np.zeros(2**18)}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="declares 262144 rows"):
        data.load(tmp_path / "a.parquet")


def test_damage_inside_an_archive_is_seen(tmp_path):
    content = bytearray(_bytes(np.savez, x=X))
    content[content.index(X.tobytes()) + 3] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        data.load(tmp_path / "a.npz")


def test_a_long_label_does_not_take_its_length_times_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("latentia.data.columns.MAX_BYTES", 2**20)
    (tmp_path / "a.csv").write_text("a,k\n" + "1,u\n" * 100 + f"1,{'u' * 5000}\n")
    with pytest.raises(DataError, match="up to 5000 characters"):
        data.load(tmp_path / "a.csv", label="k")


def test_missing_files_suggest_near_names(tmp_path):
    (tmp_path / "people.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"Did you mean '.*people\.csv'\?"):
        data.load(tmp_path / "poeple.csv")
    with pytest.raises(DataError, match=r"Did you mean 'mnist'"):
        data.load("minst")
    with pytest.raises(DataError, match=r"one of: digits"):
        data.load(tmp_path / "people.csv" / "q")


@pytest.mark.parametrize("name", ["nul\0.csv", "a" * 300 + ".csv", "loop.csv"])
def test_paths_that_cannot_be_opened(tmp_path, name):
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(DataError, match="cannot be opened"):
        data.load(tmp_path / name)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.csv")
    with pytest.raises(DataError, match="no regular file"):
        data.load(tmp_path / "p.csv")


def test_a_path_goes_to_the_file_and_a_name_to_the_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris").mkdir()
    assert data.load("iris").x.shape == (150, 4)
    with pytest.raises(DataError, match="folder without pictures"):
        data.load("./iris")


@pytest.mark.parametrize("fields", [3000, 5000])
def test_rows_longer_than_a_block_are_read(tmp_path, fields):
    row = ",".join(["0." + "3" * 998] * fields)  # 3 and 5 MB in one line
    (tmp_path / "wide.csv").write_text(row + "\n" + row + "\n")
    if fields == 3000:
        assert data.load(tmp_path / "wide.csv").x.shape == (2, 3000)
    else:
        with pytest.raises(DataError, match="first line of over"):
            data.load(tmp_path / "wide.csv")
