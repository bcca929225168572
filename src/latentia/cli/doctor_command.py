"""`latentia doctor RUN`: what a finished run suffers from, and what to try."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..errors import RunError
from ..estimators import load_latent as load_run
from ..fitted import read_record
from .showing import print_json
from .sources import in_memory, read
from .using import matching_rows

COLOURS = {"fine": "green", "look": "yellow", "trouble": "red"}


def run_doctor(run: Path, on: str | None, samples: int, lag: bool, as_json: bool) -> int:
    """Print the findings; 0 whatever they are."""
    from ..report.doctor import examine, worst

    estimator = load_run(run)
    asked = read_record(run).get("asked")
    if on is None and not isinstance(asked, dict):
        raise RunError(f"{run} does not say which data it was fitted to. Name them with --on.")
    data = matching_rows(run, on, {}) if on is not None else read(asked)  # type: ignore[arg-type]
    findings = examine(estimator, in_memory(estimator, data), n_samples=samples, lag=lag)
    if as_json:
        verdict = {"run": str(run), "status": estimator.fit_.status, "verdict": worst(findings)}
        print_json({**verdict, "findings": [finding.as_dict() for finding in findings]})
        return 0
    from rich.markup import escape

    table = Table(title=f"{run}: {worst(findings)}", title_justify="left", show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        colour = COLOURS[finding.verdict]
        table.add_row(f"[{colour}]{finding.verdict}[/]", finding.what, escape(finding.text))
    Console(highlight=False).print(table)
    return 0
