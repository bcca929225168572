"""Checks that the estimators share, selection by name, and what `Dataset` promises."""

import hashlib

import numpy as np
import pytest

import latentia.data as data
from latentia.data.selection import Selection
from latentia.errors import DataError, LatentiaError, ParameterError


def _with(rows, columns, **cells):
    x = np.zeros((rows, columns))
    for key, value in cells.items():
        i, j = map(int, key[1:].split("_"))
        x[i, j] = value
    return x


BAD_ROWS = {
    "no rows": (np.zeros((0, 3)), {}, ["0 rows", "3 columns"]),
    "no columns": (np.zeros((3, 0)), {}, ["3 rows", "0 columns"]),
    "too few": (np.zeros((3, 2)), {"min_rows": 4}, ["3 rows", "at least 4"]),
    "one axis": (np.zeros(3), {}, ["(3,)", "reshape(-1, 1)"]),
    "nan": (_with(5, 2, c3_1=np.nan), {"columns": ["a", "b"]}, ["1 cell is", "row 3, column 'b' is nan"]),
    "infinity": (_with(5, 2, c4_0=-np.inf), {}, ["row 4, column '0' is -inf", "drop"]),
    "many": (np.full((5, 2), np.nan), {}, ["10 cells are", "row 0, column '0'", "row 1, column '0'", "and 7 more"]),
    "complex": (np.ones((2, 2), complex), {}, ["Complex"]),
    "objects": (np.array([[1, {}]], object), {}, ["objects", "column 1 is {}"]),
    "text": (np.array([["1", "u"]]), {}, ["text", "row 0, column 1", "'u'", "drop", "label"]),
    "dates": (np.zeros((2, 2), "M8[s]"), {}, ["dates"]),
    "large integers": (np.full((2, 2), 2**53 + 1), {}, ["9007199254740993", "2**53"]),
    "large negative": (np.full((2, 2), -(2**53) - 1), {}, ["9007199254740993"]),
    "large unsigned": (np.full((2, 2), 2**64 - 1, np.uint64), {}, ["18446744073709551615"]),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_refused_and_named(case):
    x, options, words = BAD_ROWS[case]
    with pytest.raises(DataError) as caught:
        data.check_rows(x, name="my data", **options)
    for word in ["my data", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i8", "?"])
def test_good_rows_pass(dtype):
    data.check_rows(np.ones((2, 1), dtype), min_rows=2)


def test_cells_are_found_beyond_the_first_block(monkeypatch):
    monkeypatch.setattr("latentia.data.checks._CELLS_AT_ONCE", 6)
    x = _with(100, 3, c0_1=np.inf, c50_2=np.nan, c51_0=np.nan, c99_2=np.nan)
    with pytest.raises(DataError) as caught:
        data.check_rows(x)
    assert "4 cells" in str(caught.value)
    assert "row 51, column '0' is nan; and 1 more" in str(caught.value)


TYPES = [("?", "u1"), ("u1", "u1"), ("<i2", "i2"), (">i2", "i2"), ("f4", "f4"), (">f8", "f8"), ("longdouble", "f8")]


@pytest.mark.parametrize(("came", "left"), TYPES)
def test_numbers_keep_their_type(came, left):
    values = np.array([[0, 1], [1, 0]]).astype(came)
    got = data.to_numeric(values, where="x")
    assert got.dtype == np.dtype(left)
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, values.astype("f8"))


NO_NUMBERS = {
    "text": (["1", "2.5", "red"], "row 2 is 'red'"),
    "all text of numbers": (["1", "2"], "row 0 is '1'"),
    "objects": (np.array([1, None], object), "row 1 is None"),
    "masked": (np.ma.masked_equal([1, 2], 2), "masked"),
    "ragged": ([[1], [1, 2]], "cannot be turned into an array"),
    "record": (np.zeros(2, [("a", "f8")]), "records"),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_what_is_no_number_is_named(case):
    values, words = NO_NUMBERS[case]
    with pytest.raises(DataError, match="column 'a'") as caught:
        data.to_numeric(values, where="column 'a'")
    assert words in str(caught.value)


def test_sparse_matrices_say_what_to_do():
    from scipy.sparse import csr_array

    with pytest.raises(DataError, match="toarray"):
        data.load(csr_array(np.eye(3)))


BAD_WEIGHTS = {
    "negative": ([1, -2, -1], "row 1 is negative (-2); 2 in total"),
    "nan": ([1, 1, np.nan], "row 2 is not finite"),
    "zero": ([0, 0, 0], "all of them are zero"),
    "short": ([1, 2], "shape (2,)"),
    "text": (["a", "b", "c"], "text"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights_are_refused(case):
    weight, words = BAD_WEIGHTS[case]
    with pytest.raises(DataError) as caught:
        data.from_array(np.zeros((3, 1)), weight=weight)
    assert words in str(caught.value)


ABC = np.arange(12.0).reshape(4, 3)
SELECTIONS = [
    ({}, [0, 1, 2], None, None),
    ({"columns": ["c", "a"]}, [2, 0], None, None),
    ({"columns": "b"}, [1], None, None),
    ({"drop": "c"}, [0, 1], None, None),
    ({"drop": ["b"]}, [0, 2], None, None),
    ({"label": "c"}, [0, 1], 2, None),
    ({"label": "a", "weight": "b"}, [2], 0, 1),
    ({"columns": ["a", "b"], "label": "b"}, [0], 1, None),
    ({"columns": ["a", "b"], "drop": ["a"]}, [1], None, None),
]


@pytest.mark.parametrize(("asked", "keep", "label", "weight"), SELECTIONS)
def test_columns_are_chosen_by_name(asked, keep, label, weight):
    got = data.from_array(ABC, names=["a", "b", "c"], **asked)
    np.testing.assert_array_equal(got.x, ABC[:, keep])
    assert got.columns == tuple("abc"[i] for i in keep)
    for part, i in ((got.label, label), (got.weight, weight)):
        assert part is None if i is None else (part == ABC[:, i]).all()
    assert got.x.flags.c_contiguous


BAD_SELECTIONS = [
    ({"columns": ["lenght"]}, "no column 'lenght' (columns). It has 'length', 'width'. Did you mean 'length'?"),
    ({"drop": ["x"]}, "no column 'x' (drop)"),
    ({"label": "witdh"}, "(label). It has 'length', 'width'. Did you mean 'width'?"),
    ({"weight": ""}, "no column '' (weight)"),
    ({"drop": ["length", "width"]}, "no column left"),
    ({"columns": []}, "no column left"),
    ({"columns": ["width", "width"]}, "columns=[...] has columns of the same name: 'width'"),
    ({"names": ["a", "a"]}, "same name: 'a'"),
    ({"names": ["a"]}, "1 column names came for 2 columns"),
    ({"label": [1, 2]}, "labels of shape (2,) came for 4 rows"),
    ({"label": [1, None, {}, 2]}, "labels of type object"),
]


@pytest.mark.parametrize(("asked", "words"), BAD_SELECTIONS)
def test_wrong_names_are_refused(asked, words):
    with pytest.raises(DataError) as caught:
        data.from_array(ABC[:, :2], **{"names": ["length", "width"], **asked})
    assert words in str(caught.value)


def test_a_label_that_is_no_name_is_refused_by_load():
    with pytest.raises(DataError, match="the name of a column"):
        data.load(ABC, label=np.zeros(4))  # pyright: ignore[reportArgumentType]


def test_no_selection_is_trivial():
    assert Selection.of(None, (), None, None).trivial
    assert not Selection.of((), (), None, None).trivial


def test_a_lone_name_is_not_taken_for_its_letters():
    assert Selection.of("length", "width", None, None) == Selection(("length",), ("width",))


SHAPES = [((5, 4), None), ((5, 2, 3), (2, 3)), ((5, 4, 4, 3), (4, 4, 3)), ((5, 3, 4, 1), (3, 4, 1))]


@pytest.mark.parametrize(("shape", "image"), SHAPES)
def test_pictures_are_flattened_row_by_row(shape, image):
    x = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    got = data.load(x)
    assert got.image_shape == image
    np.testing.assert_array_equal(got.x, [row.ravel() for row in x])
    assert got.columns[0] == ("0" if image is None else "pixel_0")


@pytest.mark.parametrize("shape", [(), (5,), (5, 2, 2, 2, 2), (5, 3, 8, 8), (0, 3), (3, 0), (0, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError):
        data.load(np.zeros(shape))


def test_picture_columns_can_be_chosen_and_then_are_no_picture():
    got = data.from_array(np.zeros((2, 2, 2)), drop=["pixel_3"])
    assert got.columns == ("pixel_0", "pixel_1", "pixel_2")
    assert got.image_shape is None


def test_fingerprint_is_the_documented_hash_and_sees_every_part():
    base = data.Dataset(ABC, ("a", "b", "c"), "n")
    naive = hashlib.sha256(repr(((4, 3), "<f8", ("a", "b", "c"))).encode() + ABC.tobytes()).hexdigest()[:16]
    changed = ABC.copy()
    changed[3, 2] = np.nextafter(changed[3, 2], 0)
    others = [
        data.Dataset(changed, ("a", "b", "c"), "n"),
        data.Dataset(ABC, ("a", "b", "d"), "n"),
        data.Dataset(ABC.astype("f4"), ("a", "b", "c"), "n"),
        data.Dataset(ABC.reshape(3, 4), tuple("abcd"), "n"),
    ]
    assert base.fingerprint == naive == data.Dataset(np.asfortranarray(ABC), ("a", "b", "c"), "m").fingerprint
    assert len({base.fingerprint, *(d.fingerprint for d in others)}) == 5


def test_parts_follow_the_selection_and_can_be_asked_for():
    test = data.from_array(ABC + 1, names=["a", "b", "c"])
    both = data.Dataset(ABC, ("a", "b", "c"), "n", test=test)
    got = data.load(both, columns=["b"], label="c")
    assert got.test is not None
    np.testing.assert_array_equal(got.test.x, ABC[:, [1]] + 1)
    np.testing.assert_array_equal(data.load(both, split="test").x, test.x)
    with pytest.raises(DataError, match=r"no part 'valid'\. It has: train, test"):
        data.load(both, split="valid")
    with pytest.raises(ParameterError, match="split='dev'"):
        data.load(both, split="dev")


@pytest.mark.parametrize("source", [None, 3, object(), {"a": 1}, b"iris\0", "http://x.org/a.csv", "", "~nobody/x"])
def test_things_that_are_no_data(source):
    with pytest.raises(LatentiaError):
        data.load(source)
