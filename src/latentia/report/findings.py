"""What was found in a run that was looked at."""

from dataclasses import asdict, dataclass, field
from typing import Any

VERDICTS = ("fine", "look", "trouble")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Arguments:
        what: its name, such as "collapse".
        verdict: "fine", "look" (it may be meant) or "trouble".
        text: what was found, and what to try.
        numbers: that it rests on.
    """

    what: str
    verdict: str
    text: str
    numbers: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def worst(findings: list[Finding]) -> str:
    """The worst verdict of all.

    >>> worst([Finding("a", "look", ""), Finding("b", "fine", "")])
    'look'
    """
    return max((f.verdict for f in findings), key=VERDICTS.index, default="fine")
