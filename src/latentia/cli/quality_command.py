"""`latentia quality`: samples of a run beside data."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..errors import AbilityError, ParameterError
from ..estimators import load_latent as load_run
from ..evidence import Measured, features, quality
from ..report.text_sections import is_text
from .showing import print_json, waiting
from .using import matching

AIM = {"lower": "lower", "higher": "higher", "1": "near 1"}


def run_quality(
    run: Path, source: str, selection: dict[str, Any], extractor: str, n: int | None, k: int, seed: int, as_json: bool
) -> int:
    """Print distances and shares of N samples beside N rows of the data."""
    if n is not None and n < 8:
        raise ParameterError(f"--n {n} is too small. At least 8 rows of each are needed, some thousand are better.")
    estimator = load_run(run)
    refuse_sentences(estimator)
    split = selection.pop("split")
    whole = matching(run, source, {**selection, "split": "train"})
    split = ("train" if whole.test is None else "test") if split == "auto" else split
    part = whole.part(split)
    learnt = features(extractor, whole.x, label=whole.label, image_shape=whole.image_shape, seed=seed)
    rows = min(len(part.x), 10_000 if n is None else n)
    with waiting(f"{rows:,} samples beside as many rows"):
        found = quality(estimator.sample(rows, seed), part.x, learnt, n=rows, k=k, seed=seed)
    if as_json:
        print_json({"run": str(run), "data": part.name, "split": split, "seed": seed, "k": k, **found.as_dict()})
        return 0
    console = Console(highlight=False)
    console.print(_table(found.numbers, f"{rows:,} samples of {run} beside {rows:,} rows of {part.name} ({split})"))
    return 0


def refuse_sentences(estimator: Any) -> None:
    """Raise `AbilityError` where the samples are text, between which there are no distances."""
    if is_text(estimator):
        raise AbilityError(
            "The samples of this run are sentences, and distances need rows of numbers. Look at `latentia sample` and at the "
            "perplexity of `latentia score`, or give evidence.quality numbers that you take from the sentences."
        )


def _table(numbers: tuple[Measured, ...], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("what", "value", "error", "data beside data", "better"):
        table.add_column(column, justify="left" if column in ("what", "better") else "right")
    for number in numbers:
        optional = [f"{v:.4f}" if v is not None else "" for v in (number.error, number.floor)]
        error, floor = optional
        table.add_row(number.name, f"{number.value:.4f}", f"± {error}" if error else "", floor, AIM[number.better])
    return table
