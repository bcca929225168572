"""What a published number is, and what came out when it was run again."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import ParameterError


@dataclass(frozen=True)
class Budget:
    """What a run may cost.

    Arguments:
        minutes: of learning and evaluation together, roughly: what has begun is finished.
        device: "cpu", "cuda" or "auto".
        seed: of everything random.
        rows: test rows at most; None takes what the target asks for.
    """

    minutes: float = 5.0
    device: str = "cpu"
    seed: int = 0
    rows: int | None = None

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ParameterError(f"--budget {self.minutes} cannot be used. Give minutes, above zero.")
        if self.rows is not None and self.rows < 2:
            raise ParameterError(f"--rows {self.rows} is too small. Two test rows or more are needed.")

    @property
    def seconds(self) -> float:
        return 60 * self.minutes


@dataclass(frozen=True)
class Number:
    """One published number beside ours.

    Arguments:
        what: with its unit.
        published: what the source says.
        ours: what was measured now.
        error: its standard error (over rows, where it is a mean over rows); None for a closed form.
        met: whether the line is reached; None where the set-up differs too much for a verdict.
    """

    what: str
    published: str
    ours: float
    error: float | None = None
    met: bool | None = None


@dataclass(frozen=True)
class Reproduced:
    """One run of one target."""

    name: str
    numbers: tuple[Number, ...]
    differences: tuple[str, ...]
    seed: int
    minutes: float
    seconds: float
    machine: str
    versions: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """What a target's function hands back: numbers, and where the set-up differs from the published one."""

    numbers: Sequence[Number]
    differences: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    """A published number that can be run again by one command.

    Arguments:
        name: of the command.
        title: what is measured.
        source: where the number was published.
        line: what counts as reproduced.
        minutes: the least budget that does it justice, on a CPU.
        run: from a budget to numbers.
    """

    name: str
    title: str
    source: str
    line: str
    minutes: float
    run: Callable[[Budget], Found]
