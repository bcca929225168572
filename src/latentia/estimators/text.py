"""The variational autoencoder of sentences, as an estimator."""

from collections.abc import Callable
from functools import lru_cache
from math import exp
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ..bounds.evaluate import evaluating
from ..conditional import Conditional
from ..data import Vocabulary
from ..data.text import as_lines
from ..distributions import TokenSequence
from ..errors import DataError, ParameterError, choose
from ..families import Tokens
from ..families.base import whole
from ..learn import Learner
from ..models import LatentVariableModel, Model, StandardNormal
from ..networks import LSTMDecoder, LSTMEncoder, TransformerDecoder, TransformerEncoder
from ..networks.skip_decoder import SkipDecoder
from ..posteriors import Amortized
from ..randomness import Stream
from ..scaling import Scaling
from .base import LatentEstimator
from .building import make_learner
from .cures import collapse_watch, with_committed_rate, with_normalised_mean
from .latents import make_latent
from .lines import Lines, in_words
from .plan import Plan
from .vae import VAE

NETWORKS = ("lstm", "transformer")
ROWS_AT_ONCE = 256


class TextVAE(LatentEstimator):
    """Sentence VAE: p(x, z) = N(z; 0, I) prod_t p(x_t | x_1 .. x_{t-1}, z), learnt with an encoder q(z|x).

    Rows are strings. A token is a word between blanks (or a character), or the end of a sentence, which counts as one;
    log p(x) is in nats per sentence. An empty string is a sentence of no words, whose only token is its end.

    Arguments:
        n_latent: size of z.
        network: "lstm" or "transformer", of encoder and decoder.
        unit: "word" or "character".
        vocabulary: None learns it from the sentences that are not held out; or a list of words, or a file of one word on each
            line. A word that it does not hold is `<unk>`.
        max_words, min_count: of a learnt vocabulary: the most frequent words, each seen so often at least.
        max_length: tokens of a sentence that are used at most, its end included.
        n_embed, n_hidden: sizes of a word's vector and of the networks' states (a transformer has n_hidden for both).
        n_layers, n_heads: of a transformer.
        dropout: share of the decoder's cells set to zero while learning.
        word_dropout: share of the decoder's input words hidden while learning, so that it must ask z.
        learner, learner_options, bound, n_samples: see `VAE`.
        kl_weight, kl_warm_up, kl_annealing, kl_cycles, free_bits, free_bits_group, target_rate, committed_rate,
            batch_norm_mean: see `VAE`.
        skip: z goes straight to the probabilities of every word, too, past the network that remembers the words before.
        max_epochs, max_time, batch_size: how long, seconds at most, sentences per step; batches hold sentences of like lengths.
        optimizer, learning_rate, schedule, gradient_clip, validation_fraction, patience, device, precision, execution,
            diagnose_every, warm_start, random_state, verbose: see `VAE`.

    Source: Bowman et al., "Generating sentences from a continuous space", 2016.

    >>> lines = ["the cat sat", "the dog sat", "a cat ran", "a dog ran"] * 4
    >>> model = TextVAE(2, n_embed=8, n_hidden=8, max_epochs=2, random_state=0).fit(lines)
    >>> model.transform(["the dog ran"]).shape, len(model.sample(3))
    ((1, 2), 3)
    """

    _default_evidence = "importance"
    _learnt = ("words_", "n_tokens_per_row_")

    words_: list[str]
    n_tokens_per_row_: float

    def __init__(
        self,
        n_latent: int = 32,
        *,
        network: str = "lstm",
        unit: str = "word",
        vocabulary: Any = None,
        max_words: int | None = 20_000,
        min_count: int = 1,
        max_length: int = 200,
        n_embed: int = 256,
        n_hidden: int = 256,
        n_layers: int = 2,
        n_heads: int = 4,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        learner: str = "amortized",
        learner_options: dict[str, Any] | None = None,
        bound: str = "elbo",
        n_samples: int = 1,
        kl_weight: float = 1.0,
        kl_warm_up: int = 0,
        kl_annealing: str = "linear",
        kl_cycles: int = 4,
        free_bits: float = 0.0,
        free_bits_group: int = 1,
        target_rate: float | None = None,
        committed_rate: float = 0.0,
        batch_norm_mean: float = 0.0,
        skip: bool = False,
        max_epochs: int = 20,
        max_time: float | None = None,
        batch_size: int = 32,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        gradient_clip: float | None = 5.0,
        validation_fraction: float = 0.1,
        patience: int | None = 3,
        device: str = "auto",
        precision: str = "float32",
        execution: str = "auto",
        diagnose_every: int = 0,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent, self.network, self.unit, self.vocabulary = n_latent, network, unit, vocabulary
        self.max_words, self.min_count, self.max_length = max_words, min_count, max_length
        self.n_embed, self.n_hidden, self.n_layers, self.n_heads = n_embed, n_hidden, n_layers, n_heads
        self.dropout, self.word_dropout = dropout, word_dropout
        self.learner, self.learner_options = learner, learner_options
        self.bound, self.n_samples = bound, n_samples
        self.kl_weight, self.kl_warm_up = kl_weight, kl_warm_up
        self.kl_annealing, self.kl_cycles = kl_annealing, kl_cycles
        self.free_bits, self.free_bits_group, self.target_rate = free_bits, free_bits_group, target_rate
        self.committed_rate, self.batch_norm_mean, self.skip = committed_rate, batch_norm_mean, skip
        self.diagnose_every = diagnose_every
        self.max_epochs, self.max_time, self.batch_size = max_epochs, max_time, batch_size
        self.optimizer, self.learning_rate, self.schedule = optimizer, learning_rate, schedule
        self.gradient_clip = gradient_clip
        self.validation_fraction, self.patience = validation_fraction, patience
        self.device, self.precision, self.execution = device, precision, execution
        self.warm_start, self.random_state, self.verbose = warm_start, random_state, verbose

    @property
    def vocabulary_(self) -> Vocabulary:
        """Words and their tokens."""
        return _vocabulary(tuple(self.words_), self.unit)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        return tags

    # --- making ------------------------------------------------------------------------------------------------

    def _take_in(self, X: Any, sample_weight: Any) -> Lines:
        return Lines(self, X, sample_weight)

    def _make_plan(self, x: Any, weight: np.ndarray | None) -> Plan:
        sentences = x.sentences
        self.n_tokens_per_row_ = sentences.n_tokens / len(sentences)
        one = np.ones(1)
        return Plan(
            "text", "tokens", Scaling(), one, one, 0.0, in_words(self.vocabulary_, sentences, int(self.max_length))
        )

    def _make(self, plan: Plan, n_features: int, n_rows: int) -> tuple[Model, Learner]:
        for name in ("n_latent", "n_embed", "n_hidden", "n_layers", "n_heads"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name}={getattr(self, name)} is too small. At least one is needed.")
        encoder, decoder = self._networks()
        given = {**VAE().get_params(deep=False), **self.get_params(deep=False)}
        settings = SimpleNamespace(**given, n_features_in_=n_features)
        latent = with_committed_rate(settings, make_latent(settings))
        encoder = with_normalised_mean(settings, encoder)
        decoder = SkipDecoder(decoder) if self.skip else decoder
        likelihood = Conditional(nn.Identity(), Tokens(decoder, n_features), (self.n_latent,))
        q = Amortized(Conditional(encoder, latent.family, (n_features,), joint=True))
        model = LatentVariableModel(StandardNormal(self.n_latent), likelihood)
        return model, make_learner(settings, q, n_rows, latent.family)

    def _callbacks(self, training: Any) -> list[Callable[..., Any]]:
        return collapse_watch(self, training)

    def _networks(self) -> tuple[nn.Module, Any]:
        n_tokens, n_latent = len(self.words_) + 3, int(self.n_latent)
        hide = {"dropout": self.dropout, "word_dropout": self.word_dropout}
        for name, rate in hide.items():
            if not 0 <= rate < 1:
                raise ParameterError(f"{name}={rate} cannot be used. Use a share from 0 to below 1.")
        if choose("network", self.network, NETWORKS) == "lstm":
            sizes = (self.n_embed, self.n_hidden)
            return LSTMEncoder(n_tokens, 2 * n_latent, *sizes), LSTMDecoder(n_tokens, n_latent, *sizes, **hide)
        sizes = (self.n_hidden, self.n_layers, self.n_heads)
        encoder = TransformerEncoder(n_tokens, 2 * n_latent, *sizes, dropout=self.dropout)
        return encoder, TransformerDecoder(n_tokens, n_latent, *sizes, **hide)

    def _loop_options(self) -> dict[str, Any]:
        names = ("max_epochs", "max_time", "batch_size", "patience", "device", "precision")
        return {name: getattr(self, name) for name in names}

    # --- rows in -----------------------------------------------------------------------------------------------

    def _seen(self, X: Any) -> tuple[np.ndarray, Tensor]:
        check_is_fitted(self, "fit_")
        lines = as_lines(X, f"The data for {type(self).__name__}")
        if not lines:
            raise DataError("No sentences came. At least one is needed.")
        tokens = self.vocabulary_.encode(lines, int(self.n_features_in_)).padded()
        like = next(self.model_.parameters())
        return tokens, torch.from_numpy(tokens).to(dtype=like.dtype, device=like.device)

    def _work(self, rows: Any) -> int:
        return int(self.n_tokens_per_row_ * len(rows) * len(self.words_))

    def n_tokens(self, X: Any) -> np.ndarray:
        """Tokens of each sentence as they are counted: its words (or characters) and its end, `max_length` at most."""
        return (self._seen(X)[0] != 0).sum(1)

    def perplexity(self, X: Any, evidence: str = "auto", n_samples: int = 32) -> float:
        """exp(-sum of log p(x) / number of tokens), ends of sentences counted; from a lower bound, an upper bound.

        Arguments:
            X: sentences.
            evidence, n_samples: as for `evidence`.
        """
        estimate = self.evidence(X, evidence, whole("n_samples", n_samples))
        return exp(-float(estimate.values.sum()) / int(self.n_tokens(X).sum()))

    # --- sentences out -----------------------------------------------------------------------------------------

    def generate(self, Z: Any, how: str = "greedy", *, n_beams: int = 5, random_state: int | None = None) -> list[str]:
        """A sentence for each latent.

        Arguments:
            Z: latents, `(rows, n_latent)`.
            how: "greedy" (at each place the most probable word), "sample" (a draw from p(x|z)), or "beam" (the most
                probable sentence that a beam search finds).
            n_beams: sentences that the search keeps.
            random_state: of the draws; the fit's own by default.
        """
        check_is_fitted(self, "fit_")
        choose("how", how, ("greedy", "sample", "beam"))
        n_beams, z = whole("n_beams", n_beams), _finite(Z)
        if z.ndim != 2 or z.shape[1] != self._n_features_out:
            raise ParameterError(f"Latents of shape (rows, {self._n_features_out}) were expected; {z.shape} came.")
        like = next(self.model_.parameters())
        latents = torch.tensor(z, dtype=like.dtype, device=like.device)
        out = []
        with Stream(self.seed_ if random_state is None else int(random_state), like.device), evaluating(self.model_):
            for rows in latents.split(ROWS_AT_ONCE):
                out += self._sentences(rows, how, n_beams)
        return out

    def _sentences(self, z: Tensor, how: str, n_beams: int) -> list[str]:
        p = self.model_.likelihood(z)
        assert isinstance(p, TokenSequence)
        tokens = {"greedy": p.greedy, "sample": p.sample, "beam": lambda: p.beam(n_beams)[0]}[how]()
        return [self.vocabulary_.text(row) for row in tokens.long().tolist()]

    def inverse_transform(self, Z: Any) -> list[str]:  # type: ignore[override]
        """A sentence for each latent `(rows, n_latent)`, word by word the most probable one; see `generate`."""
        return self.generate(Z)

    def reconstruct(self, X: Any) -> list[str]:  # type: ignore[override]
        """inverse_transform(transform(X)): each sentence as it comes back from its posterior mean."""
        return self.generate(self.transform(X))

    def sample(self, n: int = 1, random_state: int | None = None) -> list[str]:  # type: ignore[override]
        """n sentences drawn from p(x); the same for the same random_state (default: the fit's)."""
        check_is_fitted(self, "fit_")
        if n < 1:
            raise ParameterError(f"n={n} is too small. Ask for at least one sentence.")
        like = next(self.model_.parameters())
        with Stream(self.seed_ if random_state is None else int(random_state), like.device), evaluating(self.model_):
            z = self.model_.prior().sample(torch.Size((int(n),)))
            return [s for rows in z.split(ROWS_AT_ONCE) for s in self._sentences(rows, "sample", 1)]

    def interpolate(self, first: str, second: str, n: int = 7, how: str = "greedy") -> list[str]:
        """n sentences on the straight line in z from the posterior mean of one sentence to that of another."""
        ends = self.transform([first, second])
        share = np.linspace(0, 1, whole("n", n))[:, None]
        return self.generate((1 - share) * ends[0] + share * ends[1], how)


def _finite(latents: Any) -> np.ndarray:
    try:
        z = np.asarray(latents, dtype=np.float64)
    except (TypeError, ValueError):
        z = np.array(np.nan)
    if np.isfinite(z).all():
        return z
    raise ParameterError("Latents must be finite numbers; others came. Give rows such as those of `transform`.")


@lru_cache(maxsize=4)
def _vocabulary(words: tuple[str, ...], unit: str) -> Vocabulary:
    return Vocabulary(words, unit)
