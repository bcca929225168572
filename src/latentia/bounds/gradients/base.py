"""What every gradient estimator is: how z is drawn, and what is differentiated in place of a bound."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...distributions import draw
from ...errors import AbilityError, ParameterError
from ...families import check_gradient, row_of_distribution


@dataclass(frozen=True)
class LogMean:
    """1 / (1 - order) log 1/k sum_i w_i^(1 - order) over the first axis, from log w.

    Arguments:
        order: 0 for the log of the mean; not 1.

    >>> LogMean()(torch.tensor([0.0, 0.0])).item()
    0.0
    """

    order: float = 0.0

    def __call__(self, log_weight: Tensor) -> Tensor:
        power = 1 - self.order
        if power == 1:
            return torch.logsumexp(log_weight, 0) - log(len(log_weight))
        # About the largest w^power, and by expm1: near order 1 the log of the mean is the power times a mean of differences.
        about = (log_weight.amax(0) if power > 0 else log_weight.amin(0)).detach()
        about = torch.where(torch.isfinite(about), about, 0.0)
        return about + torch.log1p(torch.expm1(power * (log_weight - about)).mean(0)) / power


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an estimator is shown.

    Arguments:
        q: q(z|x).
        z: draws of it, `(samples, batch, *latent)`.
        noise: what they were made of, where the estimator needs it again.
        model, batch: whence log p(x, z) came.
        auxiliaries: the estimator's own module, if it has one.
    """

    q: Distribution
    z: Tensor
    noise: Tensor | None
    model: Any
    batch: Batch
    auxiliaries: nn.Module | None


@dataclass(frozen=True)
class Gradient(ABC):
    """How the gradient of E_q[f(z)] by the parameters of q is estimated.

    `average` serves the ELBO, the mean over samples of a number per draw; `combine` serves the bounds of many samples, any
    function of the log weights. Both return `(batch,)`, whose value means nothing and whose gradient is the estimate.
    """

    name: ClassVar[str]
    bounds: ClassVar[tuple[str, ...]] = ("elbo", "importance")
    through_draw: ClassVar[bool] = False  # whether the gradient flows through z
    least: ClassVar[int] = 1  # samples that it needs
    closed_kl: ClassVar[bool] = True  # whether KL(q || p) may stand in closed form beside it

    def check(self, n_samples: int) -> None:
        """Raise `ParameterError` where it cannot work with so many samples."""
        if n_samples < self.least:
            raise ParameterError(
                f"gradient={self.name!r} compares a row's samples with each other and n_samples={n_samples} came. Use "
                "n_samples=2 or more, or gradient='moving-average' or 'nvil'."
            )

    def auxiliaries(self, model: Any) -> nn.Module | None:
        """A new module of what is learnt beside p and q, to be kept by the learner; None where nothing is."""
        return None

    def draw(self, q: Distribution, n_samples: int) -> tuple[Tensor, Tensor | None]:
        """Draws `(n_samples, batch, *latent)`, and the noise that they were made of."""
        return draw(q, n_samples).detach(), None

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        """log q(z), `(samples, batch)`."""
        return q.log_prob(z)

    @abstractmethod
    def average(self, drawn: Drawn, values: Tensor) -> Tensor:
        """For values f(z) `(samples, batch)`: what to differentiate for their mean over samples."""

    @abstractmethod
    def combine(self, drawn: Drawn, log_weight: Tensor, reduce: LogMean) -> Tensor:
        """For log weights `(samples, batch)`: what to differentiate for `reduce(log_weight)`."""

    def refuse(self, q: Distribution) -> None:
        """Raise `AbilityError` where the estimator is not valid for q, as far as the table of families knows q."""
        row = row_of_distribution(q)
        if row is not None:
            check_gradient(row.name, self.name)


def needs_draws(q: Distribution, z: Tensor) -> None:
    """Raise `AbilityError` where a gradient for q is wanted and z carries none."""
    if torch.is_grad_enabled() and not q.has_rsample and q.log_prob(z).requires_grad:
        row = row_of_distribution(q)
        if row is not None:
            check_gradient(row.name, "pathwise")
        raise AbilityError(
            f"{type(q).__name__} cannot be reparameterised, so that no gradient flows through its draws. Use a bound with "
            "gradient='leave-one-out' or 'vimco'; a single Categorical is summed over by bounds.Elbo()."
        )


def over_samples(values: Tensor) -> Tensor:
    """Mean over the first axis; of a single sample the sample itself."""
    return values.squeeze(0) if values.shape[0] == 1 else values.mean(0)


def over_event(values: Tensor, like: Distribution) -> Tensor:
    """Sum over the axes of one z."""
    n_axes = len(like.event_shape)
    return values.flatten(-n_axes).sum(-1) if n_axes else values
