"""Draw docs/images/learners.png: `.venv/bin/python docs/make_learners_image.py`, some seconds.

Factor analysis (4 factors) of the breast-cancer table (569 rows, 30 standardised columns), from one start, by four learners.
log p(x) is exact at every epoch: it comes from the history that every fit of such a model keeps.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer

import latentia
from latentia import families
from latentia.conditional import Conditional
from latentia.learn import SVI, AmortizedVI, ExactEM, Learner, WakeSleep
from latentia.models import FactorAnalysis
from latentia.networks import MLP
from latentia.posteriors import Amortized, Local

HERE = Path(__file__).parent / "images"
EPOCHS, LATENT = 60, 4
INK, BOUND, FALL = "#1f4e79", "#d9822b", "#b3261e"


def encoder(columns: int) -> Amortized:
    """The same network for all who have one."""
    torch.manual_seed(0)
    return Amortized(Conditional(MLP(columns, 2 * LATENT, (32,)), families.Normal((LATENT,)), (columns,), joint=True))


LEARNERS: dict[str, Callable[[int], Learner]] = {
    "exact EM": lambda d: ExactEM(tol=0.0, start="random"),
    "amortised (AEVB)": lambda d: AmortizedVI(encoder(d), learning_rate=0.01),
    "SVI": lambda d: SVI(Local(families.Normal((LATENT,))), learning_rate=0.01),
    "wake-sleep": lambda d: WakeSleep(encoder(d), learning_rate=0.01),
}


def histories() -> dict[str, list[dict[str, Any]]]:
    """The history of each learner on the same rows."""
    x = load_breast_cancer().data
    x = torch.from_numpy((x - x.mean(0)) / x.std(0))
    found = {}
    for name, make in LEARNERS.items():
        torch.manual_seed(1)
        model = FactorAnalysis(x.shape[1], LATENT)
        fit = latentia.fit(model, make(x.shape[1]), x, max_epochs=EPOCHS, batch_size=50, device="cpu", seed=0)
        found[name] = fit.history
    return found


def draw(axes: Any, name: str, history: list[dict[str, Any]]) -> None:
    """log p(x) and the bound against epochs, with the epochs at which log p(x) fell."""
    epoch, exact, bound = (np.array([row[key] for row in history]) for key in ("epoch", "log_prob", "bound"))
    falls = np.flatnonzero(np.diff(exact) < -1e-6) + 1
    axes.plot(epoch, bound, color=BOUND, lw=1.2, ls=(0, (4, 2)), label="bound, mean of the epoch")
    axes.plot(epoch, exact, color=INK, lw=1.5, label="log p(x), exact")
    axes.plot(epoch[falls], exact[falls], ls="", marker="v", ms=4.5, color=FALL, label="log p(x) fell")
    axes.set_title(f"{name}: fell {len(falls)} times", fontsize=10, loc="left")
    axes.set(xlabel="epoch", ylim=(-36, None))
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """images/learners.png."""
    found = histories()
    figure, axes = plt.subplots(1, len(found), figsize=(12, 3.0), sharey=True, layout="constrained")
    for one, (name, history) in zip(axes, found.items()):
        draw(one, name, history)
        print(f"{name:20s} log p(x) {history[-1]['log_prob']:.3f}  bound {history[-1]['bound']:.3f}")
    axes[0].set_ylabel("nats per row")
    axes[1].legend(fontsize=8, frameon=False, loc="lower right")
    HERE.mkdir(exist_ok=True)
    figure.savefig(HERE / "learners.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
