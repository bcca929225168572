"""What `latentia fit` ends with: the held-out evidence, the report, a short table, the next commands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..data import Dataset
from ..errors import AbilityError
from ..estimate import Estimate
from ..processes import alone, current
from .showing import estimate_table, facts_table, perplexities, print_json

EVIDENCE_ROWS = 1000
CELLS = 100_000_000  # cells decoded for the closing table, a few seconds on a laptop
LEAST_DRAWS, MOST_CELLS = 32, 2_000_000_000  # cells where the least draws of a thousand rows cost more


@dataclass(frozen=True)
class Closing:
    """What is known when a fit has ended; `held` names the rows that the evidence is about."""

    out: Path
    source: str
    held: str
    rows: Any
    estimates: list[tuple[str, Estimate]]
    page: Path | None


def finish(
    estimator: Any, data: Dataset, out: Path, console: Console, source: str, *, with_report: bool, as_json: bool
) -> int:
    """The evidence by all processes; report and table by the first."""
    held, rows, weight = held_out(estimator, data)
    samples = max(LEAST_DRAWS, min(500, CELLS // max(1, estimator._work(rows))))
    estimates = evidence_of(estimator, rows, weight, samples, console)
    if not current().first:
        return 0
    closing = Closing(out, source, held, rows, estimates, out / "report.html" if with_report else None)
    with alone():
        if closing.page is not None:
            from ..report import write_report

            write_report(estimator, data, closing.page, evidence=[estimate for _, estimate in estimates])
        _tell(estimator, closing, as_json)
    return 0


def _tell(estimator: Any, closing: Closing, as_json: bool) -> None:
    units, beside = _units(estimator, closing.rows), _beside(estimator, closing.rows)
    if as_json:
        print_json(_as_dict(estimator, closing, units, beside))
        return
    console = Console(highlight=False)
    estimates = closing.estimates
    if estimates:
        title = f"Nats per row, on {len(closing.rows):,} {closing.held}"
        console.print(estimate_table(estimates, bits(estimator), title))
    for _, estimate in estimates:
        if estimate.warning:
            console.print(estimate.warning, markup=False)
    console.print(facts_table(_facts(estimator, closing, units, beside)))
    console.print(f"Next: {_next(estimator, closing.out, closing.source)}", markup=False)


def _as_dict(estimator: Any, closing: Closing, units: tuple[int, int] | None, beside: Any) -> dict[str, Any]:
    return {
        "run": str(closing.out),
        "status": estimator.fit_.status,
        "rows": closing.held,
        "evidence": [{"name": title, **estimate.as_dict()} for title, estimate in closing.estimates],
        **perplexities(estimator, closing.rows, [e for _, e in closing.estimates], in_words=False),
        **({"active_units": units[0], "n_latent": units[1]} if units else {}),
        **({"quality": beside.as_dict()} if beside else {}),
        **({"report": str(closing.page)} if closing.page else {}),
    }


def _facts(estimator: Any, closing: Closing, units: tuple[int, int] | None, beside: Any) -> dict[str, Any]:
    from .quality_command import AIM

    facts: dict[str, Any] = {"active units": f"{units[0]} of {units[1]}"} if units else {}
    facts |= {m.name: f"{m.value:.4f} ({AIM[m.better]} is better)" for m in beside.numbers} if beside else {}
    facts |= perplexities(estimator, closing.rows, [e for _, e in closing.estimates])
    return (
        facts
        | {"status": estimator.fit_.status, "run": closing.out}
        | ({"report": closing.page} if closing.page else {})
    )


def _next(estimator: Any, out: Path, source: str) -> str:
    if not estimator.has_codes:
        return f"latentia sample {out} -n 5 · latentia quality {out} {source}"
    if estimator._default_evidence == "reconstruction":
        return f"latentia encode {out} {source} · latentia reconstruct {out} {source}"
    return f"latentia score {out} {source} · latentia sample {out} -n 5 · latentia encode {out} {source}"


def held_out(estimator: Any, data: Dataset) -> tuple[str, Any, Any]:
    """Rows that the fit did not learn from, where there are some: a test part, the held-out share, else all rows."""
    import numpy as np

    x, weight, name = data.x, data.weight, "training rows"
    kept = getattr(estimator, "held_out_rows_", None)
    if data.test is not None:
        x, weight, name = data.test.x, None, "test rows"
    elif data.valid is not None and estimator.n_rows_in_ != len(x):
        x, weight, name = data.valid.x, data.valid.weight, "held-out rows"  # x is a sample of a stream
    elif kept is not None:
        x, weight, name = x[kept], None if weight is None else weight[kept], "held-out rows"
    most = min(EVIDENCE_ROWS, max(100, MOST_CELLS // (LEAST_DRAWS * max(1, estimator._work(x[:1])))))
    if len(x) > most:
        pick = np.sort(np.random.default_rng(0).permutation(len(x))[:most])
        x, weight = x[pick], None if weight is None else weight[pick]
    return name, x, weight


def evidence_of(estimator: Any, rows: Any, weight: Any, samples: int, console: Console) -> list[tuple[str, Estimate]]:
    """The evidence that the model allows: exact, or ELBO and importance-weighted; of an autoencoder its error."""
    if estimator._default_evidence == "reconstruction":
        return [("reconstruction, log p(x|z)", estimator.reconstruction(rows, weight))]
    try:
        if estimator._default_evidence in ("exact", "predictive"):
            return [("log p(x)", estimator.evidence(rows, "auto", sample_weight=weight))]
        return [
            ("ELBO", estimator.evidence(rows, "elbo", min(64, samples), sample_weight=weight)),
            ("IW log p(x)", estimator.evidence(rows, "importance", samples, sample_weight=weight)),
        ]
    except AbilityError as error:
        console.print(str(error), markup=False)
        return []


def bits(estimator: Any) -> int | None:
    """Number of cells where bits per dimension mean something: whole numbers with their own probabilities."""
    if estimator._default_evidence == "reconstruction":
        return None
    return int(estimator.n_features_in_) if estimator.plan_.is_probability else None


def _beside(estimator: Any, rows: Any) -> Any:
    """Samples beside rows, in numbers, of a model without evidence and codes."""
    if estimator.has_codes:
        return None
    from ..evidence import quality
    from ..evidence.distances import FEWEST

    n = len(rows)
    if n < FEWEST:
        return None
    features = "pca" if n > 60 or np.shape(rows)[-1] > 200 else "raw"  # raw features cost the cube of the columns
    return quality(estimator.sample(n, 0), rows, features, n=n, k=max(1, min(5, n - 2)))


def _units(estimator: Any, rows: Any) -> tuple[int, int] | None:
    if not estimator.model_.latent_shape or not estimator.has_codes:
        return None
    import torch

    from ..explore.latent import has_prior

    if not has_prior(estimator.model_):  # codes have no scale on which one is active
        return None
    from ..evidence import active_units

    x = estimator._seen(rows)[1]
    units = active_units(estimator.model_, estimator.posterior_, torch.as_tensor(x))
    return units.n_active, len(units.activity)
