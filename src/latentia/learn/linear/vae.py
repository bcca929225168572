"""Probabilistic PCA learnt as a VAE: a linear encoder with one scale for each unit, by gradient."""

from math import cos, log, pi
from typing import Any, final

import torch
from torch import Tensor, nn

from ...batch import Batches
from ...bounds import Elbo
from ...errors import AbilityError, choose
from ...models import ProbabilisticPCA
from ..base import Info, State
from ..optimisers import make_optimizer
from .full_batch import SPREAD, STARTS, FullBatch, check_columns


@final
class LinearVAE(FullBatch):
    """Probabilistic PCA with q(z|x) = N(V (x - mean), diag(s^2)), by Adam on the exact ELBO of all rows.

        ELBO = -D/2 log(2 pi sigma^2) - E|x - W z|^2 / (2 sigma^2) - KL,
        E|x - W z|^2 = tr C - 2 tr(V C W) + tr(W^T W (V C V^T + diag(s^2))),
        KL = (sum s^2 + tr(V C V^T) - 2 sum log s - k) / 2.

    A diagonal q makes the optimum's axes orthogonal: the principal axes, in some order. The ELBO is tight there.

    Arguments:
        posterior: `posteriors.Amortized` with a linear network to a Normal whose scale the network outputs.
        learning_rate: of Adam; it falls to zero by half a cosine.
        n_steps: gradient steps in all.
        n_inner: gradient steps in a step of the loop.
        start: "random" weights, or "current": those that the model and the posterior have.

    Raises: `AbilityError` for a model that is no `models.ProbabilisticPCA`, or of too many columns for a covariance;
    `NonFiniteError` where the steps diverge.

    Source: Lucas, Tucker, Grosse and Norouzi, "Don't blame the ELBO! A linear VAE perspective on posterior collapse", 2019.
    """

    def __init__(
        self,
        posterior: nn.Module,
        *,
        learning_rate: float | None = None,
        n_steps: int = 2000,
        n_inner: int = 100,
        start: str = "random",
    ) -> None:
        self.posterior, self.bound = posterior, Elbo()
        self.learning_rate, self.n_steps = 0.01 if learning_rate is None else learning_rate, int(n_steps)
        self.n_inner, self.start = int(n_inner), choose("start", start, STARTS)

    @property
    def rate(self) -> float:  # type: ignore[override]
        """The learning rate in use."""
        return self.learning_rate

    def check(self, model: Any) -> None:
        if not isinstance(model, ProbabilisticPCA):
            raise AbilityError(
                f"LinearVAE learns models.ProbabilisticPCA; this is {type(model).__name__}. Use AmortizedVI."
            )
        check_columns(model.event_shape[0])

    @torch.no_grad()
    def _draw(self, model: ProbabilisticPCA, covariance: Tensor) -> None:
        network = self.posterior.encoder.network
        spread = covariance.trace() / len(covariance)
        model.loading.normal_(0.0, SPREAD).mul_(spread.sqrt())
        model.log_scale.fill_(0.5 * torch.log(spread))
        network.weight.normal_(0.0, SPREAD).div_(spread.sqrt())
        network.weight[model.loading.shape[1] :] = 0.0
        network.bias.zero_()

    @torch.no_grad()
    def _place(self, model: ProbabilisticPCA, mean: Tensor, covariance: Tensor) -> None:
        model.variance_floor.copy_(model.floor * (covariance.trace() / len(mean)))
        model.loc.copy_(mean)
        self._centre(mean)

    def _centre(self, mean: Tensor) -> None:
        network = self.posterior.encoder.network
        k = len(network.bias) // 2
        network.bias[:k] = -(network.weight[:k] @ mean)

    def _moved(self, model: ProbabilisticPCA) -> list[nn.Parameter]:
        network = self.posterior.encoder.network
        return [network.weight, network.bias, model.loading, model.log_scale]  # type: ignore[list-item]

    def _optimizer(self, moved: list[nn.Parameter]) -> torch.optim.Optimizer:
        return make_optimizer("adam", moved, self.learning_rate)

    def _loss(self, model: ProbabilisticPCA, covariance: Tensor, state: State, draw: torch.Generator) -> Tensor:
        value, _ = self._parts(model, covariance)
        return -value

    def _turn(self, model: ProbabilisticPCA, covariance: Tensor, state: State) -> None:
        """Scales do not depend on x; the rate falls."""
        network, optimizer = self.posterior.encoder.network, state.handles["optimizer"]
        k = len(network.bias) // 2
        network.weight.grad[k:] = 0.0
        network.bias.grad[:k] = 0.0
        done = state.handles["done"] = state.handles.get("done", state.step * self.n_inner) + 1
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate * (1 + cos(pi * min(1.0, done / max(1, self.n_steps)))) / 2

    def _parts(self, model: ProbabilisticPCA, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """The mean ELBO and the mean KL, in the model's units."""
        network, w = self.posterior.encoder.network, model.loading
        n, k = w.shape
        v, raw = network.weight[:k], network.bias[k:]
        scale = self.posterior.encoder.family(torch.stack([torch.zeros_like(raw), raw])).scale
        square = scale.square()
        zx = v @ covariance
        zz = zx @ v.T
        error = covariance.trace() - 2 * (zx * w.T).sum() + ((w.T @ w) * (zz + torch.diag(square))).sum()
        noise = model.scale[0]
        kl = (square.sum() + zz.trace() - 2 * scale.log().sum() - k) / 2
        return -n / 2 * log(2 * pi) - n * noise.log() - error / (2 * noise.square()) - kl, kl

    def _info(self, model: ProbabilisticPCA, state: State, batches: Batches) -> Info:
        self._centre(state.handles["mean"])
        value, kl = (t.reshape(1) for t in self._parts(model, state.handles["covariance"]))
        value = value + model.scaling.log_jacobian(model.event_shape[0]).to(value.device)
        weight = torch.ones_like(value)
        return Info(value, {"reconstruction": value + kl, "kl": kl}, weight, None, batches.n_rows)
