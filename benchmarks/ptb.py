"""Penn Treebank, sentence VAE with an LSTM decoder: nats per sentence on the 3,761 test sentences.

    python benchmarks/ptb.py                        # 4 epochs; about twenty minutes on one core
    python benchmarks/ptb.py --warm-up 2600         # with annealing
    python benchmarks/ptb.py --n-hidden 256 --n-embed 256 --learning-rate 1e-3     # the published sizes, twice the arithmetic

Published: negative ELBO 101.92 (perplexity 104.61) for LSTM 256, z = 32, trained in full; after 4 epochs of another (GRU 256,
z = 16) reconstruction 103.97 and KL 7.27, so negative ELBO 111.24. Line: 4 epochs on a CPU <= 111.2.

A token is a word of the file (its `<unk>` and `N` included) or the end of a sentence: 82,430 in the test part, 21.92 per
sentence, as in the published perplexity. Only the training sentences are learnt from, in batches of 32 of like lengths; the
vocabulary is that of the training part. The validation part is looked at after every epoch and chooses nothing.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import torch

from latentia import evidence, fit
from latentia.batch import Batches
from latentia.conditional import Conditional
from latentia.data import Sentences, Vocabulary, read_lines
from latentia.distributions import kl
from latentia.families import Normal, Tokens
from latentia.learn import AmortizedVI, Objective, Schedule
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import LSTMDecoder, LSTMEncoder
from latentia.posteriors import Amortized

DATA = Path(os.environ.get("LATENTIA_DATA", Path(__file__).parents[2] / "shared" / "data")) / "ptb"
RESULTS = Path(__file__).parent / "results" / "ptb.md"
HEAD = (
    "# Penn Treebank, sentence VAE with an LSTM decoder\n\n"
    "Made by `python benchmarks/ptb.py`; nats per test sentence, lower is better; the end of a sentence is a token. "
    "Published: 101.92 in full (perplexity 104.61); after 4 epochs of another 111.24 (103.97 + 7.27).\n\n"
    "| epochs | LSTM, z | KL warm-up, steps | word dropout | -ELBO | reconstruction + KL | -IW log p(x), samples | perplexity (ELBO; IW) "
    "| validation -ELBO | fit, s | seed | machine |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def make(n_tokens: int, width: int, asked: argparse.Namespace) -> tuple[LatentVariableModel, Amortized]:
    """p and q of the line."""
    n_latent, sizes = asked.n_latent, (asked.n_embed, asked.n_hidden)
    decoder = LSTMDecoder(n_tokens, n_latent, *sizes, word_dropout=asked.word_dropout)
    likelihood = Conditional(torch.nn.Identity(), Tokens(decoder, width), (n_latent,))
    encoder = LSTMEncoder(n_tokens, 2 * n_latent, *sizes)
    q = Conditional(encoder, Normal((n_latent,), scale="network"), (width,), joint=True)
    return LatentVariableModel(StandardNormal(n_latent), likelihood), Amortized(q)


def part(name: str, vocabulary: Vocabulary, most: int | None) -> Sentences:
    """The sentences of a part of the set."""
    return vocabulary.encode(read_lines(DATA / f"ptb.{name}.txt.gz")[:most])


def batches(sentences: Sentences, size: int) -> Batches:
    """In the order of the file, for evaluation."""
    return sentences.batches(batch_size=size)


def main() -> None:
    """Fit, evaluate on the test part, add a line to the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--warm-up", type=int, default=0, help="steps in which the KL's weight rises to 1")
    parser.add_argument("--n-latent", type=int, default=32)
    parser.add_argument("--n-embed", type=int, default=128)
    parser.add_argument("--n-hidden", type=int, default=160)
    parser.add_argument("--word-dropout", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--samples", type=int, default=10, help="of the importance bound; a fifth of them of the ELBO")
    parser.add_argument("--most", type=int, default=None, help="sentences of each part at most, for a quick look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, default=None, help="a folder for checkpoints, from which it goes on")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    asked = parser.parse_args()
    lines = read_lines(DATA / "ptb.train.txt.gz")[: asked.most]
    vocabulary = Vocabulary.learn(lines)
    train, valid, test = (part(name, vocabulary, asked.most) for name in ("train", "valid", "test"))
    torch.manual_seed(asked.seed)
    model, q = make(vocabulary.size, 100, asked)
    data = train.batches(batch_size=32, seed=asked.seed)
    learner = AmortizedVI(
        q,
        objective=Objective(1.0, asked.warm_up),
        learning_rate=asked.learning_rate,
        schedule=Schedule("cosine", n_steps=asked.epochs * data.per_epoch),
        gradient_clip=5.0,
    )
    say = lambda p: print(f"epoch {p.epoch} step {p.step} bound {p.bound:.2f} held out {p.held_out}", flush=True)  # noqa: E731
    begun = time.perf_counter()
    fitted = fit(
        model,
        learner,
        data,
        validation=batches(valid, 64),
        max_epochs=asked.epochs,
        restore_best=False,
        seed=asked.seed,
        device="cpu",
        checkpoints=asked.run,
        resume=asked.run is not None,
        progress=lambda p: say(p) if p.epoch_ended or p.step % 100 == 0 else None,
    )
    seconds = time.perf_counter() - begun
    if fitted.interrupted:
        raise SystemExit(fitted.status)
    held_out = [row["bound"] for row in fitted.history if row["split"] == "validation"][-1]
    bound = evidence.elbo(model, q, batches(test, 64), n_samples=max(1, asked.samples // 5))
    iw = evidence.importance(model, q, batches(test, 64), n_samples=asked.samples)
    kl = mean_kl(model, q, test)
    nats, words = -bound.mean, test.n_tokens / len(test)
    perplexity = [float(torch.tensor(-e.mean / words).exp()) for e in (bound, iw)]
    machine = (
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}"
    )
    row = (
        f"| {asked.epochs} | {asked.n_hidden}, {asked.n_latent} | {asked.warm_up} | {asked.word_dropout:g} | {nats:.2f} ± {bound.row_error:.2f} | "
        f"{nats - kl:.2f} + {kl:.2f} | {-iw.mean:.2f}, {asked.samples} | {perplexity[0]:.1f}; {perplexity[1]:.1f} | "
        f"{-held_out:.2f} | {seconds:.0f} | {asked.seed} | {machine} |\n"
    )
    print(row)
    if not asked.dry and asked.most is None:
        RESULTS.write_text((RESULTS.read_text() if RESULTS.exists() else HEAD) + row)


@torch.no_grad()
def mean_kl(model: LatentVariableModel, q: Amortized, sentences: Sentences) -> float:
    """Mean of KL(q || p) over sentences, nats."""
    rows = [kl(q(batch, model), model.prior()) for batch in batches(sentences, 64).in_order()]
    return float(torch.cat(rows).double().mean())


if __name__ == "__main__":
    main()
