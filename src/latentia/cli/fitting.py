"""`latentia fit` and `latentia resume`."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ..data import Dataset, Shards, open_data
from ..errors import RunError, choose
from ..fitted import read_record
from ..processes import current
from .closing import finish
from .launching import advice, restarted
from .options import MODELS, estimator_params
from .showing import Live
from .sources import answered, facts, in_memory, read, size


@dataclass(frozen=True)
class Wishes:
    """How a fit is run, and what is shown and written beside it; a report of None is as the run was begun."""

    with_report: bool | None = True
    as_json: bool = False
    profile: bool = False
    shard_from: int | None = None


def run_fit(
    source: str,
    out: Path,
    model: str,
    selection: dict[str, Any],
    params: dict[str, Any],
    *,
    init: Path | None,
    force: bool,
    wishes: Wishes,
) -> int:
    """Load, fit, save, report; the exit code."""
    choose("--model", model, tuple(MODELS))
    processes = current()
    with processes.together():
        begun = processes.first and restarted() and is_begun(out)
        if processes.first and not begun:
            make_room(out, force)
    if max(processes.all_max([begun])):
        return run_resume(out, wishes)
    data = in_all(lambda: open_data(source, **selection))
    estimator = new(model, params, init)
    asked = answered({"source": _portable(source), **selection}, data)
    asked |= {} if init is None else {"init": _portable(str(init))}
    return _run(estimator, data, out, asked, wishes, resume=False)


def run_resume(run: Path, wishes: Wishes) -> int:
    """Build what a run asked for again and go on from its last checkpoint."""
    from ..estimators.saving import new_estimator
    from ..learn.checkpoints import shared_checkpoint

    processes = current()
    with processes.together():
        record = read_record(run) if processes.first else {}
    record = json.loads(processes.from_first(json.dumps(record)))
    estimator = new_estimator(record, run)
    asked = record.get("asked")
    if not isinstance(asked, dict):
        raise RunError(f"{run} was not made by `latentia fit`, so its data are not known. Resume it from Python.")
    data = in_all(lambda: read(asked))
    if data.fingerprint != record["data"]["fingerprint"]:
        raise RunError(
            f"The data in {asked['source']} are not those that {run} was fitted to (fingerprint {data.fingerprint}, "
            f"expected {record['data']['fingerprint']}). Bring them back, or fit anew."
        )
    if asked.get("init") and shared_checkpoint(run / "checkpoints", processes) is None:
        estimator = begun_from(Path(asked["init"]), estimator.get_params())
    wanted = bool(record.get("report", True)) if wishes.with_report is None else wishes.with_report
    return _run(estimator, data, run, asked, replace(wishes, with_report=wanted), resume=True)


def begun_from(init: Path, params: dict[str, Any]) -> Any:
    """An estimator with these parameters and the weights of the run `init`, about to be fitted.

    Raises: `RunError` where that run is gone.
    """
    from ..estimators import load_latent

    if not init.exists():
        raise RunError(f"The fit began from the weights of {init}, which is not there any more. Bring it back.")
    return load_latent(init).set_params(**{**params, "warm_start": True})


def in_all(opened: Callable[[], Dataset | Shards]) -> Dataset | Shards:
    """The data; of several processes the first looks first, so that what is downloaded is downloaded once."""
    processes = current()
    with processes.together():
        data = opened() if processes.first else None
    with processes.together():
        data = opened() if data is None else data
    processes.check_same("data of fingerprint", data.fingerprint)
    return data


def is_begun(out: Path) -> bool:
    """Whether a run was begun in this folder and did not end."""
    return (out / "run.json").is_file() and not read_record(out).get("fit", {}).get("finished", True)


def make_room(out: Path, force: bool) -> None:
    """Refuse a folder that holds something, or empty it if asked to; only what looks like a run is ever removed."""
    if not out.exists():
        return
    if not out.is_dir():
        raise RunError(f"{out} is a file. Name a folder that does not exist yet.")
    if not any(out.iterdir()):
        return
    if not force:
        raise RunError(f"{out} exists already and is kept. Choose another --out, resume it, or add --force.")
    if not (out / "run.json").is_file():
        raise RunError(f"{out} is no run folder, so --force does not remove it. Choose another --out.")
    shutil.rmtree(out)


def new(model: str, params: dict[str, Any], init: Path | None) -> Any:
    """The estimator of that model with the options given; from the weights of `init` where there is one."""
    from .. import estimators

    cls = getattr(estimators, MODELS[model])
    known = set(cls._get_param_names())
    given = {"random_state": 0, **estimator_params(model, params, known)}
    if init is None:
        return cls(**given)
    started = estimators.load_latent(init)
    if type(started) is not cls:
        raise RunError(f"{init} holds a {type(started).__name__}, and --model {model} is a {cls.__name__}.")
    return started.set_params(**given, warm_start=True)


def _run(
    estimator: Any, data: Dataset | Shards, out: Path, asked: dict[str, Any], wishes: Wishes, *, resume: bool
) -> int:
    console = Console(stderr=True, highlight=False)
    if data.image_shape is not None:
        _tell_image_shape(estimator, data.image_shape)
    say = (lambda *_, **__: None) if wishes.as_json else console.print
    n_rows, n_columns = size(data)
    how = ", streamed from the disk" if isinstance(data, Shards) else ""
    say(f"{type(estimator).__name__} on {data.name}: {n_rows:,} rows x {n_columns:,} columns{how}", markup=False)
    live = Live(console)
    note = {"asked": asked, "data": facts(data), "report": wishes.with_report}
    options = {"run": out, "resume": resume, "note": note, "progress": None if wishes.as_json else live}
    options |= {"profile": wishes.profile, "shard_from": wishes.shard_from}
    options["planned"] = lambda lines: say("\n".join([*lines, *_advice(estimator, n_rows)]), markup=False)
    if isinstance(data, Shards):
        estimator.fit(data, **options)
    else:
        estimator.fit(data.x, sample_weight=data.weight, **options)
    if not wishes.as_json:
        live.end()
    if wishes.profile and current().first:
        say((out / "profile.md").read_text(encoding="utf-8"), markup=False)
    if estimator.fit_.interrupted:
        say(f"{estimator.fit_.status} Continue with: latentia resume {out}", markup=False)
        return 130
    shown = {"with_report": bool(wishes.with_report), "as_json": wishes.as_json}
    return finish(estimator, in_memory(estimator, data), out, console, asked["source"], **shown)


def _advice(estimator: Any, n_rows: int) -> list[str]:
    modules = (estimator.model_, estimator.posterior_)
    parameters = max(1, sum(p.numel() for module in modules for p in module.parameters()))
    at_once = n_rows if estimator.learner_.name == "exact-em" else min(n_rows, int(estimator.batch_size))
    processes = current()
    same_cores = processes.on_one_machine and next(estimator.model_.parameters()).device.type == "cpu"
    sentence = advice(at_once, parameters, processes.size, same_cores=same_cores)
    return [] if sentence is None else [sentence]


def _tell_image_shape(estimator: Any, shape: tuple[int, ...]) -> None:
    if "image_shape" in estimator._get_param_names() and estimator.image_shape is None:
        estimator.set_params(image_shape=tuple(int(size) for size in shape))


def _portable(source: str) -> str:
    path = Path(source)
    return str(path.resolve()) if path.exists() else source
