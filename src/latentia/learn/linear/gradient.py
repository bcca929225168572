"""Linear autoencoders by gradient: the plain loss, and those that find the ordered axes."""

from numbers import Real
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ...batch import Batches
from ...bounds import Reconstruction
from ...errors import AbilityError, ParameterError, choose
from ...models import LinearDecoder
from ..base import Info, State
from ..optimisers import make_optimizer
from .full_batch import SPREAD, STARTS, FullBatch, check_columns
from .principal import linear_info

METHODS = ("plain", "uniform-l2", "non-uniform-l2", "nested-dropout", "deterministic-nested-dropout", "rotation")
CANCELS = 1e6  # total variances that the reconstructions may have before their error loses six of its digits


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
        start: "random" weights, or "current": those that the model and the posterior have.

    Raises: `ParameterError` for settings that cannot be used; `AbilityError` for a model that is no `models.LinearDecoder`, or
    of too many columns for a covariance; `NonFiniteError` where the steps diverge.

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
        start: str = "random",
    ) -> None:
        self.posterior, self.bound, self.n_inner = posterior, Reconstruction(), int(n_inner)
        self.method, self.l2 = choose("method", method, METHODS), check_l2(l2)
        self.start = choose("start", start, STARTS)
        self.optimizer, self.learning_rate = optimizer, learning_rate

    @property
    def rate(self) -> float:  # type: ignore[override]
        """The learning rate in use."""
        usual = 0.5 if self.method == "rotation" else 1e-3
        return usual if self.learning_rate is None else self.learning_rate

    def check(self, model: Any) -> None:
        if not isinstance(model, LinearDecoder):
            raise AbilityError(
                f"LinearGradient needs models.LinearDecoder; {type(model).__name__} is no linear autoencoder. Use AmortizedVI."
            )
        check_columns(model.event_shape[0])

    @torch.no_grad()
    def _draw(self, model: LinearDecoder, covariance: Tensor) -> None:
        for weight in (model.axes, self.posterior.encoder.weight):
            weight.normal_(0.0, SPREAD)

    @torch.no_grad()
    def _place(self, model: LinearDecoder, mean: Tensor, covariance: Tensor) -> None:
        model.loc.copy_(mean)
        self._centre(mean)

    def _centre(self, mean: Tensor) -> None:
        encoder = self.posterior.encoder
        encoder.bias.copy_(-(encoder.weight @ mean))

    def _moved(self, model: LinearDecoder) -> list[nn.Parameter]:
        return [self.posterior.encoder.weight, model.conditional.network.weight]  # type: ignore[list-item]

    def _optimizer(self, moved: list[nn.Parameter]) -> torch.optim.Optimizer:
        return make_optimizer(self.optimizer or ("sgd" if self.method == "rotation" else "adam"), moved, self.rate)

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
        v = state.handles["moved"][0]
        self._centre(state.handles["mean"])
        covariance = state.handles["covariance"]
        model.code_variance.copy_(((v @ covariance) * v).sum(1))
        model.total.copy_(covariance.trace())
        return linear_info(model, self._error(state), batches, "")

    def _error(self, state: State) -> Tensor:
        """The mean squared error, model's units; by I - W V where long weights would leave the sum of three parts no digits."""
        (v, w), covariance = state.handles["moved"], state.handles["covariance"]
        zx, total = v @ covariance, covariance.trace()
        squares = (w.T @ w) * (zx @ v.T)
        if squares.abs().sum() > CANCELS * total:
            left = torch.eye(len(covariance)).to(covariance) - w @ v
            return ((left @ covariance) * left).sum()
        return total - 2 * (zx * w.T).sum() + squares.sum()

    @torch.no_grad()
    def finish(self, model: LinearDecoder, state: State, history: list[dict[str, Any]]) -> str:
        """Says so where the codes are worse than none, as they are after steps that were too long."""
        error, total = float(self._error(state)), float(state.handles["covariance"].trace())
        if error <= 2 * total:
            return ""
        return (
            f"The mean squared error is {error:.3g}, that of codes which are all zero is {total:.3g}: the steps were too long. "
            f"Try a learning_rate below {self.rate:g}."
        )


def check_l2(l2: Any) -> tuple[float, float] | None:
    """The two weights, or None; raises `ParameterError` for what are no two weights.

    >>> check_l2([0.1, 0.9])
    (0.1, 0.9)
    >>> check_l2(0.3)
    Traceback (most recent call last):
    ...
    latentia.errors.ParameterError: l2=0.3 cannot be used. Use two weights of at least 0, the smaller one first: (0.1, 0.9).
    """
    if l2 is None:
        return None
    pair = tuple(l2) if isinstance(l2, (tuple, list, np.ndarray)) else ()
    numbers = all(isinstance(weight, Real) and not isinstance(weight, bool) for weight in pair)
    if len(pair) == 2 and numbers and 0 <= pair[0] <= pair[1] < float("inf"):
        return float(pair[0]), float(pair[1])
    raise ParameterError(f"l2={l2!r} cannot be used. Use two weights of at least 0, the smaller one first: (0.1, 0.9).")


def _in_units(covariance: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """The largest variance, and the covariance in its units, worked out once."""
    if "scaled" not in state.handles:
        unit = state.handles["variances"][0].clamp_min(1e-300)
        state.handles["unit"], state.handles["scaled"] = unit, covariance / unit
    return state.handles["unit"], state.handles["scaled"]
