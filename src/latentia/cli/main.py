"""From arguments to an exit code: 0, 2 for what the user can mend, 1 for our own faults, 130 when interrupted."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import typer
from rich.console import Console

from ..errors import ProcessError, UserError
from . import app_fitting, app_judging, app_using  # noqa: F401  # they put their commands on the application
from .app import app

SHARED = ("fit", "resume", "score", "encode")  # commands that several processes share


def main(arguments: Sequence[str] | None = None, *, lost: int = 2) -> int:
    """Run the command line and return its exit code; `lost` where this process ended because another one did."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    warnings.showwarning = _noted_once(console)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given) if "WORLD_SIZE" not in os.environ else _run_among_others(given)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except UserError as error:
        if getattr(error, "latentia_hushed", False):
            return 2
        if isinstance(error, ProcessError) and lost != 2:
            console.print(
                "[yellow]note:[/] Another process of this run ended. All start again from the last checkpoint."
            )
            return lost
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


def _noted_once(console: Console) -> Callable[..., None]:
    """Warnings as notes; one that several fits of a command give is told by the first."""
    told: set[str] = set()

    def note(message: Any, *rest: Any, **more: Any) -> None:
        text = _plain(message)
        if text not in told:
            told.add(text)
            console.print(f"[yellow]note:[/] {text}")

    return note


def _run(arguments: list[str]) -> Any:
    return app(args=arguments, prog_name="latentia", standalone_mode=False, obj=arguments)


def _run_among_others(arguments: list[str]) -> Any:
    """The command in one of several processes: the first one speaks and writes, and does alone what is not shared."""
    from ..processes import alone, joined

    with joined() as processes:
        if not arguments or arguments[0] not in SHARED:
            with alone():
                return _run(arguments) if processes.first else 0
        if processes.first:
            return _run(arguments)
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            return _run(arguments)


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
