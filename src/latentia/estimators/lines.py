"""The sentences that a text model is to learn from."""

from typing import Any, final

import numpy as np

from ..binarise import Binarise
from ..data import Sentences, Vocabulary
from ..data.checks import check_weight
from ..data.text import as_lines, vocabulary_of
from ..errors import DataError, ParameterError
from .facts import Facts
from .given import Given, split_rows


@final
class Lines(Given):
    """A list of strings; the vocabulary is learnt from those that are not held out, unless it is given."""

    def __init__(self, estimator: Any, X: Any, sample_weight: Any) -> None:
        self.lines = as_lines(X, f"The data for {type(estimator).__name__}")
        self.n_rows = len(self.lines)
        if self.n_rows < estimator._min_rows:
            raise DataError(f"{self.n_rows} sentences came, at least {estimator._min_rows} are needed.")
        self.weight = None if sample_weight is None else check_weight(sample_weight, self.n_rows, name="sample_weight")
        self.train: np.ndarray | None = None

    def split(self, estimator: Any) -> None:
        self.train, self.held_out = split_rows(estimator, self.n_rows, estimator.seed_)
        rows = range(self.n_rows) if self.train is None else self.train
        if not (estimator.warm_start and hasattr(estimator, "words_")):
            learn_words(estimator, [self.lines[row] for row in rows])
        self.sentences = estimator.vocabulary_.encode(self.lines, estimator.max_length)
        self.n_features = int(estimator.max_length)
        estimator.n_features_in_ = self.n_features

    def facts(self, transform: Binarise | None = None) -> Facts:
        return self  # type: ignore[return-value]

    def parts(self) -> tuple[Any, Any, Any]:
        if self.train is None:
            return self.sentences, None, self.weight
        weight = None if self.weight is None else self.weight[self.train]
        return self.sentences.take(self.train), self.sentences.take(self.held_out), weight


def learn_words(estimator: Any, lines: list[str]) -> None:
    """The estimator's `words_`, most frequent first, from its settings and the lines that it learns from."""
    for name in ("max_words", "min_count", "max_length"):
        value = getattr(estimator, name)
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise ParameterError(f"{name}={value!r} cannot be used. Use a whole number of at least 1.")
    options = {"max_words": estimator.max_words, "min_count": estimator.min_count, "unit": estimator.unit}
    vocabulary = vocabulary_of(estimator.vocabulary, lines, **options)
    if not vocabulary.words:
        raise DataError(
            "The sentences hold no word that the vocabulary could learn. Give sentences with words in them."
        )
    estimator.words_ = list(vocabulary.words)


def in_words(vocabulary: Vocabulary, sentences: Sentences, most: int) -> tuple[str, ...]:
    """What was learnt about the lines, in sentences."""
    unknown = int((sentences.tokens == 1).sum())
    what = "words between blanks" if vocabulary.unit == "word" else "characters"
    out = [
        f"Tokens are {what}, and one that ends each sentence: {sentences.n_tokens:,} in {len(sentences):,} sentences, "
        f"{len(vocabulary.words):,} different ones in the vocabulary; {unknown:,} are not in it and count as <unk>."
    ]
    empty = int((sentences.lengths == 1).sum())
    if empty:
        out.append(f"{empty:,} sentences are empty: their only token is the end.")
    if sentences.n_cut:
        out.append(
            f"{sentences.n_cut:,} sentences are longer than max_length={most} tokens; of each its first {most} are used, and its "
            "log p(x) is that of all the sentences that begin so."
        )
    return tuple(out)
