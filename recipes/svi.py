"""Stochastic variational inference in one sitting: no encoder, free parameters for each row, written out by hand.

    python recipes/svi.py           about half a minute
    python recipes/svi.py --tiny    some seconds

The model is linear: p(x, z) = N(z; 0, I) N(x; m + W z, s^2 I), so that the exact posterior and log p(x) are known and every
claim can be checked. q(z|x_n) = N(mu_n, L_n L_n^T) has a mean and a full Cholesky factor for each row n, which that row keeps
from one visit to the next. A visit makes some steps on the rows of a minibatch (tighten), then one step on m, W, s (improve).
Everything up to `main` is plain PyTorch; `main` hands the same problem to latentia.

Source: Hoffman, Blei, Wang and Paisley, "Stochastic variational inference", 2013; with gradients for the local step.
"""

import argparse
import math
from collections.abc import Sequence

import torch
from torch import Tensor

import latentia
from latentia.bounds import Elbo
from latentia.families import FullNormal
from latentia.learn import SVI
from latentia.models import ProbabilisticPCA
from latentia.posteriors import Local

COLUMNS, LATENT = 6, 2


# --- data and model --------------------------------------------------------------------------------------------------


def make_rows(n: int) -> Tensor:
    """Rows of the model's own kind, float64."""
    generator = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return normal(n, LATENT) @ normal(LATENT, COLUMNS) + 0.5 * normal(n, COLUMNS)


def log_normal(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """log N(x; mean, scale^2), summed over the last axis."""
    return (-0.5 * ((x - mean) / scale) ** 2 - torch.log(scale) - 0.5 * math.log(2 * math.pi)).sum(-1)


class Linear:
    """m, W and log s, and what they say."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.w = (0.3 * torch.randn(COLUMNS, LATENT, generator=generator, dtype=torch.float64)).requires_grad_()
        self.m = torch.zeros(COLUMNS, dtype=torch.float64, requires_grad=True)
        self.log_s = torch.zeros((), dtype=torch.float64, requires_grad=True)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(z) + log p(x|z), `(samples, rows)`."""
        prior = log_normal(z, torch.zeros_like(z), torch.ones_like(z))
        return prior + log_normal(x, self.m + z @ self.w.T, self.log_s.exp().expand(COLUMNS))

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact: x is normal with covariance W W^T + s^2 I."""
        covariance = self.w @ self.w.T + (2 * self.log_s).exp() * torch.eye(COLUMNS, dtype=x.dtype)
        return torch.distributions.MultivariateNormal(self.m, covariance).log_prob(x)

    def posterior(self, x: Tensor) -> torch.distributions.MultivariateNormal:
        """p(z|x) = N(S W^T (x - m) / s^2, S), S = (I + W^T W / s^2)^-1."""
        variance = (2 * self.log_s).exp()
        precision = torch.eye(LATENT, dtype=x.dtype) + self.w.T @ self.w / variance
        mean = torch.linalg.solve(precision, self.w.T @ (x - self.m).T / variance).T
        return torch.distributions.MultivariateNormal(mean, precision_matrix=precision)


# --- q: a row of numbers for each row of data ------------------------------------------------------------------------


def q_of(raw: Tensor) -> torch.distributions.MultivariateNormal:
    """mu (2 numbers), log of the diagonal of L (2), what lies below it (1)."""
    mu, log_diagonal, below = raw.split([LATENT, LATENT, 1], -1)
    factor = torch.diag_embed(log_diagonal.exp())
    factor = factor + torch.nn.functional.pad(below.unsqueeze(-1), (0, 1, 1, 0))
    return torch.distributions.MultivariateNormal(mu, scale_tril=factor)


def elbo(p: Linear, x: Tensor, raw: Tensor, n_samples: int = 4) -> Tensor:
    """E_q[log p(x, z) - log q(z)]; q's own log-density is held, so that the noise is gone where q is exact."""
    z = q_of(raw).rsample(torch.Size((n_samples,)))
    return (p.log_joint(x, z) - q_of(raw.detach()).log_prob(z)).mean(0)


class Table:
    """The numbers of every row and the moments of their Adam, by the row's index."""

    def __init__(self, n_rows: int) -> None:
        self.raw, self.first, self.second = (torch.zeros(n_rows, 5, dtype=torch.float64) for _ in range(3))
        self.visits = torch.zeros(n_rows, 1, dtype=torch.float64)

    def climb(self, p: Linear, x: Tensor, index: Tensor, steps: int, rate: float) -> None:
        """Tighten: some steps for these rows, p held. Each row's Adam counts its own steps."""
        for _ in range(steps):
            raw = self.raw[index].requires_grad_()
            (slope,) = torch.autograd.grad(elbo(p, x[index], raw).sum(), raw)
            self.visits[index] += 1
            self.first[index] = 0.9 * self.first[index] + 0.1 * slope
            self.second[index] = 0.999 * self.second[index] + 0.001 * slope**2
            mean = self.first[index] / (1 - 0.9 ** self.visits[index])
            square = self.second[index] / (1 - 0.999 ** self.visits[index])
            self.raw[index] += rate * mean / (square.sqrt() + 1e-8)


def learn(p: Linear, x: Tensor, epochs: int) -> Table:
    """Repeat: the rows of a minibatch climb, then p makes one step with their q held; rates fall at the end."""
    table, adam = Table(len(x)), torch.optim.Adam([p.w, p.m, p.log_s], lr=0.02)
    for epoch in range(epochs):
        share = min(1.0, 2 * (1 - epoch / epochs)) + 1e-3
        for index in torch.randperm(len(x)).split(50):
            table.climb(p, x, index, steps=5, rate=0.05 * share)
            adam.param_groups[0]["lr"] = 0.02 * share
            adam.zero_grad()
            (-elbo(p, x[index], table.raw[index]).mean()).backward()
            adam.step()
    return table


# --- by hand, and by latentia ----------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Learn by hand and by latentia; print what both reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="few rows, few epochs")
    asked = parser.parse_args(arguments)
    x, epochs = make_rows(100 if asked.tiny else 500), 60 if asked.tiny else 100
    torch.manual_seed(0)

    p = Linear()
    table = learn(p, x, epochs)
    gap = torch.distributions.kl_divergence(q_of(table.raw), p.posterior(x)).mean()

    best = ProbabilisticPCA(COLUMNS, LATENT)
    latentia.fit(best, latentia.learn.ExactEM(), x, device="cpu")
    model = ProbabilisticPCA(COLUMNS, LATENT)
    bound = Elbo(4, gradient="sticking-the-landing")
    learner = SVI(Local(FullNormal((LATENT,))), bound=bound, learning_rate=0.02, execution="eager")
    fit = latentia.fit(model.double(), learner, x, max_epochs=epochs, batch_size=50, device="cpu", precision="float64")
    theirs = torch.distributions.kl_divergence(
        fit.posterior.eval()(latentia.batch.Batch(x, torch.arange(len(x))), model), model.posterior(x)
    ).mean()

    found = {
        "log p(x), by hand": p.log_prob(x).mean(),
        "log p(x), latentia": model.log_prob(x).mean(),
        "log p(x), the maximum": best.log_prob(x).mean(),
        "KL(q || p(z|x)), by hand": gap,
        "KL(q || p(z|x)), latentia": theirs,
    }
    for name, value in found.items():
        print(f"{name:28s} {float(value.detach()):10.5f} nats per row")
    return {name: float(value.detach()) for name, value in found.items()}


if __name__ == "__main__":
    main()
