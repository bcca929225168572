"""`latentia explore RUN WHAT`: one picture of what a run has learnt, and the numbers in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset
from ..errors import AbilityError, DataError, ParameterError, RunError, choose
from ..estimators import load_latent as load_run
from ..fitted import read_record
from .explore_asked import WHAT, Asked
from .output import check_target, write_array
from .showing import print_json
from .sources import in_memory, read
from .using import matching


@dataclass(frozen=True)
class Drawn:
    """A figure or frames, and the numbers they show, `(lines, columns)`, with names."""

    figure: Any
    values: np.ndarray
    names: list[str]
    frames: tuple[np.ndarray, ...] = ()


def run_explore(
    run: Path, what: str, source: str | None, asked: Asked, out: Path | None, values: Path | None, force: bool, as_json: bool
) -> int:  # fmt: skip
    """Draw, write, say where."""
    choose("WHAT", what, WHAT)
    asked.check(what)
    estimator = load_run(run)
    _check_rows(estimator, what)
    target = out or run / "explore" / (f"{what}.webp" if what == "training" else f"{what}.png")
    _check_ending(target, what)
    strip = target.with_suffix(".png") if what == "training" else None
    check_target(values, force, "--values")
    for path in (target, strip):
        if out is not None and path is not None and path.exists() and not force:
            raise RunError(f"{path} exists already and is kept. Choose another --out, or add --force.")
    drawn = _DRAW[what](estimator, _data(run, estimator, source), replace(asked, init=_begun_from(run)))
    target.parent.mkdir(parents=True, exist_ok=True)
    written = _write(drawn, target, strip)
    if values is not None:
        write_array(drawn.values, drawn.names, values, force)
        written.append(values)
    if as_json:
        print_json({"run": str(run), "what": what, "files": [str(path) for path in written]})
    else:
        print("\n".join(str(path) for path in written))
    return 0


def _check_rows(estimator: Any, what: str) -> None:
    from ..report.text_sections import is_text

    if is_text(estimator) and what != "map":
        raise AbilityError(
            f"A picture of {what} needs rows of numbers; the rows of this run are sentences. Use map, `latentia report`, which "
            "walks from sentence to sentence, or TextVAE.interpolate(first, second)."
        )


def _check_ending(target: Path, what: str) -> None:
    wanted = (".webp", ".gif") if what == "training" else (".png",)
    if target.suffix.lower() not in wanted:
        raise ParameterError(f"{target.name} cannot hold a {what}. Use a name that ends in {' or '.join(wanted)}.")


def _data(run: Path, estimator: Any, source: str | None) -> Dataset:
    if source is not None:
        return matching(run, source, {})
    asked = read_record(run).get("asked")
    if not isinstance(asked, dict):
        raise RunError(f"{run} was not made by `latentia fit`, so its data are not known. Name them: --data FILE.")
    return in_memory(estimator, read(asked))


def _begun_from(run: Path) -> Path | None:
    """The run whose weights this one began from."""
    init = (read_record(run).get("asked") or {}).get("init")
    return None if init is None else Path(init)


def _write(drawn: Drawn, target: Path, strip: Path | None) -> list[Path]:
    from ..explore.frames import animate
    from ..explore.frames import strip as beside
    from ..explore.style import png
    from ..storage import write_bytes

    if strip is None:
        write_bytes(target, png(drawn.figure))
        return [target]
    from io import BytesIO

    from PIL import Image

    animate(drawn.frames, target)
    out = BytesIO()
    Image.fromarray(beside(drawn.frames)).save(out, format="png")
    write_bytes(strip, out.getvalue())
    return [target, strip]


# --- pictures --------------------------------------------------------------------------------------------------


def _view(estimator: Any, data: Dataset) -> Any:
    from ..report.view import make_view

    return make_view(estimator, data)


def _pick(asked: Asked, data: Dataset, default: tuple[int, ...]) -> np.ndarray:
    rows = np.array(asked.rows or default)
    if rows.max() >= len(data.x):
        raise DataError(f"--rows {rows.max()} is not there. {data.name} has the rows 0 to {len(data.x) - 1}.")
    return rows


def _traversal(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import stops, traversal, unit_order
    from ..report.sheets import walks_sheet

    units = asked.units or tuple(int(u) for u in unit_order(estimator, data.x)[:12])
    strips = [(f"unit {u}", traversal(estimator, u)) for u in units]
    figure = walks_sheet(_view(estimator, data), strips, stops(estimator))
    return Drawn(figure, np.concatenate([x for _, x in strips]), list(data.columns))


def _interpolation(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import interpolation
    from ..report.sheets import line_sheet, lines_sheet

    rows = _pick(asked, data, (0, 1))
    if len(rows) % 2:
        raise ParameterError(
            f"--rows named {len(rows)} rows. An interpolation goes between two, such as --rows 3,7; name as many pairs as you like."
        )
    pairs = rows.reshape(-1, 2)
    ways = [interpolation(estimator, data.x[a], data.x[b], asked.n or 9, asked.way or "linear") for a, b in pairs]
    view = _view(estimator, data)
    if len(pairs) == 1:
        return Drawn(line_sheet(view, data.x[rows], ways[0]), ways[0], list(data.columns))
    names = [f"rows {a}, {b}" for a, b in pairs]
    return Drawn(lines_sheet(view, names, data.x[rows], ways), np.concatenate(ways), list(data.columns))


def _manifold(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import manifold, unit_order
    from ..explore.image_plots import manifold_chart

    view = _view(estimator, data)
    if view.image_shape is None:
        raise AbilityError("A manifold is drawn of pictures, and these data are a table. Use traversal, or map.")
    units = asked.units or tuple(int(u) for u in unit_order(estimator, data.x)[:2])
    if len(units) != 2:
        raise ParameterError(f"--units named {len(units)} units. A manifold is spanned by two, such as --units 0,1.")
    pair = (units[0], units[1])
    grid = manifold(estimator, pair, asked.n or 15)
    figure = manifold_chart(grid, pair, view.image_shape, view.limits)
    return Drawn(figure, grid.reshape(-1, grid.shape[-1]), list(data.columns))


def _map(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import latent_map
    from ..explore.groups import group
    from ..explore.plots import map_chart

    found = latent_map(estimator, data.x)
    return Drawn(map_chart(found, group(data.label)), found.points, [f"axis_{i}" for i in range(found.points.shape[1])])


def _training(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    """The fit made again, with its seed, so that it goes the same way, and watched."""
    from ..explore import Watch
    from ..explore.training_plots import training_frames

    if not any(row.get("epoch", 0) > 1 for row in estimator.fit_.history):
        raise AbilityError(
            f"{type(estimator).__name__} was fitted in one step, so that there is no training to look at."
        )
    view = _view(estimator, data)
    part = view.shown.take(1500, view.seed)
    again = _begun(estimator, asked.init).set_params(random_state=view.seed, verbose=0)
    watch = Watch(again, part.x, asked.every or 5)
    again.fit(data.x, sample_weight=data.weight, callbacks=[watch])
    frames = training_frames(watch, part.label, view.image_shape, view.limits)
    epochs = np.repeat(watch.epochs, len(part.x))[:, None]
    values = np.hstack([epochs, np.concatenate(watch.means)])
    names = ["epoch", *(f"z{i}" for i in range(values.shape[1] - 1))]
    return Drawn(None, values, names, tuple(frames))


def _begun(estimator: Any, init: Path | None) -> Any:
    """An estimator that is about to be fitted as this one was."""
    params = estimator.get_params()
    if init is None:
        return type(estimator)(**params)
    from .fitting import begun_from

    return begun_from(init, params)


def _field(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import move_of, vector_field
    from ..explore.field_plots import field_chart

    found = vector_field(move_of(estimator), data.x, asked.n or 24, asked.zoom or 1.0)
    values = np.hstack([found.points, found.vectors])
    return Drawn(field_chart(found), values, ["x", "y", "dx", "dy"])


def _components(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import components
    from ..report.sheets import components_sheet

    found = components(estimator, data.x)
    some = replace(found, directions=found.directions[: asked.n]) if asked.n else found
    return Drawn(components_sheet(_view(estimator, data), some), some.directions, list(data.columns))


def _neighbours(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import neighbours
    from ..report.sheets import neighbours_sheet

    rows = _pick(asked, data, tuple(range(min(6, len(data.x)))))
    found = neighbours(estimator, data.x, data.x[rows], asked.n or 9)
    figure = neighbours_sheet(_view(estimator, data), data.x, rows, found)
    values = np.hstack([rows[:, None], found.index, found.distance])
    k = found.index.shape[1]
    return Drawn(figure, values, ["row", *(f"index_{i}" for i in range(k)), *(f"distance_{i}" for i in range(k))])


def _reconstructions(estimator: Any, data: Dataset, asked: Asked) -> Drawn:
    from ..explore import reconstructions
    from ..report.sheets import reconstructions_sheet

    view = _view(estimator, data)
    default = tuple(range(min(28 if view.image_shape else 800, len(data.x))))
    found = reconstructions(estimator, data.x[_pick(asked, data, default)])
    return Drawn(reconstructions_sheet(view, found), found.rebuilt, list(data.columns))


_DRAW: dict[str, Callable[[Any, Dataset, Asked], Drawn]] = {
    "traversal": _traversal,
    "interpolation": _interpolation,
    "manifold": _manifold,
    "map": _map,
    "training": _training,
    "field": _field,
    "components": _components,
    "neighbours": _neighbours,
    "reconstructions": _reconstructions,
}
