"""Commands about the numbers of a run: gaps, calibrate, and bidirectional evidence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..data import Dataset, Shards
from ..errors import ParameterError
from ..estimators import load_latent as load_run
from .showing import SIGN, estimate_table, print_json, waiting
from .using import matching_rows


def limited(data: Dataset | Shards, limit: int | None, seed: int) -> Dataset | Shards:
    """So many rows at most, drawn by the seed, in their order."""
    if limit is not None and limit < 1:
        raise ParameterError(f"--limit {limit} leaves no row. Use at least 1, or leave it out.")
    rows = data.n_rows if isinstance(data, Shards) else len(data.x)
    if limit is None or rows <= limit:
        return data
    if isinstance(data, Shards):
        block = data.take(data.draw(limit, seed))
        return Dataset(block.x, data.columns, data.name, weight=block.weight, image_shape=data.image_shape)
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:limit])
    part = lambda values: None if values is None else values[chosen]  # noqa: E731
    return replace(data, x=data.x[chosen], label=part(data.label), weight=part(data.weight))


def bracket_of(estimator: Any, n_rows: int, options: dict[str, Any]) -> Any:
    """Bidirectional evidence with the options of annealed evidence."""
    from ..evidence import bidirectional
    from ..evidence.precision import in_precision
    from ..models import means_of, with_noise

    names = ("n_samples", "n_steps", "start", "seed")
    given = {name: options[name] for name in names if name in options}
    model, posterior = estimator.model_, estimator.posterior_
    if options.get("noise") is not None:
        model, posterior = with_noise(means_of(model), options["noise"]).requires_grad_(False), None
    if options.get("precision") is not None:
        model, posterior = in_precision(options["precision"], model, posterior)
    return bidirectional(model, posterior, n_rows=n_rows, **given)


def show_bracket(bracket: Any, console: Console) -> None:
    """Lower and upper bound of the model's own rows, and the gap."""
    rows = [("from below", bracket.lower), ("from above", bracket.upper)]
    console.print(estimate_table(rows, None, f"Nats per row, on {bracket.lower.n_rows:,} rows that the model made"))
    console.print(
        f"Gap {bracket.gap:.3f} ± {bracket.gap_error:.3f} nats per row: on rows like these, annealed evidence with these "
        "settings is off by no more, in expectation.",
        markup=False,
    )
    for estimate in (bracket.lower, bracket.upper):
        if estimate.warning:
            console.print(f"{SIGN[estimate.kind]} {estimate.warning}", markup=False)


def run_gaps(
    run: Path,
    source: str,
    selection: dict[str, Any],
    samples: int,
    steps: int,
    richer: str,
    limit: int | None,
    seed: int,
    as_json: bool,
) -> int:
    """Print the gaps of a run on data."""
    import torch

    from ..evidence import gaps

    estimator = load_run(run)
    found_rows = limited(matching_rows(run, source, selection), limit, seed)
    if isinstance(found_rows, Shards):
        found_rows = limited(found_rows, found_rows.n_rows - 1, seed)
    assert isinstance(found_rows, Dataset)
    rows = estimator._seen(found_rows.x)[1]
    weight = None if found_rows.weight is None else torch.as_tensor(found_rows.weight)
    options: dict[str, Any] = {"n_samples": samples, "n_steps": steps, "richer": richer, "seed": seed, "weight": weight}
    with waiting(f"A q of its own for each of {len(rows):,} rows"):
        found = gaps(estimator.model_, estimator.posterior_, rows, **options)
    if as_json:
        print_json({"run": str(run), "data": found_rows.name, "rows": len(rows), **found.as_dict()})
        return 0
    _show_gaps(found, f"{len(rows):,} rows of {found_rows.name}")
    return 0


def _show_gaps(found: Any, where: str) -> None:
    console = Console(highlight=False)
    rows = [
        ("log p(x)", found.log_prob),
        ("ELBO, encoder", found.encoder),
        ("ELBO, a q of its own for each row", found.local),
    ]
    if found.richer is not None:
        rows.append((f"the same, {found.richer_family}", found.richer))
    console.print(estimate_table(rows, None, f"Nats per row, on {where}"))
    table = Table(title="What the ELBO lacks, nats per row", title_justify="left")
    for column in ("gap", "nats", "MC error", "row error", "what would close it"):
        table.add_column(column, justify="left" if column in ("gap", "what would close it") else "right")
    kinds = [
        ("inference", found.inference, "all of it"),
        ("= approximation", found.approximation, "a richer family of q"),
        ("+ amortisation", found.amortisation, "a better encoder, or refined q"),
    ]
    if found.richer is not None:
        kinds.append((f"approximation, {found.richer_family}", found.richer_approximation, "a family richer still"))
    for name, gap, cure in kinds:
        table.add_row(name, f"{gap.mean:.3f}", f"± {gap.mc_error:.3f}", f"± {gap.row_error:.3f}", cure)
    console.print(table)
    if found.warning:
        console.print(found.warning, markup=False)


def run_calibrate(run: Path, rows: int, samples: int, seed: int, plot: Path | None, force: bool, as_json: bool) -> int:
    """Print how well q is calibrated, and draw it where asked."""
    from ..evidence import calibrate

    estimator = load_run(run)
    if plot is not None and plot.suffix.lower() != ".png":
        raise ParameterError(f"--plot {plot} ends in {plot.suffix or 'nothing'}. Use a name that ends in .png.")
    if plot is not None and plot.exists() and not force:
        raise ParameterError(f"{plot} exists already and is kept. Use another name, or --force.")
    with waiting(f"Posterior draws of {rows:,} rows that the model makes"):
        found = calibrate(estimator.model_, estimator.posterior_, n_rows=rows, n_samples=samples, seed=seed)
    if plot is not None:
        from ..explore.calibration import calibration_plot
        from ..storage import write_whole

        figure = calibration_plot(found)
        write_whole(plot, lambda path: figure.savefig(path, format="png", dpi=110))
    if as_json:
        print_json({"run": str(run), **found.as_dict(), **({} if plot is None else {"plot": str(plot)})})
        return 0
    _show_calibration(found)
    return 0


def _show_calibration(found: Any) -> None:
    console = Console(highlight=False)
    table = Table(title=f"q(z|x) on {found.n_rows:,} rows that the model made", title_justify="left")
    for column in ("region of q", "holds the true z in", "error"):
        table.add_column(column, justify="right")
    for level in (0.5, 0.8, 0.9, 0.95):
        share = found.coverage(level)
        error = (level * (1 - level) / found.n_rows) ** 0.5
        table.add_row(f"{100 * level:g} %", f"{100 * share:.1f} %", f"± {100 * error:.1f} %")
    console.print(table)
    console.print(found.verdict, markup=False)
    worst = found.p_values.argsort()[:5].tolist()
    text = ", ".join(f"z{u}: p = {float(found.p_values[u]):.2g}, bias {float(found.bias()[u]):+.3f}" for u in worst)
    console.print(f"Ranks of single units, the least uniform first: {text}.", markup=False)
