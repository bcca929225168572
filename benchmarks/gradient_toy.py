"""The toy E_b[(b - p0)^2], b a coin: exact variances of gradient estimators, beside what the library's draws give.

With l the logit, p = sigmoid(l) and f(b) = (b - p0)^2 the gradient is p (1 - p) (1 - 2 p0). Every estimator is a function
of one or two coins or of one uniform number, so that its variance is a sum or an integral.
"""

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent

from latentia.batch import Batch
from latentia.bounds import Elbo

P0 = (0.49, 0.499, 0.501, 0.51)
NAMES = ("score", "leave-one-out", "arm", "disarm")


def exact_variance(name: str, p: float, p0: float) -> float:
    """Of one estimate from two draws (score: their mean), by enumeration or a fine sum over u."""
    high, low = (1 - p0) ** 2, p0**2
    mean = p * (1 - p) * (high - low)
    if name == "score":
        return ((p * (high * (1 - p)) ** 2 + (1 - p) * (low * p) ** 2) - mean**2) / 2
    if name == "leave-one-out":
        return 2 * p * (1 - p) * ((high - low) / 2) ** 2 - mean**2  # two coins that differ, else zero
    apart = 2 * min(p, 1 - p)  # how often b and b' differ
    if name == "disarm":
        return apart * ((high - low) * max(p, 1 - p) / 2) ** 2 - mean**2
    u = torch.linspace(0, 1, 2_000_001, dtype=torch.float64)
    differ = ((u > 1 - p).double() - (u < p).double()) * (high - low) * (u - 0.5)
    return float(torch.trapezoid(differ.square(), u)) - mean**2


class Toy:
    """log p(x|z) = (z - p0)^2; the prior is q itself, whose KL has no gradient."""

    event_shape = (1,)

    def __init__(self, p0: float, logits: Tensor) -> None:
        self.p0, self.logits = p0, logits

    def prior(self) -> Independent:
        return Independent(Bernoulli(logits=self.logits), 1)

    def log_likelihood(self, x: Tensor, z: Tensor, observed: None = None) -> Tensor:
        return (z - self.p0).square().sum(-1)


def measured_variance(name: str, p: float, p0: float, draws: int = 400_000) -> float:
    """Of the library's estimates; the KL's gradient is zero where q and the prior are the same."""
    torch.manual_seed(1)
    logit = torch.logit(torch.tensor(p, dtype=torch.float64))
    logits = logit.expand(draws, 1).clone().requires_grad_()
    q = Independent(Bernoulli(logits=logits), 1)
    batch = Batch(torch.zeros(draws, 1), torch.arange(draws))
    Elbo(2, gradient=name)(Toy(p0, logit.reshape(1)), lambda *_: q, batch).surrogate.sum().backward()
    assert logits.grad is not None
    return float(logits.grad.var())


def toy_variances() -> list[str]:
    """The table, at p = 1/2."""
    lines = [
        "## The toy E_b[(b - p0)^2] at p = 1/2: variance of the gradient by the logit, two draws",
        "",
        "Exact (by enumeration, or an integral over u), and in brackets what 400,000 draws of the library's gave.",
        "",
        "| p0 | gradient | " + " | ".join(NAMES) + " |",
        "|---" * (len(NAMES) + 2) + "|",
    ]
    for p0 in P0:
        cells = [f"{exact_variance(n, 0.5, p0):.4g} ({measured_variance(n, 0.5, p0):.4g})" for n in NAMES]
        lines.append(f"| {p0:g} | {0.25 * (1 - 2 * p0):.4g} | " + " | ".join(cells) + " |")
    return [*lines, ""]
