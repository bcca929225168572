"""Models whose log p(x) is known by another and dumber way: sums over all states, grids, recursions over time.

Each problem has a model, a proposal, rows drawn from the model, and the truth of each row.
"""

from collections.abc import Callable
from math import log, pi
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, MultivariateNormal, Normal

from latentia.batch import Batch
from latentia.conditional import Conditional
from latentia.families import Bernoulli as BernoulliFamily
from latentia.families import Normal as NormalFamily
from latentia.models import LatentVariableModel, ProbabilisticPCA, StandardNormal
from latentia.models.base import Model
from latentia.posteriors import Posterior

D = torch.float64


class Problem(NamedTuple):
    """A model, a proposal, rows, their log p(x), and their ELBO under the proposal (None where nobody knows it)."""

    model: Any
    posterior: Any
    x: Tensor
    truth: np.ndarray
    elbo: np.ndarray | None = None


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Given(Posterior):
    """A proposal that a function makes from the rows."""

    def __init__(self, make: Callable[[Tensor], Distribution]) -> None:
        super().__init__()
        self.make = make

    def forward(self, batch: Batch, model: Any) -> Distribution:
        return self.make(batch.x)


# --- linear-Gaussian -------------------------------------------------------------------------------------------------


def linear_gaussian(seed: int, n_rows: int = 1, size: int = 6, n_latent: int = 2, spread: float = 0.6) -> Problem:
    """Probabilistic PCA: x ~ N(mean, W W' + noise), and the factorised q with the highest ELBO, somewhat off."""
    torch.manual_seed(seed)
    model = ProbabilisticPCA(size, n_latent)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(spread * torch.randn_like(parameter))
    x = model.sample(n_rows)
    from scipy.stats import multivariate_normal

    mean: Any = model.mean().detach().numpy()
    covariance: Any = model.covariance().detach().numpy()
    truth = np.atleast_1d(multivariate_normal(mean, covariance).logpdf(x.numpy()))
    shift, widen = 0.3 * torch.rand((), dtype=D), 1.0 + 0.3 * torch.rand((), dtype=D)

    def make(x: Tensor) -> Distribution:
        q = model.posterior(x)
        best = torch.linalg.inv(q.covariance_matrix).diagonal(dim1=-2, dim2=-1).rsqrt()
        return Independent(Normal((q.mean + shift * best).detach(), (widen * best).detach()), 1)

    q = make(x)
    p = model.posterior(x)
    wide = MultivariateNormal(q.mean, scale_tril=torch.diag_embed(q.stddev))
    elbo = truth - torch.distributions.kl_divergence(wide, p).detach().numpy()
    return Problem(model, Given(make), x, truth, elbo)


# --- a mixture -------------------------------------------------------------------------------------------------------


class NormalMixtureModel(Model):
    """z in 0 .. K - 1, x | z ~ N(mean_z, scale_z^2)."""

    latent_shape = ()

    def __init__(self, weight: Tensor, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.weight, self.mean, self.scale = weight, nn.Parameter(mean), scale
        self.event_shape = mean.shape[1:]

    def prior(self) -> Categorical:
        return Categorical(probs=self.weight)

    def likelihood(self, z: Tensor) -> Distribution:
        return Normal(self.mean[z], self.scale[z].unsqueeze(-1))


def mixture(seed: int, n_rows: int = 1, k: int = 5) -> Problem:
    """A Gaussian mixture against SciPy's densities, and a categorical q tilted away from the exact one."""
    g = seeded(seed)
    weight = torch.softmax(torch.randn(k, generator=g, dtype=D), 0)
    mean, scale = 2 * torch.randn(k, 2, generator=g, dtype=D), 0.5 + torch.rand(k, generator=g, dtype=D)
    model = NormalMixtureModel(weight, mean, scale)
    z = torch.multinomial(weight, n_rows, replacement=True, generator=g)
    x = mean[z] + scale[z].unsqueeze(-1) * torch.randn(n_rows, 2, generator=g, dtype=D)
    from scipy.stats import norm

    each = norm.logpdf(x.numpy()[:, None], mean.numpy(), scale.numpy()[:, None]).sum(-1) + weight.log().numpy()
    truth = np.logaddexp.reduce(each, axis=1)
    tilt = torch.randn(k, generator=g, dtype=D)

    def make(x: Tensor) -> Distribution:
        by_hand = Normal(mean, scale.unsqueeze(-1)).log_prob(x.unsqueeze(1)).sum(-1) + weight.log()
        return Categorical(logits=0.7 * by_hand + 0.7 * tilt)

    q: Any = make(x)
    log_q = q.logits.numpy()
    elbo = (np.exp(log_q) * (each - log_q)).sum(1)
    return Problem(model, Given(make), x, truth, elbo)


# --- binary latents --------------------------------------------------------------------------------------------------


class BinaryModel(Model):
    """n coins z, x_j a coin whose logit is a network of z."""

    def __init__(self, prior: Tensor, network: nn.Module, size: int) -> None:
        super().__init__()
        self.logits, self.network = prior, network
        self.latent_shape, self.event_shape = prior.shape, (size,)

    def prior(self) -> Distribution:
        return Independent(Bernoulli(logits=self.logits), 1)

    def likelihood(self, z: Tensor) -> Distribution:
        return Bernoulli(logits=self.network(z))


def binary(seed: int, n_rows: int = 1, n_latent: int = 12, size: int = 8) -> Problem:
    """2^n states, all summed; q has the exact marginals of each coin, flattened a little."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(n_latent, 10), nn.Tanh(), nn.Linear(10, size)).double()
    model = BinaryModel(torch.randn(n_latent, dtype=D), network.requires_grad_(False), size)
    x = model.sample(n_rows)
    states = torch.tensor(np.indices((2,) * n_latent).reshape(n_latent, -1).T, dtype=D)  # (2^n, n)
    log_prior = -(torch.nn.functional.softplus(model.logits * (1 - 2 * states))).sum(1)
    sign = 1 - 2 * x.unsqueeze(1)  # (rows, 1, size)
    log_joint = log_prior - torch.nn.functional.softplus(network(states) * sign).sum(-1)  # (rows, 2^n)
    truth = torch.logsumexp(log_joint, 1).numpy()

    def make(rows: Tensor) -> Distribution:
        where = (rows.unsqueeze(1) == x.unsqueeze(0)).all(-1).double().argmax(1)  # which of the rows it is
        marginal = torch.softmax(log_joint[where], 1) @ states
        return Independent(Bernoulli(probs=0.02 + 0.96 * marginal), 1)

    q = make(x).base_dist.probs  # type: ignore[attr-defined]
    log_q = (states * q.unsqueeze(1).log() + (1 - states) * (1 - q).unsqueeze(1).log()).sum(-1)
    elbo = (log_q.exp() * (log_joint - log_q)).sum(1).numpy()
    return Problem(model, Given(make), x, truth, elbo)


# --- a network decoder, by quadrature --------------------------------------------------------------------------------


class Curve(nn.Module):
    """sin and its like of z: a decoder that is not linear, with posteriors that are not normal."""

    def __init__(self, weight: Tensor, bias: Tensor, out: Tensor) -> None:
        super().__init__()
        self.weight, self.bias, self.out = nn.Parameter(weight), nn.Parameter(bias), nn.Parameter(out)

    def forward(self, z: Tensor) -> Tensor:
        return torch.sin(z @ self.weight + self.bias) @ self.out + 0.3 * (z @ self.weight) @ self.out


def curved(
    seed: int, n_latent: int, n_rows: int = 1, size: int = 4, noise: float = 0.5, kind: str = "normal"
) -> Problem:
    """One or two latents through sines: a grid of z; q is normal with the exact mean and 1.2 times the spread."""
    g = seeded(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=D)  # noqa: E731
    network = Curve(draw(n_latent, 6), draw(6), 0.7 * draw(6, size))
    family = NormalFamily((size,), scale=noise) if kind == "normal" else BernoulliFamily((size,))
    model = LatentVariableModel(StandardNormal(n_latent), Conditional(network, family, (n_latent,))).double()
    z = draw(n_rows, n_latent)
    mean = network(z).detach()
    x = mean + noise * draw(n_rows, size)
    if kind != "normal":
        x = (torch.rand(n_rows, size, generator=g, dtype=D) < torch.sigmoid(mean)).double()
    grid, log_cell = _grid(n_latent)
    log_joint = _log_joint(network, grid, x, noise, kind)  # (rows, points)
    truth = torch.logsumexp(log_joint + log_cell, 1)
    weight = torch.exp(log_joint + log_cell - truth.unsqueeze(1))
    exact_mean = weight @ grid
    sd = (weight @ grid.square() - exact_mean.square()).clamp_min(1e-6).sqrt()

    def make(rows: Tensor) -> Distribution:
        where = (rows.double().unsqueeze(1) == x.unsqueeze(0)).all(-1).double().argmax(1)
        return Independent(Normal(exact_mean[where].to(rows.dtype), (1.2 * sd[where]).to(rows.dtype)), 1)

    log_q = Normal(exact_mean.unsqueeze(1), 1.2 * sd.unsqueeze(1)).log_prob(grid).sum(-1)
    elbo = (torch.exp(log_q + log_cell) * (log_joint - log_q)).sum(1)
    return Problem(model, Given(make), x, truth.numpy(), elbo.numpy())


def _grid(n_latent: int) -> tuple[Tensor, float]:
    """Equal cells over -8 .. 8, `(points, n_latent)`, and the log of a cell's size: spectrally exact for smooth tails."""
    n = 4001 if n_latent == 1 else 401
    axis = torch.linspace(-8, 8, n, dtype=D)
    points = torch.cartesian_prod(*[axis] * n_latent).reshape(-1, n_latent)
    return points, n_latent * log(16 / (n - 1))


def _log_joint(network: nn.Module, grid: Tensor, x: Tensor, noise: float, kind: str) -> Tensor:
    with torch.no_grad():
        out = network(grid)
    log_prior = -0.5 * grid.square().sum(1) - grid.shape[1] / 2 * log(2 * pi)
    if kind != "normal":
        sign = 1 - 2 * x.unsqueeze(1)
        return log_prior - torch.nn.functional.softplus(out * sign).sum(-1)
    squares = ((x.unsqueeze(1) - out) / noise).square().sum(-1)
    return log_prior - 0.5 * squares - x.shape[1] * (log(noise) + 0.5 * log(2 * pi))


# --- long sequences, by recursions over time -------------------------------------------------------------------------


class StateSpace(Model):
    """z_1 ~ N(0, 1), z_t = a z_(t-1) + b e_t, x_t ~ N(c z_t, r^2): one z of T numbers."""

    def __init__(self, length: int, a: float, b: float, c: float, r: float) -> None:
        super().__init__()
        self.a, self.b, self.r = a, b, r
        self.c = nn.Parameter(torch.tensor(c, dtype=D))
        self.latent_shape = self.event_shape = (length,)
        path = torch.eye(length, dtype=D)
        for t in range(1, length):
            path[t] = a * path[t - 1] + b * torch.eye(length, dtype=D)[t]
        self.path = path  # z = path e

    def prior(self) -> Distribution:
        return MultivariateNormal(torch.zeros(self.latent_shape, dtype=D), scale_tril=self.path)

    def likelihood(self, z: Tensor) -> Distribution:
        return Normal(self.c * z, self.r)


def kalman(model: StateSpace, x: np.ndarray) -> float:
    """log p(x_1 .. x_T) by the Kalman filter."""
    a, b, c, r = model.a, model.b, float(model.c.detach()), model.r
    mean, variance, total = 0.0, 1.0, 0.0
    for t, value in enumerate(x):
        if t:
            mean, variance = a * mean, a * a * variance + b * b
        s = c * c * variance + r * r
        total += -0.5 * (log(2 * pi * s) + (value - c * mean) ** 2 / s)
        gain = variance * c / s
        mean, variance = mean + gain * (value - c * mean), (1 - gain * c) * variance
    return total


def state_space(seed: int, n_rows: int = 1, length: int = 40) -> Problem:
    """A Gaussian random walk with noise; q is the exact posterior, 3 % wider."""
    rng = np.random.default_rng(seed)
    a, b, c, r = rng.uniform(0.6, 0.95), rng.uniform(0.3, 0.6), rng.uniform(0.7, 1.3), rng.uniform(0.5, 0.9)
    model = StateSpace(length, a, b, c, r)
    e, noise = (torch.as_tensor(rng.normal(size=(n_rows, length))) for _ in range(2))
    x = c * (e @ model.path.T) + r * noise
    truth = np.array([kalman(model, row) for row in x.numpy()])
    covariance = model.path @ model.path.T
    precision = torch.linalg.inv(covariance) + torch.eye(length, dtype=D) * c**2 / r**2
    exact = torch.linalg.inv(precision)
    wide = torch.linalg.cholesky(1.03**2 * exact)

    def make(rows: Tensor) -> Distribution:
        return MultivariateNormal(rows @ exact * c / r**2, scale_tril=wide.expand(len(rows), -1, -1))

    kl = length * (0.5 * (1.03**2 - 1) - log(1.03))
    return Problem(model, Given(make), x, truth, truth - kl)


class Chain(Distribution):
    """A Markov chain over K states, non-homogeneous: `initial` (batch, K), `step` (batch, T - 1, K, K), logarithms."""

    has_rsample = False
    arg_constraints = {}  # type: ignore[assignment]

    def __init__(self, initial: Tensor, step: Tensor) -> None:
        self.initial, self.step = initial, step
        super().__init__(initial.shape[:-1], torch.Size((step.shape[-3] + 1,)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        z = value.long()
        total = self.initial.expand(*z.shape[:-1], -1).gather(-1, z[..., :1]).squeeze(-1)
        for t in range(1, z.shape[-1]):
            step = self.step[..., t - 1, :, :].expand(*z.shape[:-1], -1, -1)
            here = step.gather(-2, z[..., t - 1, None, None].expand(*z.shape[:-1], 1, step.shape[-1])).squeeze(-2)
            total = total + here.gather(-1, z[..., t, None]).squeeze(-1)
        return total

    def from_uniform(self, u: Tensor) -> Tensor:
        """Paths `(samples, batch, T)` by the inverse cdf of each step."""
        path = [_index(self.initial.exp(), u[..., 0])]
        for t in range(1, u.shape[-1]):
            rows = torch.arange(u.shape[1])
            path.append(_index(self.step[rows, t - 1, path[-1]].exp(), u[..., t]))
        return torch.stack(path, -1)


def _index(probs: Tensor, u: Tensor) -> Tensor:
    return (probs.cumsum(-1)[..., :-1] <= u.unsqueeze(-1)).sum(-1)


class HiddenMarkov(Model):
    """z a path of T states, x_t | z_t ~ N(mean of the state, 1)."""

    def __init__(self, initial: Tensor, step: Tensor, mean: Tensor, length: int) -> None:
        super().__init__()
        self.initial, self.step, self.mean = initial, step, nn.Parameter(mean)
        self.latent_shape = self.event_shape = (length,)

    def prior(self) -> Distribution:
        length = self.latent_shape[0]
        return Chain(self.initial.log(), self.step.log().expand(length - 1, -1, -1))

    def likelihood(self, z: Tensor) -> Distribution:
        return Normal(self.mean[z], 1.0)


def forward_algorithm(initial: np.ndarray, step: np.ndarray, emission: np.ndarray) -> float:
    """log p(x) of a hidden Markov model; `emission` (T, K) are densities."""
    alpha, total = initial * emission[0], 0.0
    for row in emission[1:]:
        total += log(alpha.sum())
        alpha = (alpha / alpha.sum()) @ step * row
    return total + log(alpha.sum())


def hidden_markov(seed: int, n_rows: int = 1, length: int = 50, k: int = 3) -> Problem:
    """A hidden Markov model; q is the exact posterior chain of a model whose observations are less sure."""
    g = seeded(seed)
    initial = torch.softmax(torch.randn(k, generator=g, dtype=D), 0)
    step = torch.softmax(torch.randn(k, k, generator=g, dtype=D) + 2 * torch.eye(k, dtype=D), 1)
    mean = 2 * torch.randn(k, generator=g, dtype=D)
    model = HiddenMarkov(initial, step, mean, length)
    path = Chain(initial.log().expand(n_rows, k), step.log().expand(n_rows, length - 1, k, k)).from_uniform(
        torch.rand(1, n_rows, length, generator=g, dtype=D)
    )[0]
    x = mean[path] + torch.randn(n_rows, length, generator=g, dtype=D)
    emission = Normal(mean.detach(), 1.0).log_prob(x.unsqueeze(-1)).exp().detach()  # (rows, T, K)
    truth = np.array([forward_algorithm(initial.numpy(), step.numpy(), e) for e in emission.numpy()])

    def make(rows: Tensor) -> Distribution:
        tempered = 0.9 * Normal(mean.detach(), 1.0).log_prob(rows.unsqueeze(-1))
        return posterior_chain(initial, step, tempered)

    return Problem(model, Given(make), x, truth)


def posterior_chain(initial: Tensor, step: Tensor, log_emission: Tensor) -> Chain:
    """p(z | x) as a chain, by messages backwards; `log_emission` (batch, T, K)."""
    length = log_emission.shape[1]
    message = torch.zeros_like(log_emission[:, 0])
    steps = []
    for t in range(length - 1, 0, -1):
        joint = step.log() + (log_emission[:, t] + message).unsqueeze(1)  # (batch, from, to)
        message = torch.logsumexp(joint, -1)
        steps.append(joint - message.unsqueeze(-1))
    first = initial.log() + log_emission[:, 0] + message
    return Chain(torch.log_softmax(first, -1), torch.stack(steps[::-1], 1))
