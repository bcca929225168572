"""Commands that use a finished run: score, encode, reconstruct, sample, report, compare."""

from collections import deque
from collections.abc import Iterator
from itertools import chain
from math import sqrt
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..data import Dataset, Shards, open_data
from ..errors import DataError, RunError
from ..estimators import load_latent as load_run
from ..fitted import read_record
from .closing import bits
from .equal_time import OTHER_BOUNDS, at_equal_time, equal_time_table, kind_of, learner_of, seconds_of
from .output import check_target, write_array, write_blocks, write_values
from .showing import SIGN, estimate_table, facts_table, perplexities, print_json, waiting
from .sources import in_memory, read, size

MIXED = (
    "Warning: some of these numbers are log-probabilities of whole numbers and some are log-densities; they differ by "
    "more than the models do. Fit all runs with likelihoods of one sort before you compare."
)

OTHER_TOKENS = (
    "Warning: these runs count other tokens (another vocabulary, unit or longest sentence): a model to which more words are "
    "unknown is told less, and gives it more easily. Fit all runs with one --vocabulary before you compare."
)


def columns_of(run: Path) -> list[str]:
    """Column names that a run was fitted to."""
    record = read_record(run)
    names = record.get("data", {}).get("columns")
    return list(names) if names else [f"x{i}" for i in range(int(record["learnt"]["n_features"]))]


def matching(run: Path, source: str, selection: dict[str, Any]) -> Dataset:
    """The data of a source in memory, with the columns that the run was fitted to, in their order."""
    data = matching_rows(run, source, {**selection, "stream": "no"})
    assert isinstance(data, Dataset)
    return data


def matching_rows(run: Path, source: str, selection: dict[str, Any]) -> Dataset | Shards:
    """The same in memory or on the disk, as `selection["stream"]` says."""
    wanted = columns_of(run)
    asked = read_record(run).get("asked", {})
    if selection.get("label") is None and not selection.get("drop"):
        selection = {**selection, "label": asked.get("label"), "drop": []}
    try:
        return open_data(source, columns=wanted, **selection)
    except DataError:
        data = open_data(source, **{**selection, "label": None, "drop": selection.get("drop") or []})
        if len(data.columns) == len(wanted) and not set(data.columns) & set(wanted):
            return data
        raise


def run_score(
    run: Path, source: str, selection: dict[str, Any], evidence: str, options: dict[str, Any], seed: int,
    rows: Path | None, force: bool, as_json: bool, limit: int | None = None, simulated: int = 100,
) -> int:  # fmt: skip
    """Print one estimate; write its rows where asked. With bidirectional evidence, also that of rows the model makes."""
    from .evidence_commands import bracket_of, limited, show_bracket

    estimator = load_run(run)
    data = limited(matching_rows(run, source, selection), limit, seed)
    check_target(rows, force)
    both = evidence == "bidirectional"
    options = {"evidence": "annealed" if both else evidence, "seed": seed, **options}
    with waiting(f"Evidence of {size(data)[0]:,} rows"):
        if isinstance(data, Shards):
            estimate: Any = _score_shards(estimator, data, rows, force, **options)
        else:
            estimate = estimator.evidence(data.x, sample_weight=data.weight, **options)
            if rows is not None:
                write_array(_of_rows(estimate), _names(estimate), rows, force)
        bracket = bracket_of(estimator, simulated, options) if both else None
    cells = bits(estimator)
    if as_json:
        more = {"bits_per_dimension": estimate.bits_per_dimension(cells)} if cells else {}
        more |= perplexities(estimator, data.x, [estimate], in_words=False) if not isinstance(data, Shards) else {}
        more = more if bracket is None else {**more, "bidirectional": bracket.as_dict()}
        print_json({"run": str(run), "data": data.name, **estimate.as_dict(), **more})
        return 0
    console = Console(highlight=False)
    console.print(
        estimate_table(
            [(f"log p(x), {estimate.method}", estimate)],
            cells,
            f"Nats per {estimate.scope}, on {size(data)[0]:,} rows of {data.name}",
        )
    )
    words = {} if isinstance(data, Shards) else perplexities(estimator, data.x, [estimate])
    if words:
        console.print(facts_table(words))
    if estimate.warning:
        console.print(estimate.warning, markup=False)
    if bracket is not None:
        show_bracket(bracket, console)
    return 0


def _score_shards(estimator: Any, shards: Shards, rows: Path | None, force: bool, **options: Any) -> Any:
    """Evidence of rows on a disk; each piece's rows are written before the next piece is read."""
    from ..estimators.streaming import estimates
    from ..evidence import Totals

    totals = Totals(options.get("error"))

    def pieces() -> Iterator[Any]:
        for part in estimates(estimator, shards, **options):
            totals.add(part)
            yield part

    parts = pieces()
    first = next(parts)
    if rows is None:
        deque(parts, maxlen=0)
    else:
        write_blocks(map(_of_rows, chain([first], parts)), shards.n_rows, _names(first), rows, force)
    return totals


def _names(estimate: Any) -> list[str]:
    return ["log_prob"] if estimate.row_mc_error is None else ["log_prob", "mc_error"]


def _of_rows(estimate: Any) -> Any:
    import torch

    parts = [estimate.values] if estimate.row_mc_error is None else [estimate.values, estimate.row_mc_error]
    return torch.stack(parts, 1).numpy()


def run_encode(run: Path, source: str, selection: dict[str, Any], out: Path | None, std: bool, force: bool) -> int:
    """Write posterior means (and standard deviations)."""
    import numpy as np

    estimator = load_run(run)
    data = matching_rows(run, source, selection)
    blocks = (
        estimator.transform_blocks(data, return_std=True)
        if isinstance(data, Shards)
        else [estimator.transform(data.x, return_std=True)]
    )
    columns = [f"z{i}" for i in range(estimator._n_features_out)]
    columns += [f"{name}_sd" for name in columns] if std else []
    write_blocks((np.hstack(pair) if std else pair[0] for pair in blocks), size(data)[0], columns, out, force)
    return 0


def run_reconstruct(run: Path, source: str, selection: dict[str, Any], out: Path | None, force: bool) -> int:
    """Write reconstructions."""
    estimator = load_run(run)
    data = matching_rows(run, source, selection)
    if isinstance(data, Shards):
        from ..estimators.streaming import reconstruct_blocks

        blocks: Any = reconstruct_blocks(estimator, data)
    else:
        return write_values(estimator.reconstruct(data.x), columns_of(run), out, force) or 0
    write_blocks(blocks, size(data)[0], columns_of(run), out, force)
    return 0


def run_sample(run: Path, n: int, out: Path | None, seed: int | None, force: bool) -> int:
    """Write samples."""
    write_values(load_run(run).sample(n, seed), columns_of(run), out, force)
    return 0


def run_report(run: Path, on: str | None, as_json: bool) -> int:
    """Write report.html."""
    from ..report import write_report

    estimator = load_run(run)
    asked = read_record(run).get("asked")
    if on is None and not isinstance(asked, dict):
        raise RunError(f"{run} does not say which data it was fitted to. Name them with --on.")
    data = matching_rows(run, on, {}) if on is not None else read(asked)  # type: ignore[arg-type]
    page = write_report(estimator, in_memory(estimator, data), run / "report.html")
    if as_json:
        print_json({"report": str(page)})
    else:
        Console(highlight=False).print(str(page), markup=False)
    return 0


def run_compare(
    runs: list[Path], on: str, selection: dict[str, Any], evidence: str, samples: int, seed: int, as_json: bool
) -> int:
    """Print runs side by side on the same rows; differences are paired, row by row, against the best."""
    if len(runs) < 2:
        raise RunError(f"{len(runs)} run came; at least two are needed to compare. Name another.")
    estimators = [load_run(run) for run in runs]
    found = [
        (run, estimator.evidence(matching(run, on, dict(selection)).x, evidence, samples, seed=seed))
        for run, estimator in zip(runs, estimators)
    ]
    told = _warnings(estimators)
    best = max(found, key=lambda pair: pair[1].mean)[1]
    rows = [{"run": str(run), **e.as_dict(), **_difference(e, best)} for run, e in found]
    for row, estimator, then in zip(rows, estimators, at_equal_time([e.fit_ for e in estimators])):
        then["kind"] = kind_of(estimator)
        row |= {"learner": learner_of(estimator), "seconds": seconds_of(estimator.fit_), "at_equal_time": then}
    kinds = dict.fromkeys(row["at_equal_time"]["kind"] for row in rows)
    told += [OTHER_BOUNDS.format(", ".join(kinds))] * (len(kinds) > 1)
    if as_json:
        print_json({"on": on, "runs": rows, **({"warnings": told} if told else {})})
        return 0
    table = Table(title=f"log p(x) on {on}, nats per row", title_justify="left")
    for column in ("run", "", "mean", "Monte Carlo error", "behind the best", "how"):
        table.add_column(column, justify="left" if column in ("run", "how") else "right")
    for row in rows:
        gap = f"{row['difference']:.3f} ± {row['difference_error']:.3f}" if row["difference"] else "best"
        how = f"{row['method']}, {row['n_samples']} samples" if row["n_samples"] else row["method"]
        table.add_row(
            row["run"],
            SIGN[row["kind"]],
            f"{row['mean']:.3f}",
            f"± {row['mc_error']:.3f}" if row["n_samples"] else "none",
            gap,
            how,
        )
    console = Console(highlight=False)
    console.print(table)
    if max(row["at_equal_time"]["within"] for row in rows) > 0:
        console.print(equal_time_table(rows))
    for sentence in told:
        console.print(sentence, markup=False)
    return 0


def _warnings(estimators: list[Any]) -> list[str]:
    """Why numbers of these runs may differ by more than the models do."""
    mixed = len({estimator.plan_.is_probability for estimator in estimators}) > 1
    tokens = {(tuple(e.words_), e.unit, e.max_length) for e in estimators if hasattr(e, "words_")}
    return [MIXED] * mixed + [OTHER_TOKENS] * (len(tokens) > 1)


def _difference(estimate: Any, best: Any) -> dict[str, float]:
    gap = (estimate.values - best.values).double()
    error = float(gap.std()) / sqrt(len(gap)) if len(gap) > 1 else float("nan")
    return {"difference": float(gap.mean()), "difference_error": error}
