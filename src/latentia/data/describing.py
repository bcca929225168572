"""What each column of a table holds, and what may stand in the way of a fit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import DataError


@dataclass(frozen=True)
class ColumnFacts:
    """One column.

    Arguments:
        name: of the column.
        holds: "numbers", "whole numbers", "zeros and ones", "text", or Arrow's name of the type.
        least, greatest: of its values, as text; "" where they have no order.
        different: how many values differ.
        missing: cells without a finite value.
    """

    name: str
    holds: str
    least: str
    greatest: str
    different: int
    missing: int

    @property
    def is_number(self) -> bool:
        return self.holds in ("numbers", "whole numbers", "zeros and ones")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def describe_table(table: Any) -> list[ColumnFacts]:
    """The columns of a pyarrow table, in their order.

    Raises: `DataError` for a table without rows.

    >>> import pyarrow as pa
    >>> [(c.holds, c.least, c.missing) for c in describe_table(pa.table({"a": [1.5, None], "b": ["u", "v"]}))]
    [('numbers', '1.5', 1), ('text', '', 0)]
    """
    if not table.num_rows:
        raise DataError("The table has columns but no rows. Give a file with rows.")
    return [_facts(str(name), column) for name, column in zip(table.column_names, table.columns)]


def obstacles(columns: Sequence[ColumnFacts], n_rows: int) -> dict[str, str]:
    """Why a column cannot be fitted, or had better not, by its name, in words.

    >>> obstacles([ColumnFacts("id", "whole numbers", "1", "9", 9, 0)], 9)
    {'id': 'an identifier?'}
    """
    return {column.name: why for column in columns if (why := _obstacle(column, n_rows))}


def _obstacle(column: ColumnFacts, n_rows: int) -> str:
    if not column.is_number:
        return f"holds {column.holds}"
    if column.missing:
        return f"{column.missing} {'cell is' if column.missing == 1 else 'cells are'} missing"
    if column.different == 1 and n_rows > 1:
        return "constant"
    if column.holds == "whole numbers" and column.different == n_rows > 2:
        return "an identifier?"
    return ""


def _facts(name: str, column: Any) -> ColumnFacts:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    kind = column.type
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        finite = pc.call_function("is_finite", [column])
        column = pc.call_function("if_else", [finite, column, pa.scalar(None, pa.float64())])
        column = pc.call_function("add", [column, 0.0])  # of zeros there is one
    different = 0 if pa.types.is_nested(kind) or pa.types.is_null(kind) else len(column.drop_null().unique())
    least = greatest = ""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind):
        ends = pc.call_function("min_max", [column]).as_py()
        least, greatest = (_shown(ends[key]) for key in ("min", "max"))
    return ColumnFacts(name, _holds(column), least, greatest, different, column.null_count)


def _holds(column: Any) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return str(kind)
    whole = (
        pa.types.is_integer(kind)
        or pc.call_function("all", [pc.call_function("equal", [pc.call_function("trunc", [column]), column])]).as_py()
    )
    if not whole or column.null_count == len(column):
        return "numbers"
    ends = pc.call_function("min_max", [column]).as_py()
    return "zeros and ones" if (ends["min"], ends["max"]) == (0, 1) else "whole numbers"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, (int, float)) else str(value)
