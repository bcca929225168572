"""Random numbers: a stream of a run's own, noise that belongs to a row, and a process's part of a batch's noise.

`torch.distributions` takes no generator, so a run's stream is swapped in for the process's generators and
given back on every exit. At evaluation a row's noise comes from the seed and the row's content, so that a
row scores the same whatever stands beside it, in any order and any chunk.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15, odd: the increment of SplitMix64
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_TOP_OF_HALVES = -9223372034707292160  # 0x8000000080000000: the top bit of each 32

_FILLS = ("normal_", "uniform_", "exponential_", "cauchy_", "log_normal_")
_LIKE = ("rand_like", "randn_like")
_NEW = ("rand", "randn")
_BY_VALUE = ("bernoulli", "bernoulli_", "multinomial", "poisson", "binomial", "normal", "randint", "geometric_")
_BY_VALUE += ("_standard_gamma", "_sample_dirichlet")  # how much they draw depends on the parameters


class Stream:
    """A random state of a run's own, used between `with stream:` and its end.

    >>> before = torch.get_rng_state()
    >>> with Stream(0): first = torch.rand(1)
    >>> with Stream(0): again = torch.rand(1)
    >>> bool(first == again), torch.equal(before, torch.get_rng_state())
    (True, True)
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._outer: list[Tensor] | None = None
        outer = self._read()
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif self.device.type == "mps":
            torch.mps.manual_seed(seed)
        self._own = self._read()
        self._write(outer)

    def __enter__(self) -> "Stream":
        self._outer = self._read()
        self._write(self._own)
        return self

    def __exit__(self, *exc: object) -> None:
        self._own = self._read()
        outer, self._outer = self._outer, None
        if outer is not None:
            self._write(outer)

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Give the process's generators back for a while, around a callback of the user's."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def state(self) -> list[Tensor]:
        """The generators' states, CPU first, as byte tensors."""
        return self._read() if self._outer is not None else self._own

    def restore(self, states: list[Tensor]) -> None:
        """Go to a `state` read earlier."""
        self._own = states
        if self._outer is not None:
            self._write(states)

    def _read(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        elif self.device.type == "mps":
            states.append(torch.mps.get_rng_state())
        return states

    def _write(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.device.type == "cuda" and len(states) > 1:
            torch.cuda.set_rng_state(states[1], self.device)
        elif self.device.type == "mps" and len(states) > 1:
            torch.mps.set_rng_state(states[1])


class RowNoise:
    """Noise that is a function of the seed, the row's content, the draw's number and the cell.

    Arguments:
        x: the rows, `(batch, *event)`.
        seed: of the noise.
        first: number of the first sample that will be asked for; a chunk of samples starts there.
    """

    def __init__(self, x: Tensor, seed: int, first: int = 0) -> None:
        self.keys, self.first, self.draws = row_keys(x, seed), first, 0

    def skip(self, n_samples: int) -> None:
        """Go on to the samples after these, the first draw of each."""
        self.first, self.draws = self.first + n_samples, 0

    def apart(self, number: int) -> "RowNoise":
        """Further noise of the same rows, another for each number from 0."""
        other = copy(self)
        step = torch.tensor(number + 1, device=self.keys.device) * _MIX_1
        other.keys, other.first, other.draws = _mix(self.keys + step), 0, 0
        return other

    def uniform(self, n_samples: int, shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Uniform on the open interval (0, 1), `(n_samples, batch, *shape)`, float64, in steps of 2^-53."""
        unit = (_shift(self._bits(n_samples, prod(shape)), 11).to(torch.float64) + 0.5) * 2.0**-53
        return unit.reshape(n_samples, len(self.keys), *shape)

    def normal(self, n_samples: int, shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Standard normal, `(n_samples, batch, *shape)`, float64; two from each 64 bits, so none beyond 6.3."""
        size = prod(shape)
        bits = self._bits(n_samples, -(-size // 2)).bitwise_xor_(_TOP_OF_HALVES)  # from unsigned halves to signed ones
        halves = bits.view(torch.int32)[..., :size]
        centred = halves.to(torch.float64).mul_(2.0**-31).add_(2.0**-32)  # (-1, 1)
        return centred.erfinv_().mul_(sqrt(2)).reshape(n_samples, len(self.keys), *shape)

    def _bits(self, n_samples: int, size: int) -> Tensor:
        """64 bits for each sample, row and cell, `(n_samples, batch, size)`."""
        sample = torch.arange(self.first, self.first + n_samples, device=self.keys.device)
        cell = torch.arange(size, device=self.keys.device)
        counter = (sample[:, None, None] << 32) + cell + (self.draws << 56)
        self.draws += 1
        return _mix_(_mix_(counter.mul_(_GOLDEN)) + self.keys[None, :, None])


_ROW_NOISE: ContextVar[RowNoise | None] = ContextVar("row_noise", default=None)


@contextmanager
def row_noise(x: Tensor, seed: int, first: int = 0) -> Iterator[RowNoise]:
    """Inside, `distributions.draw` takes its noise from the rows `x` and the `seed`."""
    with drawing(RowNoise(x, seed, first)) as noise:
        yield noise


@contextmanager
def drawing(noise: RowNoise) -> Iterator[RowNoise]:
    """Inside, `distributions.draw` takes its noise from this."""
    token = _ROW_NOISE.set(noise)
    try:
        yield noise
    finally:
        _ROW_NOISE.reset(token)


def current_row_noise() -> RowNoise | None:
    """The noise of the rows being evaluated, or None while learning."""
    return _ROW_NOISE.get()


class PartNoise(TorchFunctionMode):
    """Inside, noise for some rows is drawn for all the rows of the batch, and cut: the numbers that one process draws.

    All processes draw from streams of the same state, which so stay alike. What draws by rejection, or as much as its
    parameters say, gets a stream of its own for these rows: as good, but other numbers than one process draws.

    Arguments:
        start, stop: the rows to keep.
        rows: rows of the whole batch.
        axis: of the rows in what is drawn.

    >>> with Stream(0): whole = torch.rand(5, 2)
    >>> with Stream(0), PartNoise(3, 5, 5, axis=0): part = torch.rand(2, 2)
    >>> torch.equal(part, whole[3:])
    True
    """

    def __init__(self, start: int, stop: int, rows: int, axis: int) -> None:
        super().__init__()
        self.start, self.stop, self.rows, self.axis = start, stop, rows, axis

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in _FILLS and self._are_rows(args[0].shape):
            whole = args[0].new_empty(self._whole(args[0].shape))
            func(whole, *args[1:], **options)
            return args[0].copy_(self._cut(whole))
        if name in _LIKE and self._are_rows(args[0].shape):
            return self._cut(func(args[0].new_empty(self._whole(args[0].shape)), **options))
        if name in _NEW and self._are_rows(shape := _size(args, options)):
            return self._cut(func(self._whole(shape), **{k: v for k, v in options.items() if k != "size"}))
        if name in (*_FILLS, *_LIKE, *_NEW, *_BY_VALUE):
            given = torch.device(options.get("device") or "cpu")
            with self._apart(next((a.device for a in args if isinstance(a, Tensor)), given)):
                return func(*args, **options)
        return func(*args, **options)

    def _are_rows(self, shape: Sequence[int]) -> bool:
        return len(shape) > self.axis and shape[self.axis] == self.stop - self.start

    def _whole(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (*shape[: self.axis], self.rows, *shape[self.axis + 1 :])

    def _cut(self, whole: Tensor) -> Tensor:
        return whole.narrow(self.axis, self.start, self.stop - self.start)

    def _apart(self, device: torch.device) -> Stream:
        seed = int(torch.randint(2**62, ()))  # the same in all processes, which leaves their streams alike
        return Stream(seed + self.start, device)


def _size(args: Sequence[Any], options: Mapping[str, Any]) -> tuple[int, ...]:
    size = options.get("size", args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
    return tuple(size)


_PART: ContextVar[tuple[int, int, int] | None] = ContextVar("part", default=None)


@contextmanager
def part_noise(start: int, stop: int, rows: int) -> Iterator[None]:
    """Inside, `distributions.draw` draws for `rows` rows and keeps those from `start` to `stop`."""
    token = _PART.set((start, stop, rows))
    try:
        yield
    finally:
        _PART.reset(token)


def current_part() -> tuple[int, int, int] | None:
    """Which rows of how many are this process's, or None where they are all."""
    return _PART.get()


def row_keys(x: Tensor, seed: int) -> Tensor:
    """One 64-bit key for each row from its content and the seed, `(batch,)`; the same in float32 and float64.

    >>> x = torch.eye(3)
    >>> torch.equal(row_keys(x, 0)[1], row_keys(x[1:], 0)[0])
    True
    """
    flat = x.detach().reshape(x.shape[0], -1).to(torch.float64) + 0.0  # -0.0 and 0.0 are one value
    cell = torch.arange(1, flat.shape[1] + 1, device=x.device)
    coefficient = _mix(cell * _GOLDEN) | 1
    bits = _mix(flat.contiguous().view(torch.int64))
    return _mix((bits * coefficient).sum(1) + _mix(torch.tensor(seed, device=x.device) * _GOLDEN + 1))


def _shift(h: Tensor, n: int, out: Tensor | None = None) -> Tensor:
    return torch.bitwise_right_shift(h, n, out=out).bitwise_and_((1 << (64 - n)) - 1)


def _mix(h: Tensor) -> Tensor:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014) on int64, which wraps as uint64 does."""
    return _mix_(h.clone())


def _mix_(h: Tensor) -> Tensor:
    """`_mix` in the memory of h and one array more."""
    high = _shift(h, 30)
    h.bitwise_xor_(high).mul_(_MIX_1)
    h.bitwise_xor_(_shift(h, 27, high)).mul_(_MIX_2)
    return h.bitwise_xor_(_shift(h, 31, high))
