"""The problems that one process and several must solve alike. `python problems.py OUT` solves all and writes what came out.

Run under torchrun's variables it is one process of several; each writes `OUT/<rank>.safetensors`.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import latentia
from latentia import evidence, families
from latentia.conditional import Conditional
from latentia.learn import (
    SVI,
    Adversarial,
    Aggressive,
    AmortizedVI,
    ExactEM,
    MonteCarloEM,
    Objective,
    ReweightedWakeSleep,
    Schedule,
    SemiAmortizedVI,
    WakeSleep,
)
from latentia.models import (
    CategoricalPrior,
    FiniteLatentModel,
    GaussianMixture,
    Generator,
    LatentVariableModel,
    ProbabilisticPCA,
    StandardNormal,
)
from latentia.networks import MLP, Critic, OneHot
from latentia.posteriors import Amortized, Exact, Local
from latentia.processes import joined

RNG = np.random.default_rng(0)
BITS = (RNG.random((95, 6)) < 0.4).astype(np.float32)  # 95 = 5 x 16 + 15: parts of 5 and 6, then of 5
REAL = RNG.normal(size=(61, 5)) @ RNG.normal(size=(5, 5))
WEIGHT = RNG.random(95) + 0.5
Tensors = dict[str, Tensor]
DESCENT: Any = {
    "optimizer": "sgd",
    "learning_rate": 0.01,
}  # Adam makes steps of a gradient that is zero but for rounding
LOSSES = ("critic_loss", "critic_penalty", "generator_loss", "real_score", "fake_score")


def vae(family: Any = None, n: int = 6, middle: Sequence[nn.Module] = ()) -> tuple[LatentVariableModel, Amortized]:
    torch.manual_seed(0)
    family = families.Bernoulli((n,)) if family is None else family
    decoder = nn.Sequential(MLP(2, 8, ()), nn.Tanh(), *middle, MLP(8, family.n_raw * n, ()))
    model = LatentVariableModel(StandardNormal(2), Conditional(decoder, family, (2,)))
    return model, Amortized(Conditional(MLP(n, 4, (8,)), families.Normal((2,)), (n,), joint=True))


def fit_vae(learner: dict[str, Any] | None = None, family: Any = None, x: Any = BITS, **options: Any) -> Tensors:
    middle = options.pop("middle", ())
    model, q = vae(family, x.shape[1], middle)
    given = {"max_epochs": 3, "batch_size": 16, "seed": 3, "device": "cpu", **options}
    return outcome(latentia.fit(model, AmortizedVI(q, **(learner or {})), x, **given))


def fit_by(make: Callable[[Any], Any], **options: Any) -> Tensors:
    """Another learner than the amortised one, on bits."""
    model, q = vae()
    x = options.pop("x", BITS)
    given = {"max_epochs": 9, "max_steps": 8, "batch_size": 16, "seed": 3, "device": "cpu", **options}
    return outcome(latentia.fit(model, make(q), x, **given))


def svi(_: Any) -> SVI:
    return SVI(Local(families.Normal((2,)), n_steps=5), row_steps=2)


def game(q: Any) -> Adversarial:
    return Adversarial(Critic(6, (8,)), posterior=q, judged="means", r1=0.5, average=0.9)


def fit_game(objective: str = "non-saturating", x: Any = BITS, **options: Any) -> Tensors:
    """A game alone: a generator without a bound."""
    torch.manual_seed(0)
    n, names = x.shape[1], ("weight", "batch_size", "max_epochs", "validation")
    given = {"max_epochs": 3, "batch_size": 16, **{name: options.pop(name) for name in names if name in options}}
    model = Generator(StandardNormal(2), MLP(2, n, (8,)), (n,))
    learner = Adversarial(Critic(n * options.get("pack", 1), (8,)), objective, **{"average": 0.9, **options})
    return outcome(latentia.fit(model, learner, x, seed=3, device="cpu", **given))


def fit_em(model: Any, **options: Any) -> Tensors:
    given = {"max_epochs": 12, "batch_size": 16, "device": "cpu", **options}
    return outcome(latentia.fit(model, ExactEM(tol=0.0, n_starts=given.pop("n_starts", 1)), REAL, **given))


def outcome(fit: Any) -> Tensors:
    bounds = torch.tensor([row.get("bound", float("nan")) for row in fit.history], dtype=torch.float64)
    played = [[row.get(name, 0.0) for name in LOSSES] for row in fit.history if "critic_loss" in row]
    losses = {"losses": torch.tensor(played, dtype=torch.float64)} if played else {}
    return {**fit.tensors(), **losses, "history": bounds, "steps": torch.tensor(fit.steps)}


def estimates() -> Tensors:
    model, q = vae()
    out: Tensors = {}
    for chunk in (7, 1000):
        for name in ("elbo", "importance"):
            found = getattr(evidence, name)(model, q, torch.from_numpy(BITS), n_samples=8, chunk=chunk)
            out |= {f"{name}{chunk}.values": found.values, f"{name}{chunk}.errors": found.row_mc_error}
    ppca = ProbabilisticPCA(5, 2)
    out["exact"] = evidence.exact(ppca, REAL, chunk=4).values
    out["two rows"] = evidence.elbo(ppca, Exact(), REAL[:2], n_samples=2).values  # with three processes one has none
    return out


def encoded() -> Tensors:
    vae = latentia.VAE(2, hidden=(8,), max_epochs=2, batch_size=16, random_state=0, device="cpu").fit(REAL)
    mean, sd = vae.transform(REAL, return_std=True)
    few = vae.transform(REAL[:2])
    return {"mean": torch.from_numpy(mean), "sd": torch.from_numpy(sd), "few": torch.from_numpy(few)}


def finite_latent() -> Tensors:
    """A mixture without a closed form: exact EM by gradients."""
    torch.manual_seed(0)
    network = Conditional(OneHot(3, MLP(3, 5, ())), families.Normal((5,), scale="one"), ())
    model = FiniteLatentModel(CategoricalPrior(3), network)
    return fit_em(model, max_epochs=2)


PROBLEMS: dict[str, Callable[[], Tensors]] = {
    "bernoulli": lambda: fit_vae(validation=BITS[:20]),
    "normal": lambda: fit_vae(family=families.Normal((5,), scale="per-feature"), x=REAL.astype(np.float32)),
    "weights": lambda: fit_vae(weight=WEIGHT),
    "samples": lambda: fit_vae({"bound": latentia.bounds.ImportanceWeighted(4)}),
    "objective": lambda: fit_vae(
        {"objective": Objective(0.5, 4), "gradient_clip": 0.5, "schedule": Schedule("cosine", 18)}, max_steps=14
    ),
    "binarised": lambda: fit_vae(transform=lambda x, seed: (torch.rand_like(x) < 0.3 + 0.4 * x).to(x.dtype)),
    "a batch of two": lambda: fit_vae(
        x=BITS[:31], batch_size=2, max_epochs=1
    ),  # with three processes, rows lent at no weight
    "recorded": lambda: fit_vae({"execution": "recorded"}, batch_size=48, max_epochs=102),
    "layers dealt out": lambda: fit_vae({"gradient_clip": 0.5}, validation=BITS[:20], shard_from=20),
    "few layers dealt out": lambda: fit_vae(weight=WEIGHT, shard_from=48, batch_size=2, max_epochs=1),
    "svi": lambda: fit_by(svi, validation=BITS[:20]),
    "svi, a batch of two": lambda: fit_by(svi, x=BITS[:31], batch_size=2, max_steps=20),
    "semi-amortized": lambda: fit_by(lambda q: SemiAmortizedVI(q, n_steps=2)),
    "aggressive": lambda: fit_by(
        lambda q: Aggressive(q, window=2, max_inner=4, mi_every=1, mi_tolerance=9.0, mi_rows=40), max_steps=20
    ),
    "wake-sleep": lambda: fit_by(WakeSleep),
    "a game beside the bound": lambda: fit_by(game),
    "packs beside the bound": lambda: fit_by(
        lambda q: Adversarial(Critic(12, (8,)), posterior=q, judged="means", pack=2, r1=0.5), x=BITS[:47], max_steps=9
    ),  # 47 = 2 x 16 + 15: seven packs of the last batch, and one row that is left out
    "a game alone": lambda: fit_game(r1=0.5, r2=0.1, validation=BITS[:20]),
    "a game, weighted": lambda: fit_game(r1=0.5, weight=WEIGHT),
    "a game of two rows": lambda: fit_game(r1=0.5, x=BITS[:31], batch_size=2, max_epochs=1),
    "wasserstein": lambda: fit_game("wasserstein", critic_steps=2, **DESCENT),
    "wasserstein, packs": lambda: fit_game("wasserstein", pack=2, **DESCENT),
    "packs": lambda: fit_game(pack=2, r1=0.5, weight=WEIGHT),
    "few packs": lambda: fit_game(
        "wasserstein", pack=4, batch_size=8, x=BITS[:47], max_epochs=2, **DESCENT
    ),  # of the last seven rows one pack, which one process has
    "reweighted": lambda: fit_by(lambda q: ReweightedWakeSleep(q, n_samples=3, fit="both")),
    "importance resampling": lambda: fit_by(lambda q: MonteCarloEM(q, n_samples=2, n_proposals=6)),
    "hmc": lambda: fit_by(lambda q: MonteCarloEM(q, sampler="hmc", n_samples=2, n_moves=2, n_leapfrog=1), max_steps=4),
    "mixture": lambda: fit_em(GaussianMixture(5, 3)),
    "two starts": lambda: fit_em(GaussianMixture(5, 3, covariance="diag"), n_starts=2),
    "finite latent": finite_latent,
    "ppca": lambda: fit_em(ProbabilisticPCA(5, 2), batch_size=2),
    "estimates": estimates,
    "encoded": encoded,
}
EXCEPTIONS: dict[str, Callable[[], Tensors]] = {  # alike in all processes, and other numbers than one process has
    "dropout": lambda: fit_vae(middle=(nn.Dropout(0.2),), validation=BITS[:20]),
    "batch norm": lambda: fit_vae(middle=(nn.BatchNorm1d(8),), validation=BITS[:20]),
}


def solve(names: Sequence[str]) -> Tensors:
    every = {**PROBLEMS, **EXCEPTIONS}
    return {f"{name}/{key}": value for name in names for key, value in every[name]().items()}


if __name__ == "__main__":
    from safetensors.torch import save_file

    warnings.simplefilter("error")
    torch.set_num_threads(1)
    with joined(limit=60) as processes:
        found = solve(sys.argv[2:] or [*PROBLEMS, *EXCEPTIONS])
    save_file(
        {k: v.detach().contiguous().clone() for k, v in found.items()},
        Path(sys.argv[1], f"{processes.rank}.safetensors"),
    )
