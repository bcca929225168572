"""Faults in bounds: what is under the logarithm, and what is summed.

Many are shown on one problem: z ~ N(0, 1), x | z ~ N(z, 1), x = 1.3, q = N(x/2 + 0.4, 0.9) with variance 0.9, where
log p(x) = -1.688.
"""

from math import log, pi
from typing import Any

import torch
from case import Answer, case
from torch import Tensor
from torch.distributions import Independent, Normal

from latentia import evidence
from latentia.batch import Batch
from latentia.bounds import Elbo, ImportanceWeighted
from latentia.bounds.evaluate import evaluating
from latentia.conditional import Conditional
from latentia.distributions import kl
from latentia.families import Bernoulli, Categorical
from latentia.families import Normal as NormalFamily
from latentia.models import LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.posteriors import Defensive, Posterior
from latentia.randomness import Stream

X, LOG_P = 1.3, -0.5 * log(2 * pi * 2) - 1.3**2 / 4
ROWS, K = 20_000, 50


class Fixed(Posterior):
    """N(loc, variance) for every row."""

    def __init__(self, loc: float = X / 2 + 0.4, variance: float = 0.9) -> None:
        super().__init__()
        self.loc, self.scale = loc, variance**0.5

    def forward(self, batch: Batch, model: Any) -> Independent:
        mean = torch.full((len(batch), 1), self.loc, dtype=batch.x.dtype)
        return Independent(Normal(mean, torch.full_like(mean, self.scale)), 1)


class Unit(LatentVariableModel):
    """x = z + noise, both standard normal."""

    def __init__(self) -> None:
        super().__init__(StandardNormal(1), Conditional(torch.nn.Identity(), NormalFamily((1,), scale=1.0), (1,)))


def rows(n: int = ROWS) -> Batch:
    """The row of the problem, n times."""
    return Batch(torch.full((n, 1), X, dtype=torch.float64), torch.arange(n))


def log_weights(n: int = ROWS, k: int = K, seed: int = 1) -> Tensor:
    """log p(x, z) - log q(z|x), `(k, n)`, written out."""
    generator = torch.Generator().manual_seed(seed)
    loc, sd = X / 2 + 0.4, 0.9**0.5
    e = torch.randn(k, n, generator=generator, dtype=torch.float64)
    z = loc + sd * e
    log_joint = -log(2 * pi) - (z**2 + (X - z) ** 2) / 2
    return log_joint + log(sd) + 0.5 * log(2 * pi) + e**2 / 2


def iw(w: Tensor) -> Tensor:
    """log of the mean weight."""
    return torch.logsumexp(w, 0) - log(len(w))


def ours_iw(k: int) -> float:
    """Mean of latentia's importance-weighted bound over many rows, each with draws of its own."""
    model = Unit().double()
    with Stream(0), evaluating(model):
        return float(ImportanceWeighted(k)(model, Fixed(), rows()).value.mean())


@case("The importance-weighted bound reported as the sum of normalised weights times log-weights", "IW-50, nats")
def value_of_the_bound() -> Answer:
    w = log_weights()
    faulty = (torch.softmax(w, 0) * w).sum(0).mean()
    return Answer(float(iw(w).mean()), ours_iw(K), float(faulty), 0.005)


@case("Inverted importance weights: q / p for p / q", "IW-50, nats")
def inverted() -> Answer:
    w = log_weights()
    return Answer(float(iw(w).mean()), ours_iw(K), float(iw(-w).mean()), 0.005)


@case(
    "k samples averaged outside the logarithm: the plain ELBO under the name of IW-k (multiply weighted with M = 1)",
    "IW-50, nats",
)
def outside() -> Answer:
    w = log_weights()
    return Answer(float(iw(w).mean()), ours_iw(K), float(w.mean()), 0.005)


@case("Mini-batch scale inside the log-sum-exp, here a tenth of the rows", "IW-50, nats per row")
def scaled_inside() -> Answer:
    w = log_weights()
    tenth = evidence.importance(Unit().double(), Fixed(), _spread_rows(ROWS // 10), n_samples=K)
    faulty = iw(10 * w).mean() / 10
    return Answer(float(iw(w).mean()), tenth.mean, float(faulty), 0.01)


def _spread_rows(n: int) -> Tensor:
    """The row of the problem, told apart in the ninth digit: noise belongs to a row's content."""
    return X + 1e-9 * torch.arange(n, dtype=torch.float64)[:, None] / n


@case("Samples that the chunk does not divide: chunks averaged after the logarithm", "log p(x) by 1,000 samples, nats")
def chunks() -> Answer:
    model, x = Unit().double(), _spread_rows(400)
    w = log_weights(400, 1000)
    found = evidence.importance(model, Fixed(), x, n_samples=1000)
    parts = torch.stack([iw(part) for part in w.split(3)])
    return Answer(LOG_P, found.mean, float(parts.mean()), 0.005)


@case("Mean of unequal batches: the short last batch counts as a whole one", "mean log p(x), nats")
def unequal() -> Answer:
    model = Unit().double()
    x = torch.tensor([0.0, 0.1, 0.2, 0.3, 9.0], dtype=torch.float64)[:, None]
    each = -0.5 * log(4 * pi) - x[:, 0] ** 2 / 4
    found = evidence.importance(model, Exactly(), x, n_samples=4, chunk=2)
    faulty = torch.stack([part.mean() for part in each.split(2)]).mean()
    return Answer(float(each.mean()), found.mean, float(faulty))


class Exactly(Posterior):
    """N(x/2, 1/2): the posterior of the problem."""

    def forward(self, batch: Batch, model: Any) -> Independent:
        mean = batch.x / 2
        return Independent(Normal(mean, torch.full_like(mean, 0.5**0.5)), 1)


@case("Constants dropped in the likelihood and kept in the KL", "ELBO at the exact posterior, nats")
def constants() -> Answer:
    w = Elbo(64)
    model = Unit().double()
    with Stream(0), evaluating(model):
        ours = float(w(model, Exactly(), rows(4000)).value.mean())
    return Answer(LOG_P, ours, LOG_P + 0.5 * log(2 * pi), 0.01)


def _gaussian(d: int = 6) -> tuple[ProbabilisticPCA, Tensor]:
    model = ProbabilisticPCA(d, 2).double()
    with Stream(3), torch.no_grad():
        model.loading.copy_(torch.randn(d, 2))
        return model, model.sample(7)


def _parts() -> tuple[ProbabilisticPCA, Tensor, Tensor, Tensor]:
    """A model, rows, log p(x|z) cell by cell at the posterior mean `(rows, cells)`, and the KL of each row."""
    model, x = _gaussian()
    q = model.posterior(x)
    cells = model.likelihood(q.mean.unsqueeze(0)).log_prob(x).squeeze(0)
    return model, x, cells.detach(), kl(q, model.prior()).detach()


class AtTheMean(Posterior):
    """The exact posterior's mean and a spread that is nearly nothing: the reconstruction is that of the mean."""

    def forward(self, batch: Batch, model: Any) -> Independent:
        q = model.posterior(batch.x)
        return Independent(Normal(q.mean, torch.full_like(q.mean, 1e-6)), 1)


def _elbo_at_the_mean() -> tuple[float, Tensor, Tensor]:
    model, x, cells, _ = _parts()
    q = model.posterior(x)
    divergence = 0.5 * (q.mean.square() + 1e-12 - 1).sum(1).detach() - 2 * log(1e-6)
    found = evidence.elbo(model, AtTheMean(), x, n_samples=4)
    return found.mean, cells, divergence


@case("Element-averaged reconstruction beside a summed KL", "ELBO, nats per row")
def element_averaged() -> Answer:
    ours, cells, divergence = _elbo_at_the_mean()
    known, faulty = (cells.sum(1) - divergence).mean(), (cells.mean(1) - divergence).mean()
    return Answer(float(known), ours, float(faulty), 1e-4)


@case("KL summed over the batch beside a mean reconstruction", "ELBO, nats per row")
def kl_summed() -> Answer:
    ours, cells, divergence = _elbo_at_the_mean()
    known, faulty = (cells.sum(1) - divergence).mean(), cells.sum(1).mean() - divergence.sum()
    return Answer(float(known), ours, float(faulty), 1e-4)


@case("An event axis left unsummed, hidden by broadcasting and a mean", "ELBO, nats per row")
def unsummed() -> Answer:
    ours, cells, divergence = _elbo_at_the_mean()
    known = (cells.sum(1) - divergence).mean()
    return Answer(float(known), ours, float((cells - divergence[:, None]).mean()), 1e-4)


@case("A KL clamped at zero, whose gradient is gone where it is small", "slope of the drawn KL by the mean")
def clamped() -> Answer:
    def slope(clamp: bool) -> float:
        loc = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
        scale = torch.ones(1, 1, dtype=torch.float64)
        q, p = Independent(Normal(loc, scale), 1), Independent(Normal(0 * scale[0], scale[0]), 1)
        with Stream(0):
            z = q.rsample(torch.Size((100_000,)))
        drawn = q.log_prob(z) - p.log_prob(z)
        (drawn.clamp_min(0) if clamp else drawn).mean().backward()
        assert loc.grad is not None
        return float(loc.grad)

    model = Unit().double()
    loc = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)

    class Moved(Posterior):
        def forward(self, batch: Batch, model: Any) -> Independent:
            return Independent(Normal(loc.expand(len(batch), 1), torch.ones(len(batch), 1, dtype=torch.float64)), 1)

    with Stream(0):
        part = Elbo(kl="monte-carlo")(model, Moved(), rows(100_000)).parts["kl"].mean()
    (ours,) = torch.autograd.grad(part, loc)
    return Answer(0.3, float(ours), slope(clamp=True), 0.02)


@case("A sign that flips between negative log-likelihood and log-likelihood", "score, nats per row, higher is better")
def sign() -> Answer:
    model, x = _gaussian()
    cov = (model.loading @ model.loading.T + model.scale.square() * torch.eye(6)).detach()
    known = float(torch.distributions.MultivariateNormal(model.loc.detach(), cov).log_prob(x).mean())
    return Answer(known, evidence.exact(model, x).mean, -known)


@case("Cross-entropy of independent sigmoids on the outputs of a log-softmax", "log p(x = 2), nats")
def sigmoids() -> Answer:
    raw = torch.tensor([0.3, -1.0, 2.0, 0.5])
    known = float(raw[2] - torch.logsumexp(raw, 0))
    ours = Categorical((1,), 4)(raw[:, None]).log_prob(torch.tensor([2]))
    target = torch.tensor([0.0, 0.0, 1.0, 0.0])
    faulty = -torch.nn.functional.binary_cross_entropy_with_logits(torch.log_softmax(raw, 0), target, reduction="sum")
    return Answer(known, float(ours), float(faulty), 1e-6)


@case("A mixture proposal whose samples all come from one component", "log p(x) by 1,000 samples, nats")
def one_component() -> Answer:
    """q = N(x/2 - 2, 0.05) alone sees a corner; half of it, half the prior, sees everything."""
    model, corner = Unit().double(), Fixed(X / 2 - 2, 0.05)
    found = evidence.importance(model, Defensive(corner, 0.5), _spread_rows(200), n_samples=1000)
    generator = torch.Generator().manual_seed(0)
    component = torch.rand(1, 200, generator=generator) < 0.5  # once for all samples of a row
    e = torch.randn(1000, 200, generator=generator, dtype=torch.float64)
    z = torch.where(component, X / 2 - 2 + 0.05**0.5 * e, e)
    q = Normal(X / 2 - 2, 0.05**0.5).log_prob(z), Normal(0.0, 1.0).log_prob(z)
    w = -log(2 * pi) - (z**2 + (X - z) ** 2) / 2 - torch.logaddexp(*q) + log(2)
    return Answer(LOG_P, found.mean, float(iw(w).mean()), 0.02)


@case("Grey pixels under a Bernoulli: its mass over [0, 1] is not one", "mass of a likelihood of grey levels")
def grey() -> Answer:
    from latentia.families import ContinuousBernoulli

    x = torch.linspace(0, 1, 20_001, dtype=torch.float64)[:, None]
    raw = torch.tensor([[1.5]], dtype=torch.float64)
    mass = lambda family: float(torch.trapezoid(family((1,))(raw).log_prob(x).exp(), x, dim=0))  # noqa: E731
    bernoulli = torch.distributions.Bernoulli(logits=raw[0], validate_args=False).log_prob(x).exp()
    assert Bernoulli((1,)).is_density
    return Answer(1.0, mass(ContinuousBernoulli), float(torch.trapezoid(bernoulli, x, dim=0)), 1e-6)
