"""Which columns are the data, which one is the label, which one the weight."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import DataError
from .checks import suggest


@dataclass(frozen=True)
class Plan:
    """Positions of columns: those kept, in order, the label's and the weight's."""

    keep: list[int]
    label: int | None
    weight: int | None

    @property
    def used(self) -> list[int]:
        """All positions that are needed at all."""
        return [*self.keep, *(i for i in (self.label, self.weight) if i is not None)]


@dataclass(frozen=True)
class Selection:
    """What the user asked for, by name; `columns=None` means all that are not dropped, label or weight."""

    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    label: str | None = None
    weight: str | None = None

    @classmethod
    def of(
        cls, columns: Iterable[str] | None, drop: Iterable[str], label: str | None, weight: str | None
    ) -> "Selection":
        """Build from what `load` takes; a lone string counts as one name, not as its letters."""
        for what, value in (("label", label), ("weight", weight)):
            if not isinstance(value, (str, type(None))):
                kind = type(value).__name__
                raise DataError(f"{what} is a {kind}, the name of a column was expected. Try {what}='...'.")
        return cls(None if columns is None else _names(columns), _names(drop), label, weight)

    @property
    def trivial(self) -> bool:
        """True if nothing was asked for."""
        return self == Selection()

    def plan(self, names: Sequence[str], where: str) -> Plan:
        """Turn names into positions, or raise `DataError` naming what is unknown, repeated, or left empty."""
        check_unique(names, where)
        place = {name: i for i, name in enumerate(names)}
        for what, asked in self._asked():
            for name in asked:
                if name not in place:
                    raise DataError(f"{where} has no column {name!r} ({what}). {_offer(name, names)}")
        if self.columns is not None:
            check_unique(self.columns, "columns=[...]")
        out = {*self.drop, self.label, self.weight}
        keep = [place[n] for n in (names if self.columns is None else self.columns) if n not in out]
        if not keep:
            raise DataError(f"{where} has no column left to model. Drop fewer, or name others in columns=[...].")
        return Plan(keep, *(None if name is None else place[name] for name in (self.label, self.weight)))

    def _asked(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        yield "columns", self.columns or ()
        yield "drop", self.drop
        yield "label", (self.label,) if self.label is not None else ()
        yield "weight", (self.weight,) if self.weight is not None else ()


def check_unique(names: Sequence[str], where: str) -> None:
    """Raise `DataError` naming the columns that appear more than once."""
    if len(set(names)) == len(names):
        return
    twice = [repr(name) for name, count in Counter(names).items() if count > 1]
    raise DataError(f"{where} has columns of the same name: {', '.join(twice[:5])}. Give each its own name.")


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(str(name) for name in names)


def _offer(name: str, names: Sequence[str]) -> str:
    listed = ", ".join(repr(n) for n in names[:10]) + (", ..." if len(names) > 10 else "")
    return f"It has {listed}.{suggest(name, names)}"
