"""What a denoising autoencoder has to undo: noise, masked cells, salt and pepper; in the user's units."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from hashlib import blake2b
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal, Uniform

from .distributions import draw
from .errors import DataError, ParameterError
from .randomness import PartNoise, RowNoise, Stream, current_part, current_row_noise, row_noise

KINDS = ("gaussian", "masking", "salt-and-pepper")


class Corruption(ABC):
    """Rows -> corrupted rows of the same shape, `(batch, *event)`, drawn anew at every call.

    While learning the noise is the run's own. At evaluation it belongs to the row's content and the seed; a function of the
    user's draws for all rows at once, and its noise then belongs to the seed and to the rows that it is given together.
    """

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor: ...


@final
class GaussianNoise(Corruption):
    """x + noise, noise ~ N(0, scale^2 I).

    Arguments:
        scale: standard deviation, user's units, the same for every column.

    >>> GaussianNoise(0.5)(torch.zeros(3, 2)).shape
    torch.Size([3, 2])
    """

    def __init__(self, scale: float) -> None:
        if not 0 < scale < float("inf"):
            raise ParameterError(
                f"noise_scale={scale} is no standard deviation. Use a positive number, in the data's units."
            )
        self.scale = float(scale)

    def __call__(self, x: Tensor) -> Tensor:
        zero = torch.zeros_like(x)
        return x + draw(Normal(zero, zero + self.scale, validate_args=False), 1)[0]


@final
class Masking(Corruption):
    """Each cell is replaced by `fill` with probability `share`.

    Arguments:
        share: of the cells, above 0 and below 1.
        fill: value of a masked cell, user's units, a number or `(columns,)`.

    >>> Masking(0.5, 0.0)(torch.ones(3, 2)).unique().numel() <= 2
    True
    """

    def __init__(self, share: float, fill: Any = 0.0) -> None:
        self.share, self.fill = _share(share), torch.as_tensor(fill)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.where(_coin(x) < self.share, self.fill.to(x), x)


@final
class SaltAndPepper(Corruption):
    """Each cell is set to `low` or to `high`, at even odds, with probability `share`.

    Arguments:
        share: of the cells, above 0 and below 1.
        low, high: user's units, numbers or `(columns,)`.

    >>> x = SaltAndPepper(0.5, 0.0, 1.0)(torch.full((100, 2), 0.5))
    >>> sorted(x.unique().tolist())
    [0.0, 0.5, 1.0]
    """

    def __init__(self, share: float, low: Any = 0.0, high: Any = 1.0) -> None:
        self.share, self.low, self.high = _share(share), torch.as_tensor(low), torch.as_tensor(high)

    def __call__(self, x: Tensor) -> Tensor:
        u = _coin(x)
        ends = torch.where(u < self.share / 2, self.low.to(x), self.high.to(x))
        return torch.where(u < self.share, ends, x)


@final
class Given(Corruption):
    """A function of the user's, handed a copy of the rows, and a look at what it gives.

    What it draws from `torch` or from `numpy.random` is settled by the run's seed, and both generators are afterwards as
    they were. A generator that the function keeps for itself goes its own way, from fit to fit and past every resume. A
    function that draws from `numpy.random` cannot be recorded.

    Arguments:
        function: a tensor of rows -> a tensor of the same shape; it may write into what it is given.

    >>> x = torch.ones(3, 2)
    >>> Given(lambda rows: rows.mul_(0.5))(x).unique().item(), x.unique().item()
    (0.5, 1.0)
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def __call__(self, x: Tensor) -> Tensor:
        noise = current_row_noise()
        if noise is not None:
            with Stream(_seed_of(noise), x.device), _numpy_random():
                return self._applied(x)
        part = current_part()
        with _numpy_random(), nullcontext() if part is None else PartNoise(*part, axis=0):
            return self._applied(x)

    def _applied(self, x: Tensor) -> Tensor:
        out = self.function(x.clone())
        return out.to(x) if torch.is_tensor(out) else out  # numpy's noise makes float64 of float32

    def check(self, x: Tensor) -> None:
        """Raise `DataError` where the corrupted rows x have another shape, are not finite, or are all alike."""
        with row_noise(x, 0):
            out = self(x)
        if not torch.is_tensor(out) or out.shape != x.shape:
            what = tuple(out.shape) if torch.is_tensor(out) else type(out).__name__
            raise DataError(
                f"The corruption turned rows of shape {tuple(x.shape)} into {what}. Return a tensor of that shape."
            )
        if not bool(torch.isfinite(out).all()):
            raise DataError("The corruption gives values that are not finite. Return finite numbers.")
        if len(x) > 1 and bool((x != x[0]).any()) and not bool((out != out[0]).any()):
            raise DataError(
                f"The corruption makes all {len(x)} rows alike, which destroys everything. Leave some of each row."
            )


def _seed_of(noise: RowNoise) -> int:
    """A seed that belongs to these rows together, another at every call."""
    steps = noise.uniform(1) * 2.0**53
    return int(steps.to(torch.int64).sum()) % 2**63


@contextmanager
def _numpy_random() -> Iterator[None]:
    """Inside, numpy's global generator follows torch's; afterwards it is as it was.

    It is the old generator of all, since that is the one that the user's functions draw from. Torch's state is the one that
    runs keep and resume. A number is drawn from it only where the function moved numpy's, so that functions of torch alone
    see, step by step and recorded, the numbers that torch has for them.
    """
    outer = np.random.get_state()  # noqa: NPY002
    own = torch.get_rng_state().numpy().tobytes() + f"{current_part()}".encode()  # processes' torch streams are alike
    np.random.seed(int.from_bytes(blake2b(own, digest_size=4).digest(), "little"))  # noqa: NPY002
    begun = _words(np.random.get_state())  # noqa: NPY002
    try:
        yield
        moved = _words(np.random.get_state()) != begun  # noqa: NPY002
    finally:
        np.random.set_state(outer)  # noqa: NPY002
    if moved:
        _refuse_recording()
        torch.rand(())


def _words(state: Any) -> tuple[Any, ...]:
    """A state of numpy's generator, to be compared."""
    kind, keys, *rest = state
    return kind, keys.tobytes(), *rest


def _refuse_recording() -> None:
    """Raise where the step is being recorded: numpy's numbers of this step would be written down for all steps."""
    from torch.fx.experimental.proxy_tensor import get_proxy_mode

    if get_proxy_mode() is not None:
        raise ParameterError("The corruption draws from numpy.random, which cannot be recorded.")


def _share(share: float) -> float:
    if not 0 < share < 1:
        raise ParameterError(
            f"corruption_share={share} cannot be used: at 0 nothing is corrupted, at 1 everything is destroyed. Use a number "
            "between them, such as 0.3."
        )
    return float(share)


def _coin(x: Tensor) -> Tensor:
    """A uniform number on (0, 1) for each cell."""
    zero = torch.zeros_like(x)
    return draw(Uniform(zero, zero + 1, validate_args=False), 1)[0]
