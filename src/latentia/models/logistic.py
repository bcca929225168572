"""Logistic principal components: a linear decoder of logits."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

from ..abilities import Statistics
from ..batch import Batch
from ..conditional import Conditional
from ..errors import ParameterError
from ..families import Bernoulli, CrossEntropy
from ..scaling import Scaling
from .decoder import AxesDecoder
from .gaussian import check_sizes, row_weights, sign_fixed

STRETCH = 1.7  # of the bound's step: below 2 it does not fall either, and it arrives sooner
TOLERANCE = 1e-6  # largest step of a code, relative to the codes, at which its search ends


@final
class LogisticPCA(AxesDecoder):
    """log p(x|z) = sum_j x_j l_j - softplus(l_j), l = loc + axes z, less ridge/2 (|z|^2 + |axes|^2 + |loc|^2)
    for each row.

    The axes are moved by a quadratic bound: softplus(l') <= softplus(l) + sigmoid(l) (l' - l) + w (l' - l)^2 / 2 with
    w = tanh(l/2) / (2 l), which touches at l' = l; its maximum is a linear system of size k + 1 for each column, and no
    pass falls. Codes take Newton's steps, shortened where they would fall. Without a ridge, rows that a plane
    separates would have codes at infinity.

    Arguments:
        n_features: D, columns of x.
        n_latent: k, size of z.
        likelihood: "bernoulli" for zeros and ones, "cross-entropy" for values in [0, 1].
        scaling: from the model's units to the user's.
        ridge: nats per row and squared unit.
        n_steps: of the search for a row's best code, at most.

    Sources: Schein, Saul and Ungar, "A generalized linear model for principal component analysis of binary data", 2003;
    Jaakkola and Jordan, "Bayesian parameter estimation via variational methods", 2000, for the bound.

    >>> LogisticPCA(5, 2).best_point(torch.zeros(3, 5)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        n_features: int,
        n_latent: int,
        *,
        likelihood: str = "bernoulli",
        scaling: Scaling | None = None,
        ridge: float = 1e-5,
        n_steps: int = 50,
    ) -> None:
        families = {"bernoulli": Bernoulli, "cross-entropy": CrossEntropy}
        if likelihood not in families:
            raise ParameterError(
                f"likelihood={likelihood!r} has no logits. Use 'bernoulli' (zeros and ones) or 'cross-entropy' (values in [0, 1])."
            )
        if not 0 < ridge < float("inf"):
            raise ParameterError(f"ridge={ridge} cannot be used. Use a small positive number, such as 1e-5.")
        check_sizes(n_features=n_features, n_latent=n_latent, n_steps=n_steps)
        family = families[likelihood]((n_features,))
        super().__init__(Conditional(nn.Linear(n_latent, n_features), family, (n_latent,)), scaling)
        self.ridge, self.n_steps = float(ridge), int(n_steps)

    def penalty(self, z: Tensor) -> Tensor:
        """ridge/2 (|z|^2 + |axes|^2 + |loc|^2) of each code `(batch, k)`, nats, `(batch,)`."""
        return 0.5 * self.ridge * (z.square().sum(1) + self.axes.square().sum() + self.loc.square().sum())

    @torch.no_grad()
    def best_point(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """argmax_z log p(x|z) - ridge/2 |z|^2 of each row, `(batch, k)`; missing cells do not count."""
        x = self.standardise(x).to(self.loc.dtype)
        best = x.new_zeros(len(x), self.axes.shape[1])
        height = x.new_full((len(x),), -torch.inf)
        moving, z, share = torch.arange(len(x), device=x.device), best.clone(), torch.ones_like(height)
        for _ in range(self.n_steps):
            here = None if observed is None else observed[moving]
            logits = self.loc + z @ self.axes.T
            value = _value(x[moving], logits, here) - 0.5 * self.ridge * z.square().sum(1)
            rose = value >= height[moving]
            best[moving[rose]], height[moving[rose]] = z[rose], value[rose]
            share = torch.where(rose, (4 * share).clamp_max(1.0), share / 4)  # of Newton's step, which may go too far
            z = best[moving]
            logits = logits if bool(rose.all()) else self.loc + z @ self.axes.T
            step = share.unsqueeze(1) * self._code_step(x[moving], z, logits, here)
            far = step.abs().amax(1) > TOLERANCE * share * (1 + z.abs().amax(1))
            moving, z, share = moving[far], (z + step)[far], share[far]
            if not len(moving):
                break
        return best

    def _code_step(self, x: Tensor, z: Tensor, logits: Tensor, observed: Tensor | None) -> Tensor:
        axes = self.axes
        slope, curvature, _ = _touch(x, logits, observed)
        k = axes.shape[1]
        squares = (axes.unsqueeze(2) * axes.unsqueeze(1)).flatten(1)  # (D, k k)
        system = (curvature @ squares).unflatten(1, (k, k)) + self.ridge * torch.eye(k, dtype=z.dtype, device=z.device)
        return torch.linalg.solve(system, slope @ axes - self.ridge * z)

    @torch.no_grad()
    def expect(self, batch: Batch) -> tuple[Statistics, Tensor]:
        """What the update of the axes needs from some rows at their best codes, and log p(x|z) of each, `(batch,)`.

        With y = (z, 1): "system", sum of w y y^T of each column, `(D, k+1, k+1)`; "slope", sum of (x - sigmoid(l)) y,
        `(D, k+1)`; "codes", sum of y y^T, `(k+1, k+1)`; all weighted by the rows.
        """
        z = self.best_point(batch.x, batch.observed)
        x, rows = self.standardise(batch.x).to(z.dtype), row_weights(batch).to(z.dtype)
        slope, _, width = _touch(x, self.loc + z @ self.axes.T, batch.observed)
        y = pad(z, (0, 1), value=1.0)
        squares = (y.unsqueeze(2) * y.unsqueeze(1)).flatten(1) * rows.unsqueeze(1)
        n = y.shape[1]
        statistics = {
            "system": (width.T @ squares).unflatten(1, (n, n)).double(),
            "slope": ((slope * rows.unsqueeze(1)).T @ y).double(),
            "codes": squares.sum(0).unflatten(0, (n, n)).double(),
        }
        return statistics, self.log_likelihood(batch.x, z.unsqueeze(0), batch.observed).squeeze(0).double()

    @torch.no_grad()
    def update(self, statistics: Statistics) -> None:
        """Move loc and axes to the maximum of the quadratic bound, given the statistics of a whole pass."""
        n = statistics["codes"].shape[0]
        total = statistics["codes"][-1, -1]
        penalty = self.ridge * total * torch.eye(n, dtype=torch.float64, device=self.loc.device)  # of loc too: a column
        # that is always 0 has its logit at infinity
        now = torch.cat([self.axes, self.loc.unsqueeze(1)], 1).double()
        step = torch.linalg.solve(statistics["system"] + penalty, statistics["slope"] - now @ penalty)
        moved = now + STRETCH * step
        self.axes.copy_(moved[:, :-1])
        self.loc.copy_(moved[:, -1])

    @torch.no_grad()
    def orient(self) -> None:
        """Turn z, which changes nothing else, so that the axes are orthogonal, the longest first."""
        u, s, _ = torch.linalg.svd(self.axes.double(), full_matrices=False)
        turned = sign_fixed(u) * s
        self.axes.copy_(pad(turned, (0, self.axes.shape[1] - turned.shape[1])))


def _value(x: Tensor, logits: Tensor, observed: Tensor | None) -> Tensor:
    cell = x * logits - softplus(logits)
    return (cell if observed is None else cell.where(observed, cell.new_zeros(()))).sum(1)


def _touch(x: Tensor, logits: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Slope x - sigmoid(l), curvature p (1 - p), and width tanh(l/2) / (2 l) of the bound; zero where x is missing."""
    p = torch.sigmoid(logits)
    curvature, width = p * (1 - p), torch.where(logits.abs() < 1e-3, 0.25, (p - 0.5) / logits)
    if observed is None:
        return x - p, curvature, width
    here = observed.to(p.dtype)
    return x.where(observed, p) - p, curvature * here, width * here
