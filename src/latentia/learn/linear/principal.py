"""The linear autoencoder's optimum in closed form: the principal axes, exactly or by passes over rows that stay on a disk."""

from math import ceil
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from ...batch import Batches
from ...bounds import Reconstruction
from ...errors import AbilityError, MemoryLimitError, ParameterError, choose
from ...models import LinearDecoder
from ...models.gaussian import moments, row_weights, sign_fixed
from ...processes import processes_of, whole_of
from ..base import Info, Learner, State
from .lanczos import Lanczos

SOLVERS = ("auto", "svd", "covariance", "randomised")
MAX_COVARIANCE = 2000  # columns; beyond, "auto" iterates
OTHER_BLOCKS = (
    8  # of k + oversample columns beside the basis and its image: the new one, Ritz vectors, a product and temporaries
)
LEAST_BLOCKS = 4 + OTHER_BLOCKS  # two of a basis and their images
MOST_BLOCKS = 12
SHARE = (
    0.4  # of what is allowed, for the matrices; the rest is for the rows that are read, their copies and the allocator
)
IN_MEMORY = 2**27  # bytes of centred rows in float64, above which "auto" does not gather them


class Axes(NamedTuple):
    """Principal axes of the rows.

    Arguments:
        mean: of the rows, model's units, `(D,)`.
        vectors: orthonormal columns, the largest variance first, `(D, k)`.
        variance: along each, `(k,)`.
        total: sum of the variances of all columns.
        status: how they were found, in a sentence.
    """

    mean: Tensor
    vectors: Tensor
    variance: Tensor
    total: Tensor
    status: str


@final
class PrincipalAxes(Learner):
    """argmin E|x - loc - A B (x - loc)|^2 over A `(D, k)` and B `(k, D)`: A = U, B = U^T, the k leading principal axes.

    Every optimum is A = U M, B = M^-1 U^T for some invertible M; this one has ordered, orthonormal axes.

    Arguments:
        posterior: `posteriors.Point` with a linear encoder, which is set.
        solver: "svd" of all rows in memory; "covariance": two passes and a D x D matrix; "randomised": block Lanczos from a
            random start, a pass for each block, of which D x (k + oversample) numbers are kept; "auto": "svd" for
            small data, else "covariance", or "randomised" for more than 2,000 columns or where memory is short.
        oversample: further columns of a block.
        tol: the passes end when no axis u has a residual |C u - variance u| above tol x the largest variance.
        max_iter: passes at most.
        max_bytes: that all of it may take, of which the matrices of the solver get 0.4; None does not count.
        seed: of the random start.

    Raises: `AbilityError` for a model that is no `models.LinearDecoder`; `MemoryLimitError` where max_bytes are too few.

    Sources: Eckart and Young, 1936; Baldi and Hornik, "Neural networks and principal component analysis", 1989; Halko,
    Martinsson and Tropp, "Finding structure with randomness", 2011; Wu and Simon, "Thick-restart Lanczos", 2000.

    >>> from latentia.batch import TensorBatches
    >>> from latentia.posteriors import Point
    >>> x = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]], dtype=torch.float64)
    >>> model, learner = LinearDecoder(2, 1).double(), PrincipalAxes(Point(nn.Linear(2, 1)).double())
    >>> _ = learner.step(model, TensorBatches(x, dtype=torch.float64), State())
    >>> model.axes.detach().flatten().tolist()
    [1.0, 0.0]
    """

    name = "closed-form"
    dtype = torch.float64

    def __init__(
        self,
        posterior: nn.Module,
        *,
        solver: str = "auto",
        oversample: int = 10,
        tol: float = 1e-10,
        max_iter: int = 100,
        max_bytes: int | None = None,
        seed: int = 0,
    ) -> None:
        self.posterior, self.bound = posterior, Reconstruction()
        self.solver = choose("solver", solver, SOLVERS)
        for name, value in (("oversample", oversample), ("max_iter", max_iter), ("tol", tol)):
            if not value > 0:
                raise ParameterError(f"{name}={value} cannot be used. Use a positive number.")
        self.oversample, self.tol, self.max_iter = int(oversample), float(tol), int(max_iter)
        self.max_bytes, self.seed = max_bytes, int(seed)

    def check(self, model: Any) -> None:
        if not isinstance(model, LinearDecoder):
            raise AbilityError(
                f"PrincipalAxes needs models.LinearDecoder; {type(model).__name__} has no closed form. Use AmortizedVI."
            )

    def init(self, model: Any, batches: Batches) -> State:
        return State()

    @torch.no_grad()
    def step(self, model: Any, batches: Batches, state: State) -> tuple[State, Info]:
        """All of it: one step is the whole solution."""
        whole = whole_of(batches)
        axes = self._solve(model, whole)
        processes_of(batches).copy_first_(model)
        set_linear(model, self.posterior, axes.mean, axes.vectors, axes.vectors.T)
        model.code_variance.copy_(axes.variance)
        model.total.copy_(axes.total)
        whole.seek({"epoch": whole.epoch + 1, "row": 0})
        return State(state.step + 1), linear_info(model, axes.total - axes.variance.sum(), whole, axes.status)

    def _solve(self, model: LinearDecoder, batches: Batches) -> Axes:
        n_features, k = model.axes.shape
        solver = self._solver(batches.n_rows, n_features, k)
        if solver == "svd":
            return _by_svd(model, batches, k)
        if solver == "covariance":
            found = moments(model, batches, covariance=True)
            assert found.covariance is not None
            values, vectors = torch.linalg.eigh(found.covariance)
            vectors, variance = sign_fixed(vectors[:, -k:].flip(1)), values.flip(0)[:k].clamp_min(0)
            return Axes(
                found.mean,
                *_padded(vectors, variance, k),
                found.variance.sum(),
                "Closed form: eigenvectors of the covariance.",
            )
        return self._by_passes(model, batches, k)

    def _by_passes(self, model: LinearDecoder, batches: Batches, k: int) -> Axes:
        found = moments(model, batches, covariance=False)

        def times(block: Tensor) -> Tensor:
            out = torch.zeros_like(block)
            for batch in batches.in_order():
                d = model.standardise(batch.x.double()) - found.mean
                out += d.T @ (row_weights(batch).unsqueeze(1) * (d @ block))
            return out / found.weight

        size = min(k + self.oversample, len(found.mean))
        solver = Lanczos(times, len(found.mean), k, size, self._blocks(len(found.mean), size), found.mean)
        vectors, variance, text = solver.run(self.tol, self.max_iter, self.seed)
        return Axes(found.mean, *_padded(sign_fixed(vectors), variance, k), found.variance.sum(), text)

    def _blocks(self, n_features: int, size: int) -> int:
        """Blocks that a basis may have: it, its image and the others fit into what is allowed."""
        if self.max_bytes is None:
            return MOST_BLOCKS
        fit = int(SHARE * self.max_bytes / (8 * n_features * size))
        return max(2, min(MOST_BLOCKS, (fit - OTHER_BLOCKS) // 2))

    def _solver(self, n_rows: int, n_features: int, k: int) -> str:
        room = float("inf") if self.max_bytes is None else SHARE * self.max_bytes
        needed = {
            "svd": 32 * n_rows * n_features,
            "covariance": 40 * n_features**2,
            "randomised": 8 * n_features * (k + self.oversample) * LEAST_BLOCKS,
        }
        solver = self.solver
        if solver == "auto":
            small = needed["svd"] <= min(room, IN_MEMORY) and n_rows * n_features <= 2**20
            fits = n_features <= MAX_COVARIANCE and needed["covariance"] <= room
            solver = "svd" if small else "covariance" if fits else "randomised"
        if needed[solver] > room:
            least = {name: ceil(size / SHARE / 2**20) for name, size in needed.items()}
            passes = f"use solver='randomised', which needs {least['randomised']} MiB"
            other = "ask for fewer axes" if solver == "randomised" else passes
            raise MemoryLimitError(
                f"solver={solver!r} needs {least[solver]} MiB for {n_features} columns and {k} axes, and "
                f"{room / SHARE / 2**20:.3g} MiB are allowed. Allow {least[solver]} MiB, or {other}."
            )
        return solver


def set_linear(model: LinearDecoder, posterior: Any, mean: Tensor, decoder: Tensor, encoder: Tensor) -> None:
    """x = mean + decoder z and z = encoder (x - mean)."""
    with torch.no_grad():
        model.loc.copy_(mean)
        model.axes.copy_(decoder)
        posterior.encoder.weight.copy_(encoder)
        posterior.encoder.bias.copy_(-(encoder.to(mean) @ mean))


def linear_info(model: LinearDecoder, error: Tensor, batches: Batches, status: str) -> Info:
    """Mean log p(x|z) from the mean squared error, model's units; a step that is the last one."""
    n = model.event_shape[0]
    half_log = 0.5 * n * torch.log(torch.tensor(2 * torch.pi, dtype=torch.float64, device=error.device))
    value = (-0.5 * error.clamp_min(0) - half_log + model.scaling.log_jacobian(n).to(error.device)).reshape(1)
    weight = torch.ones_like(value)
    return Info(value, {"reconstruction": value}, weight, None, batches.n_rows, bool(status), status)


def _padded(vectors: Tensor, variance: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Zero axes where there are fewer dimensions than k."""
    missing = k - vectors.shape[1]
    pad = torch.nn.functional.pad
    return (pad(vectors, (0, missing)), pad(variance, (0, missing))) if missing else (vectors, variance)


def _by_svd(model: LinearDecoder, batches: Batches, k: int) -> Axes:
    found = moments(model, batches, covariance=False)
    rows = [
        (model.standardise(batch.x.double()) - found.mean) * row_weights(batch).sqrt().unsqueeze(1)
        for batch in batches.in_order()
    ]
    _, s, vt = torch.linalg.svd(torch.cat(rows), full_matrices=False)
    vectors, variance = sign_fixed(vt[:k].T), s[:k].square() / found.weight
    return Axes(
        found.mean,
        *_padded(vectors, variance, k),
        s.square().sum() / found.weight,
        "Closed form: singular value decomposition.",
    )
