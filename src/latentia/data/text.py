"""Lines of text become rows of tokens here, and back.

A token is a word between blanks (or a character), plus one that ends each sentence. 0 pads, 1 stands for what the
vocabulary does not know, 2 ends a sentence, words begin at 3.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, ParameterError, choose
from .checks import brief
from .files import is_gzip, read_gzip, reading

PAD, UNKNOWN, END, FIRST_WORD = 0, 1, 2, 3
UNKNOWN_TEXT = "<unk>"
UNITS = ("word", "character")
_MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_lines(path: str | os.PathLike) -> list[str]:
    """The lines of a text file in UTF-8, packed by gzip or not, in their order; an empty line is a line.

    Only a line feed ends a line, with or without a carriage return before it.

    Raises:
        DataError: there is no such file, it is empty, or a line is no UTF-8 text, which is named.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"There is no text file {str(path)!r}. Give the path of a file with one sentence on each line.")
    with reading(path, "text"):
        content = read_gzip(path) if is_gzip(path) else path.read_bytes()
    if not content:
        raise DataError(f"{path} is empty (0 bytes). One sentence on each line was expected.")
    _refuse_wide(content, path)
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [_decoded(line, number, path) for number, line in enumerate(lines, 1)]


def _refuse_wide(content: bytes, path: Path) -> None:
    """Raise `DataError` for text of two or four bytes a character, with a mark in front or without one."""
    wide = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if wide is not None:
        raise DataError(f"{path} is {wide} text, UTF-8 was expected. Use iconv -f {wide} -t UTF-8, or save it so.")
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(
            f"{path}: line {line} holds a NUL byte, which is in no text in UTF-8. If it is UTF-16 text without its mark, use iconv "
            "-f UTF-16LE -t UTF-8 (or UTF-16BE); if it is no text, name another file."
        )


def _decoded(line: bytes, number: int, path: Path) -> str:
    try:
        return line.decode("utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: line {number} is not UTF-8 text ({brief(error)}). Save the whole file in one encoding, UTF-8; "
            "iconv -f LATIN1 -t UTF-8 often helps."
        ) from None


def as_lines(values: Any, name: str = "The data") -> list[str]:
    """A list of strings from a list, an array, a Series or a column of a frame; raises `DataError` for anything else."""
    if isinstance(values, str | bytes):
        raise DataError(f"{name}: one string came, a list of strings was expected. Put it into a list: [text].")
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if not isinstance(values, Iterable) or getattr(values, "ndim", 1) != 1:
        raise DataError(
            f"{name}: a {type(values).__name__} came, a list of strings was expected, one for each sentence."
        )
    lines = list(values)
    for row, line in enumerate(lines):
        if not isinstance(line, str):
            raise DataError(
                f"{name}: row {row} holds {brief(line)} of type {type(line).__name__}, a string was expected. "
                "Fill in or leave out rows without text; an empty string is a sentence of no words."
            )
    return lines


class Vocabulary:
    """Words and their numbers.

    Arguments:
        words: each once; the first is token 3.
        unit: "word" splits at blanks, "character" takes each character.

    Raises: `ParameterError` for words that are no strings, come twice or hold blanks, and for characters that are several.

    >>> vocabulary = Vocabulary.learn(["the cat", "the dog"])
    >>> vocabulary.words, vocabulary.tokens("the bird")
    (('the', 'cat', 'dog'), [3, 1, 2])
    >>> vocabulary.text([3, 1, 2])
    'the <unk>'
    """

    def __init__(self, words: Sequence[str], unit: str = "word") -> None:
        self.unit = choose("unit", unit, UNITS)
        if isinstance(words, str):
            raise ParameterError("The vocabulary is one string; a list of words was expected.")
        self.words = tuple(word for word in words if word != UNKNOWN_TEXT or unit != "word")
        for word in self.words:
            if not isinstance(word, str) or not word or (unit == "word" and word.split() != [word]):
                raise ParameterError(f"The vocabulary holds {word!r}; words without blanks were expected.")
            if unit == "character" and len(word) > 1:
                raise ParameterError(
                    f"The vocabulary holds {word!r}; single characters were expected. Use unit='word' for words."
                )
        self._numbers = {word: number for number, word in enumerate(self.words, FIRST_WORD)}
        if len(self._numbers) != len(self.words):
            twice = next(word for word, n in Counter(self.words).items() if n > 1)
            raise ParameterError(f"The vocabulary holds {twice!r} twice. Give each word once.")
        if unit == "word":
            self._numbers[UNKNOWN_TEXT] = UNKNOWN

    @classmethod
    def learn(
        cls, lines: Iterable[str], *, max_words: int | None = None, min_count: int = 1, unit: str = "word"
    ) -> "Vocabulary":
        """The most frequent words of the lines, at most `max_words`, each seen `min_count` times at least.

        Where the lines say `<unk>`, it is the unknown word.
        """
        choose("unit", unit, UNITS)
        counts = Counter(word for line in lines for word in _split(line, unit))
        kept = [word for word, n in counts.items() if n >= min_count and (word != UNKNOWN_TEXT or unit != "word")]
        kept.sort(key=lambda word: (-counts[word], word))
        return cls(kept[:max_words], unit)

    @property
    def size(self) -> int:
        """Tokens in all: the words and the three special ones."""
        return len(self.words) + FIRST_WORD

    def tokens(self, line: str, most: int | None = None) -> list[int]:
        """The tokens of a line, the one that ends it included; of a line longer than `most` its first ones, without end."""
        words = _split(line, self.unit) if most is None else _split_some(line, self.unit, most + 1)
        out = [self._numbers.get(word, UNKNOWN) for word in words]
        out.append(END)
        return out if most is None else out[:most]

    def text(self, tokens: Iterable[int]) -> str:
        """The words of some tokens, up to the end."""
        words = []
        for token in tokens:
            if int(token) in (END, PAD):
                break
            words.append(UNKNOWN_TEXT if token == UNKNOWN else self.words[int(token) - FIRST_WORD])
        return (" " if self.unit == "word" else "").join(words)

    def encode(self, lines: Iterable[str], most: int | None = None) -> "Sentences":
        """`Sentences` of the lines, each cut after `most` tokens."""
        return Sentences([self.tokens(line, most) for line in lines])

    def as_json(self) -> str:
        """The vocabulary as JSON, for `from_json`."""
        return json.dumps({"unit": self.unit, "words": list(self.words)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """Raises `DataError` where the text is no vocabulary."""
        try:
            found = json.loads(text)
            return cls(found["words"], found["unit"])
        except (ValueError, KeyError, TypeError, ParameterError) as error:
            raise DataError(
                f"This is no vocabulary that latentia wrote ({brief(error)}). Restore it from a copy."
            ) from None


def _split(line: str, unit: str) -> Sequence[str]:
    return line.split() if unit == "word" else line


def _split_some(line: str, unit: str, most: int) -> Sequence[str]:
    return line.split(None, most)[:most] if unit == "word" else line[:most]


class Sentences:
    """Rows of tokens of their own lengths, one after the other in memory.

    Arguments:
        rows: the tokens of each sentence, its end included.

    >>> sentences = Sentences([[3, 4, 2], [2]])
    >>> sentences.padded()
    array([[3, 4, 2],
           [2, 0, 0]], dtype=int32)
    """

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        flat = (token for row in rows for token in row)
        self.tokens = np.fromiter(flat, np.int32, int(self.starts[-1]))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def n_tokens(self) -> int:
        """Tokens of all sentences, their ends included: what perplexity is counted by."""
        return int(self.starts[-1])

    @property
    def n_cut(self) -> int:
        """Sentences without an end."""
        last = self.tokens[np.maximum(self.starts[1:] - 1, 0)] if self.n_tokens else np.zeros(len(self))
        return int((last != END).sum())

    def padded(self, rows: Any = None, width: int | None = None) -> np.ndarray:
        """Some rows (all by default) as `(rows, width)`, zeros behind; as wide as the longest by default."""
        rows = np.arange(len(self)) if rows is None else np.asarray(rows)
        lengths = self.lengths[rows]
        out = np.zeros((len(rows), int(lengths.max(initial=1)) if width is None else width), np.int32)
        place = np.arange(out.shape[1])
        there = place < lengths[:, None]
        out[there] = self.tokens[(self.starts[rows][:, None] + place)[there]]
        return out

    def take(self, rows: Any) -> "Sentences":
        """Some of the sentences."""
        return Sentences([self.tokens[self.starts[row] : self.starts[row + 1]].tolist() for row in np.asarray(rows)])

    def batches(self, **options: Any) -> Any:
        """Minibatches for a learner, of sentences of like lengths: `lengths.LengthBatches` with these options."""
        from .lengths import LengthBatches

        return LengthBatches(self, **options)


def vocabulary_of(given: Any, lines: Sequence[str], **options: Any) -> Vocabulary:
    """A vocabulary that was given (itself, a list of words, or a file of one word on each line), or learnt from lines."""
    unit = options.get("unit", "word")
    if given is None:
        return Vocabulary.learn(lines, **options)
    if isinstance(given, Vocabulary):
        return given
    if isinstance(given, str | os.PathLike):
        return Vocabulary([line for line in read_lines(given) if line.strip() or (line and unit == "character")], unit)
    return Vocabulary(list(given), unit)
