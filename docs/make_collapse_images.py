"""Draw the pictures of docs/collapse.md: `.venv/bin/python docs/make_collapse_images.py`, some minutes.

Made text: z is one number, drawn from a mixture of two normals; an LSTM with fixed random weights reads it and draws eight words
from a vocabulary of ten. A VAE with an LSTM decoder and a one-dimensional z learns 2,000 sentences: by plain training
(`AmortizedVI`), by aggressive training (`Aggressive`), and by plain training with free bits. A `CollapseWatch` looks at the same 100
sentences while each of them learns.

collapse_training.png: KL, mutual information and encoder lag over steps. collapse_plane.png: where the 100 sentences are in the
plane of E_p[z|x], by a grid, and E_q[z|x], as in figures 1 to 3 of He et al. (2019). The numbers are printed.
"""

from pathlib import Path
from typing import Any

import torch

import latentia
from latentia.conditional import Conditional
from latentia.distributions import TokenSequence
from latentia.evidence import CollapseWatch
from latentia.explore.style import DATA, IDLE, INK, MODEL, MUTED, figure, png, styled
from latentia.families import Normal, Tokens
from latentia.learn import Aggressive, AmortizedVI, Learner, Objective
from latentia.models import LatentVariableModel, StandardNormal
from latentia.networks import LSTMDecoder, LSTMEncoder
from latentia.posteriors import Amortized
from latentia.randomness import Stream

HERE = Path(__file__).parent / "images"
N_WORDS, LENGTH, END, FIRST_WORD, N_ROWS, N_PROBES = 10, 8, 2, 3, 2000, 100
N_TOKENS, WIDTH, EVERY, STEPS = N_WORDS + FIRST_WORD, LENGTH + 1, 4, 2400
COLOURS = {"plain": MODEL, "aggressive": DATA, "free bits": MUTED}


@torch.no_grad()
def make_text() -> torch.Tensor:
    """Rows of tokens, `(N_ROWS, WIDTH)`, each ended."""
    with Stream(1):
        network = LSTMDecoder(N_TOKENS, 1, 12, 12).eval()
        for parameter in network.parameters():
            parameter.uniform_(-2, 2)
        network.out.bias[:END] = -torch.inf
        z = 2.0 * (2.0 * torch.randint(2, (N_ROWS, 1)) - 1) + 0.5 * torch.randn(N_ROWS, 1)
        tokens = TokenSequence(network, z, LENGTH).sample()
    return torch.cat([tokens, torch.full((N_ROWS, 1), float(END))], 1)


def make_model() -> tuple[LatentVariableModel, Amortized]:
    """p and q."""
    likelihood = Conditional(torch.nn.Identity(), Tokens(LSTMDecoder(N_TOKENS, 1, 16, 24), WIDTH), (1,))
    q = Conditional(LSTMEncoder(N_TOKENS, 2, 16, 24), Normal((1,), scale="network"), (WIDTH,), joint=True)
    return LatentVariableModel(StandardNormal(1), likelihood), Amortized(q)


def learner(name: str, q: Amortized) -> Learner:
    """By its name in the pictures."""
    options: dict[str, Any] = {"learning_rate": 1e-2, "gradient_clip": 5.0}
    if name == "aggressive":
        return Aggressive(q, window=4, max_inner=12, mi_every=60, mi_rows=1000, **options)
    return AmortizedVI(q, objective=Objective(free_bits=1.0 if name == "free bits" else 0.0), **options)


def watched(name: str, text: torch.Tensor) -> CollapseWatch:
    """Learn, and look."""
    with Stream(0):
        model, q = make_model()
    watch = CollapseWatch(text[:N_PROBES], every=EVERY, lag_steps=20, trajectory=True)
    options: dict[str, Any] = {"batch_size": 50, "max_epochs": 10_000, "max_steps": STEPS, "device": "cpu", "seed": 0}
    found = latentia.fit(model, learner(name, q), text, callbacks=[watch], **options)
    watch.rows = [row for row in found.history if row["split"] == "probe"]  # type: ignore[attr-defined]
    print(
        name,
        found.steps,
        {k: round(v, 3) for k, v in watch.rows[-1].items() if isinstance(v, float)},
        found.status,
        flush=True,
    )  # type: ignore[attr-defined]
    return watch


@styled
def training(watches: dict[str, CollapseWatch]) -> None:
    """images/collapse_training.png."""
    fig = figure(2.9)
    axes = fig.subplots(1, 3)
    shown = {"kl": "KL of q to the prior", "mutual_information": "mutual information", "lag": "encoder lag"}
    for ax, (key, title) in zip(axes, shown.items()):
        for name, watch in watches.items():
            rows = watch.rows  # type: ignore[attr-defined]
            ax.plot([r["step"] for r in rows], [r[key] for r in rows], color=COLOURS[name], label=name)
        ax.set(title=title, xlabel="steps", ylim=(min(0, ax.get_ylim()[0]), None))
        ax.grid(axis="y")
    axes[0].set_ylabel("nats per sentence")
    axes[0].legend()
    (HERE / "collapse_training.png").write_bytes(small(fig))


@styled
def plane(watches: dict[str, CollapseWatch]) -> None:
    """images/collapse_plane.png."""
    names, fig = ("plain", "aggressive"), figure(4.6, 8.6)
    moments = 4
    grid = fig.subplots(len(names), moments, sharex=True, sharey=True)
    for axes, name in zip(grid, names):
        points = watches[name].points
        chosen = [points[round(share * (len(points) - 1))] for share in (0.0, 0.15, 0.4, 1.0)]
        for ax, (epoch, exact, encoded) in zip(axes, chosen):
            ax.axline((0, 0), slope=1, color=IDLE, linewidth=0.8)
            ax.scatter(exact, encoded, s=7, color=COLOURS[name], linewidths=0, alpha=0.7)
            step = next(r["step"] for r in watches[name].rows if r["epoch"] == epoch)  # type: ignore[attr-defined]
            ax.set_title(f"{name}, step {step:,}", color=INK)
    for ax in grid[-1]:
        ax.set_xlabel(r"mean of p(z|x)")
    for ax in grid[:, 0]:
        ax.set_ylabel(r"mean of q(z|x)")
    (HERE / "collapse_plane.png").write_bytes(small(fig))


def small(fig: Any) -> bytes:
    """The figure at a size for pages."""
    fig.set_dpi(120)
    return png(fig)


def main() -> None:
    """Both pictures."""
    torch.set_num_threads(1)
    text = make_text()
    watches = {name: watched(name, text) for name in COLOURS}
    training(watches)
    plane(watches)


if __name__ == "__main__":
    main()
