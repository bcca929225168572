"""Sections about text: sentences beside their reconstructions, samples, walks between two sentences, words and tokens."""

from collections.abc import Sequence
from math import exp
from typing import Any

import numpy as np

from .numbers import Scored
from .page import Card, Section, Table, number, sentences
from .view import Part, View, parts_of

N_SENTENCES, N_SAMPLES, N_WALKS, N_STEPS, N_BEAMS = 12, 12, 3, 7, 5
MOST_ROWS, MOST_LETTERS = 1000, 400
NOTHING = "(a sentence of no words)"


def is_text(estimator: Any) -> bool:
    """Whether the rows of this estimator are sentences."""
    return hasattr(estimator, "vocabulary_")


def make_text_view(estimator: Any, dataset: Any) -> View:
    """Which sentences the report looks at."""
    everything = Part("all rows", dataset.x, dataset.label, dataset.weight, False)
    shown = everything.take(MOST_ROWS, int(estimator.seed_))
    return View(estimator, dataset, shown, parts_of(estimator, dataset, everything), np.arange(0), None)


def perplexity_cards(view: View, scored: Sequence[Scored]) -> list[Card]:
    """Perplexity per token, from the last estimate of all the rows of the first part."""
    part = view.parts[0]
    whole = [s.estimate for s in scored if len(s.estimate.values) == len(part.x)]
    if not whole:
        return []
    tokens, estimate = int(view.estimator.n_tokens(part.x).sum()), whole[-1]
    value = exp(-float(estimate.values.sum()) / tokens)
    sign = {"exact": "", "lower": "≤ ", "upper": "≥ "}[estimate.kind]
    detail = f"exp(−nats / tokens), {number(tokens, 0)} tokens, the end of a sentence counted as one; {part.name}"
    return [Card("perplexity", f"{sign}{number(value, 1)}", "per token", detail)]


def tokens_section(view: View) -> Section:
    """What a token is here, and the most frequent words."""
    estimator = view.estimator
    lengths = estimator.n_tokens(view.shown.x)
    rows = (
        ("Unit", {"word": "words between blanks", "character": "characters"}[estimator.unit]),
        ("Vocabulary", f"{number(len(estimator.words_), 0)} different; others are <unk>"),
        (
            "Tokens per sentence",
            f"median {number(float(np.median(lengths)), 0)}, longest {number(int(lengths.max()), 0)}",
        ),
        ("Most frequent", " ".join(estimator.words_[:20])),
    )
    read = (
        "A token is what the model predicts at a time: a word, or the end of the sentence, which counts as one. Perplexity is "
        "the number of equally likely tokens that would be as hard to guess: exp of the nats per token, lower is better."
    )
    return Section("tokens", "Words and tokens", read, table=Table((), rows))


def text_reconstructions(view: View) -> Section:
    """Sentences beside what is left of them after inference and decoding."""
    part = view.parts[0].take(N_SENTENCES, view.seed)
    given = list(part.x[:, 0])
    codes = view.estimator.transform(part.x)
    greedy, beam = view.estimator.generate(codes), view.estimator.generate(codes, "beam", n_beams=N_BEAMS)
    rows = tuple((_short(a), _short(b), _short(c)) for a, b, c in zip(given, greedy, beam))
    same = sum(a.split() == b.split() for a, b in zip(given, greedy))
    read = (
        "Each sentence goes through the model and back from its posterior mean alone. What comes back is what z knows of it: "
        "where all sentences come back as one, z is not used."
    )
    head = ("sentence", "word by word", f"beam search, {N_BEAMS} beams")
    caption = f"{len(given)} of the {part.name}; {same} {'comes' if same == 1 else 'come'} back word for word."
    return Section(
        "reconstructions", "Reconstructions beside originals", read, table=Table(head, rows, caption, "words")
    )


def text_samples(view: View) -> Section:
    """Sentences drawn from the model alone."""
    drawn = view.estimator.sample(N_SAMPLES, random_state=view.seed)
    rows = tuple((str(i + 1), _short(line)) for i, line in enumerate(drawn))
    read = "New sentences: z is drawn from the prior, then word after word from p(x|z). Neither looks at any row of the data."
    return Section("samples", "Samples from the prior", read, table=Table(("", "sentence"), rows, holds="words"))


def walks_section(view: View) -> Section:
    """Sentences on straight lines between the posterior means of two sentences."""
    lines = list(view.parts[0].take(2 * N_WALKS, view.seed).x[:, 0])
    pairs = list(zip(lines[::2], lines[1::2]))
    walks = [view.estimator.interpolate(first, second, N_STEPS) for first, second in pairs]
    rows = [(f"{first_column(i)}", *(_short(walk[i], 120) for walk in walks)) for i in range(N_STEPS)]
    given = [("first, given", *(_short(first, 120) for first, _ in pairs)), *rows]
    given.append(("last, given", *(_short(second, 120) for _, second in pairs)))
    different = [len(set(walk)) for walk in walks]
    note = "Every step of a walk says the same: z decides nothing here." if max(different, default=0) == 1 else ""
    head = ("share of the way", *(f"walk {i + 1}" for i in range(len(walks))))
    read = (
        "A straight line in z from the posterior mean of one sentence to that of another, decoded word by word. In a model "
        "that uses z the sentences change step by step and stay sentences on the way."
    )
    return Section(
        "interpolation", "Between two sentences", read, sentences(note), table=Table(head, tuple(given), holds="words")
    )


def first_column(step: int) -> str:
    """The share of the way at a step.

    >>> first_column(3)
    '50 %'
    """
    return f"{100 * step / (N_STEPS - 1):.0f} %"


def _short(line: str, most: int = MOST_LETTERS) -> str:
    return NOTHING if not line.strip() else line if len(line) <= most else f"{line[:most]} ..."
