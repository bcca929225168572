"""Certificates as one HTML page and one JSON file."""

from collections.abc import Sequence
from pathlib import Path

from ..._version import __version__
from ...storage import write_json, write_text
from .base import NOTED, PASSED, SKIPPED, Certificate

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --dim: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
td:first-child { white-space: nowrap; font-weight: 600; }
small { color: var(--dim); display: block; }
.passed { color: var(--good); } .failed { color: var(--bad); } .noted, .skipped { color: var(--dim); }
summary { cursor: pointer; font-size: 1.05rem; padding: .2rem 0; }
summary small { display: inline; margin-left: .6rem; }
</style></head><body>
<h1>{{ title }}</h1>
<p>{{ lead }}</p>
{% for c in certificates %}
<details{% if not c.passed or certificates|length == 1 %} open{% endif %}>
<summary><span class="{{ 'passed' if c.passed else 'failed' }}">{{ 'passed' if c.passed else 'FAILED' }}</span> {{ c.subject }}
<small>{{ c.proven }} of {{ c.checks|length }} claims proven</small></summary>
<table><thead><tr><th>outcome</th><th>claim</th><th>what was found</th></tr></thead><tbody>
{% for check in c.checks %}
<tr><td class="{{ check.outcome }}">{{ check.outcome }}</td>
<td>{{ check.name }}<small>{{ check.claim }}</small></td><td>{{ check.detail }}</td></tr>
{% endfor %}
</tbody></table></details>
{% endfor %}
<p><small>{{ foot }}</small></p>
</body></html>
"""


def write_certificates(certificates: Sequence[Certificate], folder: str | Path) -> Path:
    """Write certificate.html and certificate.json into a folder; returns the page's path.

    Raises: `RunError` where they cannot be written.
    """
    folder = Path(folder)
    write_json(folder / "certificate.json", summary(certificates))
    write_text(folder / "certificate.html", render(certificates))
    return folder / "certificate.html"


def summary(certificates: Sequence[Certificate]) -> dict[str, object]:
    """What the JSON file holds."""
    return {
        "latentia": __version__,
        "passed": all(c.passed for c in certificates),
        "certificates": [c.as_dict() for c in certificates],
    }


def _what_holds(certificates: Sequence[Certificate]) -> str:
    """Of certificates in which nothing failed."""
    every = [check.outcome for c in certificates for check in c.checks]
    counts = {word: every.count(word) for word in (PASSED, NOTED, SKIPPED)}
    words = f"Every claim that could be put to the proof holds: {counts[PASSED]}"
    words += f"; {counts[NOTED]} measured, nothing claimed" if counts[NOTED] else ""
    return words + (f"; {counts[SKIPPED]} do not apply here, or could not be decided." if counts[SKIPPED] else ".")


def render(certificates: Sequence[Certificate]) -> str:
    """The page; names are escaped."""
    from jinja2 import Environment

    failed = [c.subject for c in certificates if not c.passed]
    n_checks = sum(len(c.checks) for c in certificates)
    title = f"Certificate: {certificates[0].subject}" if len(certificates) == 1 else "Certificates"
    lead = (
        f"{len(certificates)} model{'' if len(certificates) == 1 else 's'}, {n_checks} checks. "
        + (f"Failed: {', '.join(failed)}." if failed else _what_holds(certificates))
        + " Each claim was put to the proof in float64, on rows simulated from the model itself."
    )
    foot = (
        f"Made by latentia {__version__}, seed {certificates[0].seed if certificates else 0}. No network, no scripts."
    )
    page = Environment(autoescape=True, trim_blocks=True).from_string(PAGE)
    html = page.render(title=title, lead=lead, certificates=certificates, foot=foot)
    return html.encode("utf-8", "replace").decode("utf-8")
