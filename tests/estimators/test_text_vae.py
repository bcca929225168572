"""Sentences in, sentences out: the estimator against the loop over words, files, and what goes wrong."""

from collections.abc import Callable
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import latentia
from latentia import TextVAE
from latentia.errors import DataError, ParameterError, UserError

NOUNS, VERBS = ("cat", "dog", "bird", "fish"), ("sat", "ran", "slept")
LINES = [f"the {noun} {verb}" for noun in NOUNS for verb in VERBS] * 5 + ["", "birds"]
SMALL = {"n_latent": 2, "n_embed": 8, "n_hidden": 16, "max_epochs": 3, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module", params=["lstm", "transformer"])
def fitted(request: pytest.FixtureRequest) -> TextVAE:
    return TextVAE(network=request.param, n_layers=1, n_heads=2, **SMALL).fit(LINES)


def test_numbers_have_the_shapes_that_scikit_learn_expects(fitted: TextVAE) -> None:
    mean, sd = fitted.transform(LINES[:5], return_std=True)
    assert mean.shape == sd.shape == (5, 2)
    assert (sd > 0).all()
    assert fitted.score_samples(LINES[:5], n_samples=4).shape == (5,)
    assert fitted.score(LINES[:5], n_samples=4) == pytest.approx(fitted.score_samples(LINES[:5], n_samples=4).mean())
    assert all(isinstance(line, str) for line in fitted.inverse_transform(mean))
    assert len(fitted.reconstruct(np.array(LINES[:3]))) == 3


def test_the_elbo_is_the_loop_over_sentences_and_words(fitted: TextVAE) -> None:
    from latentia.randomness import RowNoise

    lines, n = ["the cat sat", "the zebra", ""], 3
    found = fitted.evidence(lines, "elbo", n_samples=n, seed=5).values
    for line, value in zip(lines, found.tolist()):
        tokens = torch.tensor([fitted.vocabulary_.tokens(line)]).double()
        q = fitted.posterior_.encoder(tokens)
        noise = RowNoise(tokens, 5).normal(n, (2,))
        total = 0.0
        for draw in noise:
            z = q.mean + q.stddev * draw
            network = fitted.model_.conditional.family.network
            state, before, log_lik = network.begin(z), torch.tensor([0]), 0.0
            for token in tokens[0].long():
                logits, state = network.advance(state, before)
                log_lik += float(logits[0].log_softmax(-1)[token - 1])
                before = token.reshape(1)
            total += log_lik / n
        kl = 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log()).sum()
        assert value == pytest.approx(total - float(kl), abs=1e-9)


def test_a_sentence_scores_the_same_beside_any_other(fitted: TextVAE) -> None:
    together = fitted.score_samples(LINES[:8], n_samples=4)
    alone = [float(fitted.score_samples([line], n_samples=4)[0]) for line in LINES[:8]]
    assert np.allclose(together, alone, atol=1e-9)


def test_perplexity_counts_words_and_ends(fitted: TextVAE) -> None:
    lines = ["the cat sat", "", "one two three four"]
    assert fitted.n_tokens(lines).tolist() == [4, 1, 5]
    total = fitted.score_samples(lines, n_samples=8).sum()
    assert fitted.perplexity(lines, n_samples=8) == pytest.approx(exp(-total / 10))


def test_learning_teaches() -> None:
    model = TextVAE(**{**SMALL, "max_epochs": 60, "learning_rate": 1e-2, "patience": None}).fit(LINES)
    assert model.score(LINES[:12], n_samples=16) > -(log(12) + 0.5)  # twelve sentences and little else
    assert set(model.sample(20)) & set(LINES)
    assert model.generate(np.zeros((1, 2)), "beam", n_beams=20)[0] in LINES


def test_saved_and_loaded_is_the_same(fitted: TextVAE, tmp_path: Path) -> None:
    fitted.save(tmp_path / "run")
    again = latentia.load(tmp_path / "run")
    assert again.vocabulary_.words == fitted.vocabulary_.words
    assert np.array_equal(again.score_samples(LINES[:6], n_samples=3), fitted.score_samples(LINES[:6], n_samples=3))
    assert again.sample(4) == fitted.sample(4)


ROWS = {"learner": "svi", "learner_options": {"row_steps": 2, "infer_steps": 25, "check_steps": 5}}


@pytest.mark.parametrize("learner", [{}, ROWS], ids=["amortized", "svi"])
def test_a_run_that_was_cut_ends_with_the_same_bits(tmp_path: Path, learner: dict) -> None:
    options = {**SMALL, **learner, "max_epochs": 4, "word_dropout": 0.3}
    whole = TextVAE(**options).fit(LINES, run=tmp_path / "whole")
    cut = TextVAE(**{**options, "max_epochs": 2}).fit(LINES, run=tmp_path / "cut")
    again = TextVAE(**options).fit(LINES, run=tmp_path / "cut", resume=True)
    assert cut.fit_.steps < again.fit_.steps == whole.fit_.steps
    for ours, theirs in zip(again.fit_.tensors().values(), whole.fit_.tensors().values()):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("how", ["greedy", "beam", "sample"])
def test_generation_is_repeatable_and_beams_are_no_worse(fitted: TextVAE, how: str) -> None:
    z = np.random.default_rng(0).normal(size=(6, 2))
    assert fitted.generate(z, how, random_state=1) == fitted.generate(z, how, random_state=1)
    score = lambda lines: fitted.model_.log_likelihood(fitted._seen(lines)[1], torch.tensor(z)[None])[0]  # noqa: E731
    wide, narrow = fitted.generate(z, "beam", n_beams=40), fitted.generate(z, "greedy")
    ended = [len(line.split()) < fitted.max_length for line in narrow]
    assert (score(wide) >= score(narrow) - 1e-9)[ended].all()


def test_interpolation_begins_and_ends_at_the_reconstructions(fitted: TextVAE) -> None:
    walk = fitted.interpolate("the cat sat", "the dog ran", 5)
    assert len(walk) == 5
    assert [walk[0], walk[-1]] == fitted.reconstruct(["the cat sat", "the dog ran"])


CURED = {
    "aggressive": {"learner": "aggressive", "learner_options": {"max_inner": 4, "window": 2, "mi_every": 2}},
    "free bits": {"free_bits": 0.5, "max_epochs": 30, "learning_rate": 1e-2, "patience": None},
    "annealing": {"kl_warm_up": 5, "kl_annealing": "cyclical"},
}


@pytest.mark.parametrize("name", CURED)
def test_learners_and_cures_are_reached(name: str) -> None:
    model = TextVAE(**{**SMALL, **CURED[name]}).fit(LINES)
    assert np.isfinite(model.score_samples(LINES[:4], n_samples=2)).all()
    if name == "free bits":
        assert model.history_[-1]["kl"] > 0.5  # two units of half a nat each
    if name == "aggressive":
        assert "Aggressive training: " in model.fit_.status


def test_a_vocabulary_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("the\ncat\nsat\n")
    for given in (["the", "cat", "sat"], str(tmp_path / "words.txt")):
        model = TextVAE(vocabulary=given, **SMALL).fit(LINES)
        assert model.words_ == ["the", "cat", "sat"]
        assert "are not in it and count as <unk>" in model.plan_.sentences[0]


def test_words_held_out_are_not_learnt() -> None:
    lines = [f"word{i}" for i in range(100)]
    model = TextVAE(validation_fraction=0.2, **SMALL).fit(lines)
    assert len(model.words_) == 80
    assert not {lines[i] for i in model.held_out_rows_} & set(model.words_)


def test_a_long_line_is_cut_and_said() -> None:
    lines = ["a b", "c d", "a " * 100_000 + "b"]
    model = TextVAE(max_length=10, validation_fraction=0, **SMALL).fit(lines)
    assert any("1 sentences are longer than max_length=10" in s for s in model.plan_.sentences)
    assert model.n_tokens(lines).tolist() == [3, 3, 10]
    beginning = model.evidence([lines[2]], "elbo", 2).values
    assert torch.equal(beginning, model.evidence(["a " * 50], "elbo", 2).values)


BAD = {
    "one string": ("the cat", "one string came"),
    "numbers": ([1, 2, 3], "row 0 holds 1"),
    "missing": (["a", None], "row 1 holds None"),
    "table": (np.zeros((3, 2)), "a ndarray came"),
    "one row": (["a"], "at least 2"),
    "no words": (["", " ", ""], "no word"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_are_told(name: str) -> None:
    data, words = BAD[name]
    with pytest.raises(DataError, match=words):
        TextVAE(**SMALL).fit(data)


WRONG = {"network": "gru", "unit": "syllable", "max_length": 0, "word_dropout": 1.5, "n_latent": 0, "min_count": "a"}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_told(name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        TextVAE(**{**SMALL, name: WRONG[name]}).fit(LINES)


def test_what_cannot_be_generated_is_told(fitted: TextVAE) -> None:
    for call in (
        lambda: fitted.generate(np.zeros((2, 5))),
        lambda: fitted.generate(np.zeros((2, 2)), "loudly"),
        lambda: fitted.generate(np.zeros((2, 2)), "beam", n_beams=0),
        lambda: fitted.sample(0),
        lambda: fitted.transform([]),
    ):
        with pytest.raises(UserError):
            call()


@pytest.mark.parametrize("value", [-1, 0, 2.5, "a", True, None, float("nan")])
def test_what_is_counted_is_a_whole_number(fitted: TextVAE, value: object) -> None:
    counts: dict[str, Callable[[Any], object]] = {
        "n": lambda n: fitted.interpolate("the cat sat", "the dog ran", n),
        "n_samples": lambda n: fitted.perplexity(LINES[:2], n_samples=n),
        "n_beams": lambda n: fitted.generate(np.zeros((1, 2)), "beam", n_beams=n),
    }
    for name, call in counts.items():
        with pytest.raises(ParameterError, match=f"{name}={value!r} cannot be used. Use a whole number from 1"):
            call(value)
    assert len(fitted.interpolate("the cat sat", "the dog ran", 2.0)) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["greedy", "sample", "beam"])
def test_latents_that_are_no_numbers_are_told(fitted: TextVAE, how: str) -> None:
    for bad in (np.nan, np.inf, "b", None):
        with pytest.raises(ParameterError, match="Latents must be finite numbers"):
            fitted.generate(np.array([[0.0, 0.0], [0.5, bad]], dtype=object), how)
    with pytest.raises(ParameterError, match="Latents must be finite numbers"):
        fitted.generate([[1.0, 2.0], [3.0]], how)


# --- collapse: one cure that needs q, and the look at it -------------------------------------------------------------


def test_the_committed_rate_holds_for_sentences_and_after_loading(tmp_path: Path) -> None:
    """KL of each sentence from the means and scales that `transform` gives, by the closed form."""
    plain, committed = (TextVAE(**SMALL, committed_rate=rate).fit(LINES) for rate in (0.0, 1.0))
    committed.save(tmp_path / "run")

    def kl(model: TextVAE) -> np.ndarray:
        mean, sd = model.transform(LINES, return_std=True)
        return 0.5 * (mean**2 + sd**2 - 1 - 2 * np.log(sd)).sum(1)

    assert kl(plain).min() < 0.5
    assert kl(committed).min() >= 1 - 1e-5
    assert np.array_equal(latentia.load(tmp_path / "run").transform(LINES), committed.transform(LINES))
    with pytest.raises(ParameterError, match="committed_rate=-1"):
        TextVAE(**SMALL, committed_rate=-1.0).fit(LINES)


def test_looking_at_the_latents_writes_history_and_changes_no_bit() -> None:
    plain, watched = (TextVAE(**SMALL, diagnose_every=every).fit(LINES) for every in (0, 2))
    rows = [row for row in watched.history_ if row["split"] == "probe"]
    assert [row["epoch"] for row in rows] == [2]
    assert rows[0]["ceiling"] == pytest.approx(log(len(LINES) - len(watched.held_out_rows_)))
    assert all(torch.equal(a, b) for a, b in zip(plain.fit_.tensors().values(), watched.fit_.tensors().values()))
