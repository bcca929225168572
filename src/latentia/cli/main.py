"""From arguments to an exit code: 0, 2 for what the user can mend, 1 for our own faults, 130 when interrupted."""

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console

from ..errors import UserError
from .app import app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    warnings.showwarning = lambda message, *rest: console.print(f"[yellow]note:[/] {_plain(message)}")
    try:
        code = app(args=arguments, prog_name="latentia", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except UserError as error:
        console.print(f"[red]error:[/] {_plain(error)}")
        return 2
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        console.print("Interrupted.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's usage errors, which newer typers vendor
            error.show()  # type: ignore[attr-defined]
            return 2
        return _our_fault(console, error)


def _our_fault(console: Console, error: Exception) -> int:
    if os.environ.get("LATENTIA_DEBUG"):
        raise error
    console.print(
        f"[red]internal error:[/] {type(error).__name__}: {_plain(error)}\n"
        "This is a fault of latentia's, not yours. LATENTIA_DEBUG=1 shows where; please report it with the command."
    )
    return 1


def _plain(message: Any) -> str:
    from rich.markup import escape

    return escape(str(message))
