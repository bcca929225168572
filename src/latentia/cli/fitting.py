"""`latentia fit` and `latentia resume`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from ..data import Dataset, Shards, open_data
from ..errors import AbilityError, RunError, choose
from ..estimate import Estimate
from ..fitted import read_record
from ..processes import alone, current
from .launching import advice, restarted
from .options import MODELS, estimator_params
from .showing import Live, estimate_table, facts_table, perplexities, print_json
from .sources import answered, facts, in_memory, read, size

EVIDENCE_ROWS = 1000
CELLS = 100_000_000  # cells decoded for the closing table, a few seconds on a laptop
LEAST_DRAWS, MOST_CELLS = 32, 2_000_000_000  # cells where the least draws of a thousand rows cost more


def run_fit(
    source: str,
    out: Path,
    model: str,
    selection: dict[str, Any],
    params: dict[str, Any],
    *,
    init: Path | None,
    with_report: bool,
    force: bool,
    as_json: bool,
    profile: bool = False,
    shard_from: int | None = None,
) -> int:
    """Load, fit, save, report; the exit code."""
    choose("--model", model, tuple(MODELS))
    processes = current()
    with processes.together():
        begun = processes.first and restarted() and is_begun(out)
        if processes.first and not begun:
            make_room(out, force)
    if max(processes.all_max([begun])):
        return run_resume(out, with_report=with_report, as_json=as_json, shard_from=shard_from)
    data = in_all(lambda: open_data(source, **selection))
    estimator = new(model, params, init)
    asked = answered({"source": _portable(source), **selection}, data)
    flags = {"with_report": with_report, "as_json": as_json, "profile": profile, "shard_from": shard_from}
    return _run(estimator, data, out, asked, resume=False, **flags)


def run_resume(run: Path, *, with_report: bool, as_json: bool, shard_from: int | None = None) -> int:
    """Build what a run asked for again and go on from its last checkpoint."""
    from ..estimators.saving import new_estimator

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
    flags = {"with_report": with_report, "as_json": as_json, "shard_from": shard_from}
    return _run(estimator, data, run, asked, resume=True, **flags)


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
    estimator: Any,
    data: Dataset | Shards,
    out: Path,
    asked: dict[str, Any],
    *,
    resume: bool,
    with_report: bool,
    as_json: bool,
    profile: bool = False,
    shard_from: int | None = None,
) -> int:
    console = Console(stderr=True, highlight=False)
    if data.image_shape is not None:
        _tell_image_shape(estimator, data.image_shape)
    say = (lambda *_, **__: None) if as_json else console.print
    n_rows, n_columns = size(data)
    how = ", streamed from the disk" if isinstance(data, Shards) else ""
    say(f"{type(estimator).__name__} on {data.name}: {n_rows:,} rows x {n_columns:,} columns{how}", markup=False)
    live = Live(console)
    note = {"asked": asked, "data": facts(data)}
    options = {"run": out, "resume": resume, "note": note, "progress": None if as_json else live}
    options |= {"profile": profile, "shard_from": shard_from}
    options["planned"] = lambda lines: say("\n".join([*lines, *_advice(estimator, n_rows)]), markup=False)
    if isinstance(data, Shards):
        estimator.fit(data, **options)
    else:
        estimator.fit(data.x, sample_weight=data.weight, **options)
    if not as_json:
        live.end()
    if profile and current().first:
        say((out / "profile.md").read_text(encoding="utf-8"), markup=False)
    if estimator.fit_.interrupted:
        say(f"{estimator.fit_.status} Continue with: latentia resume {out}", markup=False)
        return 130
    return _finish(
        estimator, in_memory(estimator, data), out, console, asked["source"], with_report=with_report, as_json=as_json
    )


def _finish(
    estimator: Any, data: Dataset, out: Path, console: Console, source: str, *, with_report: bool, as_json: bool
) -> int:
    name, rows, weight = held_out(estimator, data)
    samples = max(LEAST_DRAWS, min(500, CELLS // max(1, estimator._work(rows))))
    estimates = evidence_of(estimator, rows, weight, samples, console)
    if not current().first:
        return 0
    with alone():
        return _close(estimator, data, out, source, name, rows, estimates, with_report=with_report, as_json=as_json)


def _close(
    estimator: Any,
    data: Dataset,
    out: Path,
    source: str,
    name: str,
    rows: Any,
    estimates: list[tuple[str, Estimate]],
    *,
    with_report: bool,
    as_json: bool,
) -> int:
    """Report, table, next commands: of several processes the first does this."""
    page = out / "report.html"
    if with_report:
        from ..report import write_report

        write_report(estimator, data, page, evidence=[estimate for _, estimate in estimates])
    units = _units(estimator, rows)
    beside = _beside(estimator, rows, name)
    result = {
        "run": str(out),
        "status": estimator.fit_.status,
        "rows": name,
        "evidence": [{"name": title, **estimate.as_dict()} for title, estimate in estimates],
        **perplexities(estimator, rows, [e for _, e in estimates], in_words=False),
        **({"active_units": units[0], "n_latent": units[1]} if units else {}),
        **({"quality": beside.as_dict()} if beside else {}),
        **({"report": str(page)} if with_report else {}),
    }
    if as_json:
        print_json(result)
        return 0
    from .quality_command import AIM

    out_console = Console(highlight=False)
    if estimates:
        out_console.print(estimate_table(estimates, bits(estimator), f"Nats per row, on {len(rows):,} {name}"))
    for _, estimate in estimates:
        if estimate.warning:
            out_console.print(estimate.warning, markup=False)
    facts = {"active units": f"{units[0]} of {units[1]}"} if units else {}
    facts |= {m.name: f"{m.value:.4f} ({AIM[m.better]} is better)" for m in beside.numbers} if beside else {}
    facts |= perplexities(estimator, rows, [e for _, e in estimates])
    facts |= {"status": estimator.fit_.status, "run": out} | ({"report": page} if with_report else {})
    out_console.print(facts_table(facts))
    infers = f"latentia score {out} {source} · latentia sample {out} -n 5 · latentia encode {out} {source}"
    makes = f"latentia sample {out} -n 5 · latentia quality {out} {source}"
    if estimator._default_evidence == "reconstruction":
        infers = f"latentia encode {out} {source} · latentia reconstruct {out} {source}"
    out_console.print(f"Next: {infers if estimator.has_codes else makes}", markup=False)
    return 0


def _advice(estimator: Any, n_rows: int) -> list[str]:
    modules = (estimator.model_, estimator.posterior_)
    parameters = max(1, sum(p.numel() for module in modules for p in module.parameters()))
    at_once = n_rows if estimator.learner_.name == "exact-em" else min(n_rows, int(estimator.batch_size))
    sentence = advice(at_once, parameters, current().size)
    return [] if sentence is None else [sentence]


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


def _beside(estimator: Any, rows: Any, name: str) -> Any:
    """Samples beside rows, in numbers, of a model without evidence and codes."""
    if estimator.has_codes:
        return None
    from ..evidence import quality

    n = len(rows)
    return quality(estimator.sample(n, 0), rows, "pca" if n > 60 else "raw", n=n, k=max(1, min(5, n - 2)))


def _units(estimator: Any, rows: Any) -> tuple[int, int] | None:
    if not estimator.model_.latent_shape or not estimator.has_codes:
        return None
    import torch

    from ..evidence import active_units

    x = estimator._seen(rows)[1]
    units = active_units(estimator.model_, estimator.posterior_, torch.as_tensor(x))
    return units.n_active, len(units.activity)


def _tell_image_shape(estimator: Any, shape: tuple[int, ...]) -> None:
    if "image_shape" in estimator._get_param_names() and estimator.image_shape is None:
        estimator.set_params(image_shape=tuple(int(size) for size in shape))


def _portable(source: str) -> str:
    path = Path(source)
    return str(path.resolve()) if path.exists() else source
