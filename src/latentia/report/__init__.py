"""One self-contained HTML page about a fit, for somebody who did not run it."""

from .writing import write_report

__all__ = ["write_report"]
