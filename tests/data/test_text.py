"""Words and tokens there and back; batches of like lengths lose and repeat no row."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.data import Sentences, Vocabulary, read_lines
from latentia.data.lengths import LengthBatches
from latentia.data.text import vocabulary_of
from latentia.errors import DataError, ParameterError

WORDS = st.text(st.characters(blacklist_categories=("Z", "C")), min_size=1, max_size=5).filter(
    lambda w: w.split() == [w] and w != "<unk>"
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=8))
def test_known_words_come_back(rows: list[list[str]]) -> None:
    lines = [" ".join(row) for row in rows]
    vocabulary = Vocabulary.learn(lines)
    assert [vocabulary.text(vocabulary.tokens(line)) for line in lines] == lines
    again = Vocabulary.from_json(vocabulary.as_json())
    assert again.words == vocabulary.words
    assert [again.tokens(line) for line in lines] == [vocabulary.tokens(line) for line in lines]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20))
def test_characters_come_back(line: str) -> None:
    vocabulary = Vocabulary.learn([line], unit="character")
    assert vocabulary.text(vocabulary.tokens(line)) == line
    assert len(vocabulary.tokens(line)) == len(line) + 1


def test_a_file_of_characters_keeps_the_blank_and_refuses_words(tmp_path: Path) -> None:
    file = tmp_path / "characters.txt"
    file.write_text("a\n \nb\n")
    vocabulary = vocabulary_of(str(file), [], unit="character")
    assert vocabulary.words == ("a", " ", "b")
    assert vocabulary.text(vocabulary.tokens("a b")) == "a b"
    with pytest.raises(ParameterError, match="'ab'; single characters were expected"):
        Vocabulary(["a", "ab"], "character")


def test_the_most_frequent_words_are_kept() -> None:
    lines = ["b a a c", "a b <unk>", "d"]
    assert Vocabulary.learn(lines).words == ("a", "b", "c", "d")
    assert Vocabulary.learn(lines, max_words=2).words == ("a", "b")
    assert Vocabulary.learn(lines, min_count=2).words == ("a", "b")
    assert Vocabulary.learn(lines, max_words=1).tokens("a b <unk>") == [3, 1, 1, 2]


def test_a_line_is_cut_where_it_is_too_long() -> None:
    vocabulary = Vocabulary.learn(["a b c"])
    assert vocabulary.tokens("a b c", 4) == [3, 4, 5, 2]
    assert vocabulary.tokens("a b c", 3) == [3, 4, 5]
    assert vocabulary.tokens("a b c", 2) == [3, 4]
    assert vocabulary.encode(["a b c", "a"], 3).n_cut == 1


@pytest.mark.parametrize("words", ["abc", ["a", "a"], ["a b"], [""], [5]])
def test_a_wrong_vocabulary_is_told(words: object) -> None:
    with pytest.raises(ParameterError):
        Vocabulary(words)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "{}", '{"unit": "word", "words": [1]}', "[]"])
def test_what_is_no_vocabulary_is_told(text: str) -> None:
    with pytest.raises(DataError, match="no vocabulary"):
        Vocabulary.from_json(text)


FILES = {
    "plain": (b"a\nb\n", ["a", "b"]),
    "no last line feed": (b"a\nb", ["a", "b"]),
    "empty lines": (b"\na\n\n", ["", "a", ""]),
    "byte order mark": (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
    "other separators": ("a\x0bb\u2028c\n".encode(), ["a\x0bb\u2028c"]),
}


@pytest.mark.parametrize("name", FILES)
def test_lines_of_a_file(name: str, tmp_path: Path) -> None:
    content, lines = FILES[name]
    (tmp_path / "x.txt").write_bytes(content)
    assert read_lines(tmp_path / "x.txt") == lines


def rows_of(lengths: list[int]) -> Sentences:
    return Sentences([[3 + row] * (length - 1) + [2] for row, length in enumerate(lengths)])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 8), st.integers(0, 3))
def test_every_epoch_has_every_row_once(lengths: list[int], size: int, seed: int) -> None:
    batches = LengthBatches(rows_of(lengths), batch_size=size, seed=seed)
    for epoch in range(3):
        seen: list[int] = []
        while batches.epoch == epoch:
            batch = next(batches)
            assert len(batch) == min(batches.batch_size, len(lengths) - len(seen))
            for x, row in zip(batch.x.long(), batch.index.tolist()):
                assert (x != 0).sum() == lengths[row]
                assert x[lengths[row] - 1] == 2
                assert lengths[row] == 1 or x[0] == 3 + row
            seen += batch.index.tolist()
        assert sorted(seen) == list(range(len(lengths)))


def test_batches_are_of_like_lengths_and_depend_on_seed_and_epoch_alone() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 1000).tolist()
    batches = LengthBatches(rows_of(lengths), batch_size=50, seed=1)
    first = [next(batches) for _ in range(20)]
    places = sum(batch.x.numel() for batch in first)
    assert places < 1.1 * sum(lengths)
    again = LengthBatches(rows_of(lengths), batch_size=50, seed=1)
    again.seek({"epoch": 0, "row": 250})
    for batch in first[5:]:
        assert torch.equal(next(again).x, batch.x)
    assert not torch.equal(next(again).index, first[0].index)
    in_order = torch.cat([batch.index for batch in again.in_order()])
    assert in_order.tolist() == list(range(1000))


def test_weights_go_with_their_rows() -> None:
    weight = torch.arange(1.0, 8.0)
    batches = LengthBatches(rows_of([3, 1, 4, 1, 5, 2, 6]), batch_size=3, weight=weight)
    for _ in range(3):
        batch = next(batches)
        assert batch.weight is not None
        assert torch.equal(batch.weight, weight[batch.index])
