"""How far each of several runs had come after the same seconds of learning."""

from typing import Any

from rich.table import Table

from ..bounds import Elbo
from ..fitted import Fit

OTHER_BOUNDS = (
    "Warning: these bounds are not of one kind ({}), so that one may lie above another where the model is no better. Compare "
    "log p(x) in the table before."
)


def at_equal_time(fits: list[Fit]) -> list[dict[str, Any]]:
    """The bound of each run at the last epoch that ended within the seconds that the shortest of them took.

    Held-out rows decide where every run held some out, else the rows that were learnt from. Nothing for a run whose first
    epoch took longer, or whose learner has no bound.

    >>> quick = [{"split": "train", "epoch": i, "bound": -5.0 + i, "seconds": float(i)} for i in (1, 2, 3)]
    >>> slow = [{"split": "train", "epoch": 1, "bound": -3.5, "seconds": 2.5}]
    >>> found = at_equal_time([Fit(None, None, quick), Fit(None, None, slow)])
    >>> [(row["bound"], row["epoch"], row["within"]) for row in found]
    [(-3.0, 2, 2.5), (-3.5, 1, 2.5)]
    """
    histories = [[row for row in fit.history if "bound" in row and "seconds" in row] for fit in fits]
    held_out = all(any(row["split"] == "validation" for row in history) for history in histories)
    split = "validation" if held_out else "train"
    histories = [[row for row in history if row["split"] == split] for history in histories]
    ends = [float(history[-1]["seconds"]) for history in histories if history]
    within = min(ends, default=0.0)
    return [{"split": split, "within": within, **_last(history, within)} for history in histories]


def _last(history: list[dict[str, Any]], within: float) -> dict[str, Any]:
    """The last epoch that ended in time."""
    row = next((row for row in reversed(history) if float(row["seconds"]) <= within), None)
    if row is None:
        return {"bound": None, "epoch": 0, "seconds": None}
    return {"bound": float(row["bound"]), "epoch": int(row["epoch"]), "seconds": float(row["seconds"])}


def equal_time_table(rows: list[dict[str, Any]]) -> Table:
    """The same for a terminal; `rows` are those of `latentia compare`."""
    first = rows[0]["at_equal_time"]
    which = "held-out rows" if first["split"] == "validation" else "the rows learnt from"
    title = f"Bound after {first['within']:.1f} seconds of learning, on {which} of each run, nats per row"
    table = Table(title=title, title_justify="left")
    for column in ("run", "learner", "of which kind", "bound", "epochs by then", "seconds in all"):
        left = column in ("run", "learner", "of which kind")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for row in rows:
        then = row["at_equal_time"]
        bound = "none yet" if then["bound"] is None else f"{then['bound']:.3f}"
        total = "unknown" if row["seconds"] is None else f"{row['seconds']:.1f}"
        table.add_row(row["run"], row["learner"], then["kind"], bound, str(then["epoch"]), total)
    return table


def kind_of(estimator: Any) -> str:
    """What the bound in a run's history is, by its name."""
    from ..report.curve_words import curve_name

    bound, name = estimator.learner_.bound, curve_name(estimator)
    if name == "bound":
        return "ELBO" if isinstance(bound, Elbo) or "kl" in getattr(bound, "names", ()) else name
    short = {"importance-weighted bound": "IW", "Renyi bound": "Renyi"}.get(name, name)
    return f"{short} (k = {bound.n_samples})" if short != name else name


def learner_of(estimator: Any) -> str:
    """The name of the learner that a run was made by."""
    return str(getattr(estimator, "learner", "") or getattr(estimator.learner_, "name", ""))


def seconds_of(fit: Fit) -> float | None:
    """Seconds of learning; None where the history does not say."""
    return max((float(row["seconds"]) for row in fit.history if "seconds" in row), default=None)
