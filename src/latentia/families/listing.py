"""The table of families as facts, for the command line and the documentation."""

from typing import Any

from .table import TABLE, Row

PLACES = ("posterior", "likelihood", "prior")


def facts(row: Row) -> dict[str, Any]:
    """One row as plain values.

    >>> from .table import row_of
    >>> facts(row_of("cauchy"))["stands"]
    ['posterior', 'likelihood', 'prior']
    """
    return {
        "name": row.name,
        "parameters": row.parameters,
        "support": row.support,
        "stands": list(row.stands),
        "gradients": list(row.gradients),
        "closed_kl": list(row.closed),
    }


def all_facts() -> list[dict[str, Any]]:
    """Every row of the table, in its order."""
    return [facts(row) for row in TABLE]


def markdown() -> str:
    """The table in two parts: what each family may stand for, and its parameters.

    >>> markdown().splitlines()[0]
    '| family | support | posterior | likelihood | prior | gradients | closed KL to |'
    """
    lines = [
        "| family | support | posterior | likelihood | prior | gradients | closed KL to |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in TABLE:
        marks = ("yes" if place in row.stands else "no" for place in PLACES)
        cells = (
            f"`{row.name}`",
            row.support,
            *marks,
            ", ".join(row.gradients) or "none",
            ", ".join(row.closed) or "none",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| family | density and parameters |", "|---|---|"]
    for row in TABLE:
        lines.append(f"| `{row.name}` | {row.parameters.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)
