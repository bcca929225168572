"""Faults around bounds: data, scales, reports, distances, transports, games."""

from math import log
from typing import Any

import numpy as np
import torch
from case import Answer, case
from faults_of_bounds import Unit, _spread_rows
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

import latentia
from latentia import evidence
from latentia.batch import Batch, TensorBatches
from latentia.bounds import mutual_information
from latentia.families import family
from latentia.hamiltonian import Path, move
from latentia.learn import Adversarial
from latentia.models import Generator, ProbabilisticPCA, StandardNormal
from latentia.networks import MLP
from latentia.posteriors import Posterior
from latentia.randomness import Stream


class Apart(Posterior):
    """Posteriors so far from each other that z tells every row from every other."""

    def forward(self, batch: Batch, model: Any) -> Independent:
        return Independent(Normal(100 * batch.x[:, :1], torch.ones(len(batch), 1, dtype=batch.x.dtype)), 1)


@case("Mutual information from mini-batches, which cannot exceed log(batch)", "I(x, z) of 64 rows told apart, nats")
def information() -> Answer:
    x = torch.arange(64, dtype=torch.float64)[:, None]
    model = ProbabilisticPCA(1, 1).double()
    full = mutual_information(model, Apart(), TensorBatches(x, dtype=torch.float64))
    assert abs(full.ceiling - log(64)) < 1e-9
    small = [mutual_information(model, Apart(), TensorBatches(part, dtype=torch.float64)).value for part in x.split(8)]
    return Answer(log(64), full.value, float(np.mean(small)), 1e-6)


@case("A KL warm-up that did not finish, reported as a bound", "reported bound, nats per row")
def warm_up() -> Answer:
    x = np.random.default_rng(0).normal(size=(200, 3))
    fixed: dict[str, Any] = {"hidden": (8,), "validation_fraction": 0, "random_state": 0, "device": "cpu"}
    model = latentia.VAE(2, kl_warm_up=10**6, max_epochs=20, batch_size=50, **fixed).fit(x)
    assert "warm" in model.fit_.status
    last = [row for row in model.fit_.history if row["split"] == "train"][-1]
    known = last["reconstruction"] - last["kl"]
    return Answer(known, last["bound"], last["reconstruction"], 1e-3)


@case("A random draw where a mean was meant", "code of a row, first unit")
def mean_for_draw() -> Answer:
    x = np.random.default_rng(0).normal(size=(50, 3))
    estimator = latentia.ProbabilisticPCA(2).fit(x)
    q: Any = estimator.model_.posterior(torch.as_tensor(x[:1]))  # type: ignore[operator]
    with Stream(0):
        drawn = float(q.sample()[0, 0])
    return Answer(float(q.mean[0, 0]), float(estimator.transform(x[:1])[0, 0]), drawn, 1e-9)


@case(
    "Another scale transform in evaluation than in training: the Jacobian forgotten",
    "mean log p(x), user's units, nats",
)
def scale_transform() -> Answer:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)) * [1, 10, 100] + 5
    estimator = latentia.FactorAnalysis(1, scale="standard").fit(x)
    model: Any = estimator.model_
    z = model.scaling.to_model(torch.as_tensor(x)).detach()
    cov = model.loading @ model.loading.T + torch.diag(model.scale.square())
    inner = MultivariateNormal(model.loc.detach(), cov.detach()).log_prob(z).mean()
    known = float(inner) - float(torch.log(model.scaling.scale).sum())
    return Answer(known, estimator.score(x), float(inner), 1e-6)


@case("Test rows in training: a validation part that was learnt from", "rows in both parts")
def leakage() -> Answer:
    x = np.random.default_rng(0).normal(size=(100, 2))
    learnt: list[Tensor] = []
    model = latentia.VAE(1, hidden=(4,), max_epochs=1, validation_fraction=0.2, random_state=0, device="cpu")
    model.fit(x, callbacks=[lambda loop: learnt.append(loop.batches.x)])
    held_out = x[model.held_out_rows_]
    assert len(held_out) == 20
    both = np.isin(held_out[:, 0].astype(np.float32), learnt[0][:, 0].float().numpy()).sum()
    anew = np.random.default_rng(1).choice(100, 20, replace=False)  # drawn once more for evaluation
    return Answer(0.0, float(both), float(20 - np.isin(anew, model.held_out_rows_).sum()))


@case(
    "A matrix square root that turns complex, or loses half its digits, for few rows",
    "Frechet distance of a set to itself, 20 rows in 60 dimensions",
)
def square_root() -> Answer:
    from scipy.linalg import sqrtm

    x = np.random.default_rng(0).normal(size=(20, 60))
    cov = np.cov(x.T)
    root = np.asarray(sqrtm(cov @ cov), dtype=complex)
    faulty = 2 * np.trace(cov) - 2 * np.trace(root)
    return Answer(0.0, evidence.frechet_distance(x, x), float(abs(faulty)), 1e-10)


@case(
    "Wrong weights in the stratified estimate of q(z): every row of the mini-batch counts the same",
    "mean estimate of q(z)",
)
def stratified() -> Answer:
    n, size = 200, 10
    generator = torch.Generator().manual_seed(0)
    density = torch.rand(n, generator=generator, dtype=torch.float64) * 0.01
    density[0] = 1.0  # the row that z was drawn from
    weight = evidence.stratified_log_weights(size, n).exp().double()[0]
    ours, faulty = [], []
    for _ in range(4000):
        rows = torch.cat([torch.tensor([0]), 1 + torch.randperm(n - 1, generator=generator)[: size - 1]])
        ours.append(float((weight * density[rows]).sum()))
        faulty.append(float(density[rows].mean()))
    return Answer(float(density.mean()), float(np.mean(ours)), float(np.mean(faulty)), 2e-4)


@case("A flow that is not invertible", "largest distance from x to inverse(forward(x))")
def flow() -> Answer:
    coupling = family("coupling-flow", (3,)).double()
    with Stream(0), torch.no_grad():
        for p in coupling.parameters():
            p.add_(0.3 * torch.randn_like(p))
        q: Any = coupling(torch.zeros(0, dtype=torch.float64))
        x = torch.randn(500, 3, dtype=torch.float64)
        ours = float((q.transform.inv(q.transform(x)) - x).abs().max())
    z = torch.linspace(-3, 3, 601, dtype=torch.float64)
    planar = z - 2.0 * torch.tanh(z)  # u w = -2 < -1: several z for one x
    order = torch.argsort(planar)
    back = np.interp(planar.numpy(), planar[order].numpy(), z[order].numpy())
    folded = planar[1:] < planar[:-1]
    return Answer(0.0, ours, float(folded.sum()) + float(np.abs(back - z.numpy()).max()), 1e-4)


@case(
    "A leapfrog that does not preserve volume: position and momentum moved at once",
    "variance of z given x after 30 moves from the posterior",
)
def leapfrog() -> Answer:
    chains, size = 20_000, 0.9
    path = Path(Unit().double(), Batch(_spread_rows(1), torch.arange(1)), None)
    generator = torch.Generator().manual_seed(0)
    z = 0.65 + 0.5**0.5 * torch.randn(chains, 1, 1, generator=generator, dtype=torch.float64)
    unit = torch.ones(1, 1, dtype=torch.float64)
    point, other = path.at(z), z.flatten()
    noise = _Noise(generator)
    for _ in range(30):
        point, _ = move(path, point, 1.0, size * torch.ones(1, dtype=torch.float64), unit, 3, noise)
        other = _euler(other, size / 2, generator)
    return Answer(0.5, float(point.u.var()), float(other.var()), 0.025)


class _Noise:
    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def normal(self, n_samples: int, shape: Any = ()) -> Tensor:
        return torch.randn(n_samples, 1, *shape, generator=self.generator, dtype=torch.float64)

    def uniform(self, n_samples: int, shape: Any = ()) -> Tensor:
        return torch.rand(n_samples, 1, *shape, generator=self.generator, dtype=torch.float64)


def _euler(z: Tensor, step: float, generator: torch.Generator) -> Tensor:
    """Three steps that are accepted as if they preserved volume; z | x is N(0.65, 1/2)."""
    v = torch.randn(z.shape, generator=generator, dtype=torch.float64)
    u, w = z, v
    for _ in range(3):
        u, w = u + step * w, w - step * 2 * (u - 0.65)
    gain = (z - 0.65).square() + v.square() / 2 - (u - 0.65).square() - w.square() / 2
    return torch.where(torch.rand(z.shape, generator=generator) < gain.exp(), u, z)


@case(
    "Two-player gradients that leak into the other player", "gradient of the critic's loss by the generator's weights"
)
def leak() -> Answer:
    with Stream(0):
        model = Generator(StandardNormal(2), MLP(2, 3, (8,)), (3,))
        critic, x = MLP(3, 1, (8,)), torch.randn(64, 3)
        state = Adversarial(critic).init(model, TensorBatches(x, batch_size=64))
        _, loss = state.handles["players"].critic_loss(Batch(x, torch.arange(64)))
        loss.backward()
        ours = _slopes(model)
        fake = model.likelihood(model.prior().rsample(torch.Size((1, 64)))).rsample().squeeze(0)
        (nn.functional.softplus(-critic(x)).mean() + nn.functional.softplus(critic(fake)).mean()).backward()
    return Answer(0.0, ours, _slopes(model), 1e-12)


def _slopes(model: nn.Module) -> float:
    return sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None)
