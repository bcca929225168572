"""Synthetic text: plain training of a VAE with an LSTM decoder collapses, aggressive training does not.

    python benchmarks/synthetic_text.py                     # five seeds; about twenty minutes on one core
    python benchmarks/synthetic_text.py --seeds 0 --epochs 2 --dry

The text is made here: z in two dimensions from a mixture of four normals (means (+-4, +-4), scale 1); an LSTM with fixed random
weights reads z at every step and draws ten words one after the other from a vocabulary of 50. 16,000 sentences to learn from,
2,000 for validation, 2,000 for test; the end of a sentence is a token. The same text for every seed: seeds are those of the fit.

Plain training takes `--epochs` epochs. Aggressive training of the same model takes `--times` as many steps, of which many move
the encoder alone; "plain, longer" is plain training for that many steps. NLL: importance-weighted with 100 samples per test
sentence. MI: mutual information of x and z under q on the test part; its ceiling is the logarithm of the number of sentences.

Published (He et al. 2019, on a text of their own, not available): plain training collapses, aggressive does not; 2.2 to 3.7
times the time on real sets. Line: plain KL < 0.1; aggressive MI > 0.5 at a better NLL; time ratio <= 4.
"""

import argparse
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from latentia import evidence, fit
from latentia.bounds import mutual_information
from latentia.conditional import Conditional
from latentia.data import Sentences
from latentia.distributions import TokenSequence
from latentia.families import Normal, Tokens
from latentia.learn import Aggressive, AmortizedVI, Learner, Objective
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import LSTMDecoder, LSTMEncoder
from latentia.posteriors import Amortized
from latentia.randomness import Stream

RESULTS = Path(__file__).parent / "results" / "synthetic_text.md"
END, FIRST_WORD = 2, 3


@dataclass(frozen=True)
class Settings:
    """Of the text."""

    n_words: int = 50
    length: int = 10
    n_hidden: int = 20
    span: float = 2.0  # weights of the LSTM are uniform on [-span, span]
    mean: float = 4.0  # the four normals are at (+-mean, +-mean)
    seed: int = 1234
    sizes: tuple[int, int, int] = (16_000, 2_000, 2_000)


SETTINGS = Settings()


@torch.no_grad()
def make_text(settings: Settings = SETTINGS) -> tuple[Sentences, Sentences, Sentences]:
    """Sentences to learn from, for validation, for test."""
    with Stream(settings.seed):
        network = LSTMDecoder(settings.n_words + FIRST_WORD, 2, settings.n_hidden, settings.n_hidden).eval()
        for parameter in network.parameters():
            parameter.uniform_(-settings.span, settings.span)
        network.out.bias[:END] = -torch.inf  # neither the unknown word nor an end: all sentences have the same length
        n = sum(settings.sizes)
        z = settings.mean * (2.0 * torch.randint(2, (n, 2)) - 1) + torch.randn(n, 2)
        tokens = TokenSequence(network, z, settings.length).sample().long()
    rows = torch.cat([tokens, torch.full((n, 1), END)], 1).tolist()
    first, second = settings.sizes[0], settings.sizes[0] + settings.sizes[1]
    return Sentences(rows[:first]), Sentences(rows[first:second]), Sentences(rows[second:])


def make_model(n_latent: int, n_hidden: int) -> tuple[LatentVariableModel, Amortized]:
    """p and q that are fitted."""
    n_tokens, width = SETTINGS.n_words + FIRST_WORD, SETTINGS.length + 1
    decoder = LSTMDecoder(n_tokens, n_latent, n_hidden, n_hidden)
    likelihood = Conditional(torch.nn.Identity(), Tokens(decoder, width), (n_latent,))
    encoder = LSTMEncoder(n_tokens, 2 * n_latent, n_hidden, n_hidden)
    q = Conditional(encoder, Normal((n_latent,), scale="network"), (width,), joint=True)
    return LatentVariableModel(StandardNormal(n_latent), likelihood), Amortized(q)


def learner_of(name: str, q: Amortized, asked: argparse.Namespace) -> Learner:
    """Both with the same objective and optimiser."""
    options: dict[str, Any] = {
        "objective": Objective(1.0, asked.warm_up),
        "learning_rate": asked.learning_rate,
        "gradient_clip": 5.0,
    }
    if name.startswith("plain"):
        return AmortizedVI(q, **options)
    return Aggressive(q, window=asked.window, max_inner=asked.max_inner, mi_every=asked.mi_every, **options)


def run(name: str, text: tuple[Sentences, ...], seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """One fit, measured."""
    train, valid, test = text
    with Stream(seed):
        model, q = make_model(asked.n_latent, asked.n_hidden)
    data, held_out = train.batches(batch_size=32, seed=seed), valid.batches(batch_size=500)
    begun = time.perf_counter()
    fitted = fit(
        model,
        learner_of(name, q, asked),
        data,
        validation=held_out,
        max_epochs=10_000,
        max_steps=int(asked.epochs * data.per_epoch * (1 if name == "plain" else asked.times)),
        seed=seed,
        device="cpu",
        callbacks=[lambda loop: print(name, seed, loop.history[-1], flush=True)],
    )
    taken = time.perf_counter() - begun
    rows = test.batches(batch_size=500)
    nll = evidence.importance(model, q, rows, n_samples=100)
    found = mutual_information(model, q, rows, n_reference=2000, n_probes=2000)
    bound = evidence.elbo(model, q, rows, n_samples=10)
    return {
        "nll": -nll.mean,
        "error": nll.mc_error,
        "elbo": bound.mean,
        "kl": found.kl,
        "mi": found.value,
        "seconds": taken,
        "steps": fitted.steps,
        "status": fitted.status,
        "values": nll.values,
    }


def main() -> None:
    """Both learners for every seed; a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=3, help="of plain training")
    parser.add_argument("--warm-up", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--n-latent", type=int, default=2)
    parser.add_argument("--n-hidden", type=int, default=50)
    parser.add_argument("--max-inner", type=int, default=100)
    parser.add_argument(
        "--mi-every", type=int, default=25, help="steps of p between two looks at the mutual information"
    )
    parser.add_argument(
        "--times", type=float, default=4.0, help="steps of aggressive training, in those of plain training"
    )
    parser.add_argument("--learners", nargs="+", default=["plain", "aggressive"])
    parser.add_argument("--dry", action="store_true", help="write nothing")
    asked = parser.parse_args()
    text = make_text()
    lines = []
    for seed in asked.seeds:
        seconds: float | None = None
        for name in asked.learners:
            found = run(name, text, seed, asked)
            ratio = "1" if seconds is None else f"{found['seconds'] / seconds:.2f}"
            seconds = seconds or found["seconds"]
            lines.append(
                f"| {name} | {seed} | {found['nll']:.2f} ± {found['error']:.2f} | {-found['elbo']:.2f} | {found['kl']:.3f} | "
                f"{found['mi']:.3f} | {found['steps']:,} | {ratio} |"
            )
            print(lines[-1], found["status"], f"{found['seconds']:.0f} s", flush=True)
    if not asked.dry:
        write(lines, asked)


def write(lines: list[str], asked: argparse.Namespace) -> None:
    """The table."""
    machine = f"{os.cpu_count()} cores (shared), {torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}"
    head = (
        "# Synthetic text: plain and aggressive training of a VAE with an LSTM decoder\n\n"
        f"Made by `python benchmarks/synthetic_text.py`; nats per test sentence of 11 tokens. {asked.epochs} plain epochs, batch 32, "
        f"Adam {asked.learning_rate:g}, LSTM {asked.n_hidden}, z = {asked.n_latent}, KL warm-up {asked.warm_up} steps. Time: seconds "
        f"of the fit divided by those of plain training with the same seed, one after the other on the same machine, {machine}.\n\n"
        "| learner | seed | NLL, 100 samples | -ELBO | KL | MI (ceiling 7.60) | steps | time ratio |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    RESULTS.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
