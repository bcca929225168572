"""Linear autoencoders by gradient: the plain loss, and those that find the ordered axes."""

from typing import Any, final

import torch
from torch import Tensor, nn

from ...batch import Batches
from ...bounds import Reconstruction
from ...errors import AbilityError, ParameterError, choose
from ...models import LinearDecoder
from ..base import Info, State
from ..optimisers import make_optimizer
from .full_batch import START, FullBatch, check_columns
from .principal import linear_info

METHODS = ("plain", "uniform-l2", "non-uniform-l2", "nested-dropout", "deterministic-nested-dropout", "rotation")


@final
class LinearGradient(FullBatch):
    """E|x - W V x|^2 of centred rows by gradient, W `(D, k)` the decoder and V `(k, D)` the encoder.

    The plain loss and the uniform penalty find the principal subspace, and any basis of it. The others find the principal
    axes themselves, in their order:

        non-uniform L2      + sum_i l_i (|w_i|^2 + |v_i|^2), l_1 < ... < l_k below the k-th variance
        nested dropout      only the first i units are kept, i uniform on 1 .. k; "deterministic": the mean over i
        rotation            A = (upper - lower triangle of E[z z^T]) / 2 is added: V + rate A V, W + rate W A^T

    Arguments:
        posterior: `posteriors.Point` with a linear encoder.
        method: a name of `METHODS`.
        l2: smallest and largest weight of the penalties, squared units of the model; the uniform one is their mean; None
            is 0.1 and 0.9 of the k-th variance.
        optimizer, learning_rate: None: Adam at 0.001; for "rotation" plain descent at 0.5 / the largest variance.
        n_inner: gradient steps in a step of the loop.

    Raises: `AbilityError` for a model that is no `models.LinearDecoder`, or of too many columns for a covariance.

    Source: Bao, Lucas, Sachdeva and Grosse, "Regularized linear autoencoders recover the principal components, eventually",
    2020, equations 2, 4 and 6, algorithm 1; Rippel, Gelbart and Adams, "Learning ordered representations with nested
    dropout", 2014.

    >>> from latentia.posteriors import Point
    >>> LinearGradient(Point(nn.Linear(5, 2)), method="rotation").method
    'rotation'
    """

    def __init__(
        self,
        posterior: nn.Module,
        *,
        method: str = "plain",
        l2: tuple[float, float] | None = None,
        optimizer: Any = None,
        learning_rate: float | None = None,
        n_inner: int = 100,
    ) -> None:
        self.posterior, self.bound, self.n_inner = posterior, Reconstruction(), int(n_inner)
        self.method, self.l2 = choose("method", method, METHODS), l2
        self.optimizer, self.learning_rate = optimizer, learning_rate
        if l2 is not None and not 0 <= l2[0] <= l2[1] < float("inf"):
            raise ParameterError(f"l2={l2} cannot be used. Use two weights of at least 0, the smaller one first.")

    def check(self, model: Any) -> None:
        if not isinstance(model, LinearDecoder):
            raise AbilityError(
                f"LinearGradient needs models.LinearDecoder; {type(model).__name__} is no linear autoencoder. Use AmortizedVI."
            )
        check_columns(model.event_shape[0])

    def _place(self, model: LinearDecoder, mean: Tensor, covariance: Tensor) -> None:
        with torch.no_grad():
            model.loc.copy_(mean)
            for weight in (model.axes, self.posterior.encoder.weight):
                weight.normal_(0.0, START)
            self._centre(mean)

    def _centre(self, mean: Tensor) -> None:
        encoder = self.posterior.encoder
        encoder.bias.copy_(-(encoder.weight @ mean))

    def _moved(self, model: LinearDecoder) -> list[nn.Parameter]:
        return [self.posterior.encoder.weight, model.conditional.network.weight]  # type: ignore[list-item]

    def _optimizer(self, moved: list[nn.Parameter]) -> torch.optim.Optimizer:
        turns = self.method == "rotation"
        rate = (0.5 if turns else 1e-3) if self.learning_rate is None else self.learning_rate
        return make_optimizer(self.optimizer or ("sgd" if turns else "adam"), moved, rate)

    def _loss(self, model: LinearDecoder, covariance: Tensor, state: State, draw: torch.Generator) -> Tensor:
        """In units of the largest variance, so that a rate means the same for all data."""
        unit, scaled = _in_units(covariance, state)
        v, w = state.handles["moved"]
        zx = v @ scaled
        kept = self._kept(len(v), draw).to(v)
        both = kept[torch.maximum(*torch.meshgrid(*[torch.arange(len(v))] * 2, indexing="ij"))]
        loss = (both * (w.T @ w) * (zx @ v.T)).sum() - 2 * (kept.unsqueeze(1) * zx * w.T).sum()
        if not self.method.endswith("-l2"):
            return loss
        return loss + (self._weights(len(v), state) / unit * (v.square().sum(1) + w.square().sum(0))).sum()

    def _kept(self, k: int, draw: torch.Generator) -> Tensor:
        """The probability that each unit is kept; of a draw, 0 or 1."""
        if self.method == "deterministic-nested-dropout":
            return 1 - torch.arange(k) / k
        if self.method == "nested-dropout":
            return (torch.arange(k) < torch.randint(1, k + 1, (), generator=draw)).double()
        return torch.ones(k)

    def _weights(self, k: int, state: State) -> Tensor:
        last = float(state.handles["variances"][min(k, len(state.handles["variances"])) - 1])
        low, high = (0.1 * last, 0.9 * last) if self.l2 is None else self.l2
        weights = torch.linspace(low, high, k, dtype=torch.float64)
        return weights if self.method == "non-uniform-l2" else torch.full_like(weights, (low + high) / 2)

    @torch.no_grad()
    def _turn(self, model: LinearDecoder, covariance: Tensor, state: State) -> None:
        if self.method != "rotation":
            return
        v, w = state.handles["moved"]
        square = v @ _in_units(covariance, state)[1] @ v.T
        turn = (square.triu(1) - square.tril(-1)) / 2
        v.grad -= turn @ v
        w.grad -= w @ turn.T

    def _info(self, model: LinearDecoder, state: State, batches: Batches) -> Info:
        v, w = state.handles["moved"]
        self._centre(state.handles["mean"])
        covariance = state.handles["covariance"]
        zx = v @ covariance
        model.code_variance.copy_((zx * v).sum(1))
        model.total.copy_(covariance.trace())
        error = covariance.trace() - 2 * (zx * w.T).sum() + ((w.T @ w) * (zx @ v.T)).sum()
        return linear_info(model, error, batches, "")


def _in_units(covariance: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """The largest variance, and the covariance in its units, worked out once."""
    if "scaled" not in state.handles:
        unit = state.handles["variances"][0].clamp_min(1e-300)
        state.handles["unit"], state.handles["scaled"] = unit, covariance / unit
    return state.handles["unit"], state.handles["scaled"]
