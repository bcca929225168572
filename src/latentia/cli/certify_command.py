"""`latentia certify`: claims about a run's model, or about the models that ship, put to the proof."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import ParameterError
from ..estimators import load_latent as load_run
from ..testing import PROOFS, Certificate, certify, shipped, write_certificates
from .showing import print_json

FAILED = 3  # the exit code of a claim that does not hold
COLOURS = {"passed": "green", "failed": "bold red", "noted": "dim", "skipped": "dim"}


def run_certify(run: Path | None, out: Path | None, only: list[str], seed: int, as_json: bool) -> int:
    """Print a table, write certificate.html and certificate.json, return 0 only where every claim holds."""
    strange = sorted(set(only) - set(PROOFS))
    if strange:
        raise ParameterError(f"--only {', '.join(strange)} is no claim. Use one of: {', '.join(PROOFS)}.")
    console = Console(highlight=False, stderr=as_json)
    found = []
    for certificate in _certificates(run, tuple(only) or None, seed):
        found.append(certificate)
        if run is None and not as_json:
            console.print(_line(certificate))
    page = write_certificates(found, out or run or Path("certificate"))
    if as_json:
        passed = all(c.passed for c in found)
        print_json({"passed": passed, "page": str(page), "certificates": [c.as_dict() for c in found]})
    else:
        for certificate in found:
            if run is not None or not certificate.passed:
                console.print(_table(certificate))
        console.print(_sentence(found))
        console.print(str(page), markup=False)
    return 0 if all(c.passed for c in found) else FAILED


def _certificates(run: Path | None, only: tuple[str, ...] | None, seed: int) -> Iterator[Certificate]:
    if run is None:
        for name, model, posterior in shipped():
            yield certify(model, posterior, only=only, seed=seed, name=name)
        return
    estimator: Any = load_run(run)
    yield certify(
        estimator.model_, estimator.posterior_, only=only, seed=seed, name=f"{type(estimator).__name__}, {run}"
    )


def _line(certificate: Certificate) -> str:
    n = sum(check.outcome == "passed" for check in certificate.checks)
    word = "[green]passed[/]" if certificate.passed else "[bold red]FAILED[/]"
    return f"{word}  {escape(certificate.subject)}: {n} of {len(certificate.checks)} claims proven"


def _table(certificate: Certificate) -> Table:
    table = Table(title=escape(certificate.subject), title_justify="left")
    for column in ("claim", "outcome", "what was found"):
        table.add_column(column, overflow="fold")
    for check in certificate.checks:
        colour = COLOURS[check.outcome]
        table.add_row(check.name, f"[{colour}]{check.outcome}[/]", escape(check.detail))
    return table


def _sentence(found: list[Certificate]) -> str:
    checks = [check for certificate in found for check in certificate.checks]
    count = {word: sum(check.outcome == word for check in checks) for word in COLOURS}
    words = ", ".join(f"{n} {word}" for word, n in count.items() if n)
    return f"{len(found)} model{'s' if len(found) != 1 else ''}, {len(checks)} checks: {words}."
