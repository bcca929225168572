"""`latentia compare --features`: samples of several runs beside the same data, whatever they were learnt by."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..errors import ParameterError, RunError
from ..estimators import load_latent as load_run
from ..evidence import features, quality
from .quality_command import refuse_sentences
from .showing import SIGN, nats, print_json
from .using import matching

MOST, PICTURES = 10_000, 64
CHAINS, TEMPERATURES, LIMIT = 16, 500, 100
MIXED_UNITS = (
    "Warning: these runs scale the data differently ({}), and the noise is in each model's own units: it is another noise in "
    "each, and the log p(x) differ by that alone. Fit them with the same --scale before you compare."
)


@dataclass(frozen=True)
class Beside:
    """What is asked.

    Arguments:
        extractor: name of the features.
        noise: observation noise of log p(x), in the model's units; None leaves log p(x) out.
        chains: of annealed evidence, per row.
        limit: rows of annealed evidence.
        split: part of the data; "auto" is the test part where there is one, else all rows.
        seed: of everything drawn.
    """

    extractor: str
    noise: float | None
    chains: int
    limit: int
    split: str
    seed: int


def asked_beside(
    extractor: str, noise: float | None, chains: int | None, limit: int | None, split: str, evidence: str, seed: int
) -> Beside:
    """The options of `latentia compare --features`; raises `ParameterError` for those that it would not heed."""
    idle = {"--samples": chains, "--limit": limit} if noise is None else {}
    for name, value in idle.items():
        if value is not None:
            raise ParameterError(f"{name} {value} is about log p(x), which is left out. Add --noise, or leave it out.")
    if evidence not in ("auto", "annealed"):
        raise ParameterError(
            f"--evidence {evidence} came beside --features, where log p(x) is annealed. Leave it out, or leave --features out."
        )
    for name, value in (("--samples", chains), ("--limit", limit)):
        if value is not None and value < 1:
            raise ParameterError(f"{name} {value} is too small. Use at least 1, or leave it out.")
    return Beside(
        extractor, noise, CHAINS if chains is None else chains, LIMIT if limit is None else limit, split, seed
    )


def run_beside(runs: list[Path], on: str, asked: Beside, pictures: Path | None, as_json: bool) -> int:
    """Print one line for each run; write samples side by side where asked."""
    if len(runs) < 2:
        raise RunError(f"{len(runs)} run came; at least two are needed to compare. Name another.")
    if pictures is not None and pictures.suffix.lower() != ".png":
        raise ParameterError(f"--pictures {pictures} must end in .png. Use another name.")
    estimators = [load_run(run) for run in runs]
    for estimator in estimators:
        refuse_sentences(estimator)
    whole = matching(runs[0], on, {"split": "train"})
    split = ("train" if whole.test is None else "test") if asked.split == "auto" else asked.split
    part = whole.part(split)
    learnt = features(asked.extractor, whole.x, label=whole.label, image_shape=whole.image_shape, seed=asked.seed)
    rows = [_one(run, e, part.x, learnt, asked) for run, e in zip(runs, estimators)]
    told = _warnings(rows, estimators)
    if pictures is not None:
        _draw([(row["run"], e) for row, e in zip(rows, estimators)], part.image_shape, pictures, asked.seed)
    if as_json:
        warned = {"warnings": told} if told else {}
        print_json(
            {"on": part.name, "split": split, "features": learnt.name, "noise": asked.noise, "runs": rows, **warned}
        )
        return 0
    console = Console(highlight=False)
    console.print(_table(rows, f"{part.name} ({split})", learnt.name))
    if asked.noise is not None:
        console.print(_evidence_table(rows, asked.noise))
    for sentence in told:
        console.print(sentence, markup=False)
    return 0


def _warnings(rows: list[dict[str, Any]], estimators: list[Any]) -> list[str]:
    """What stands between these numbers and belief, each thing once."""
    estimates = [row["log_prob"] for row in rows if "log_prob" in row]
    found = [f"{row['run']}: {row['log_prob']['warning']}" for row in rows if row.get("log_prob", {}).get("warning")]
    scalings = [estimator.plan_.scaling for estimator in estimators]
    if not estimates or all(_same(scaling, scalings[0]) for scaling in scalings):
        return found
    return [MIXED_UNITS.format("; ".join(dict.fromkeys(scaling.text for scaling in scalings))), *found]


def _same(a: Any, b: Any) -> bool:
    """Whether two scalings are one map."""
    import torch

    return all(torch.equal(x.expand_as(x + y), y.expand_as(x + y)) for x, y in ((a.loc, b.loc), (a.scale, b.scale)))


def _one(run: Path, estimator: Any, x: Any, learnt: Any, asked: Beside) -> dict[str, Any]:
    n = min(len(x), MOST)
    found = quality(means(estimator, n, asked.seed), x, learnt, n=n, seed=asked.seed)
    names = ("frechet", "kernel", "precision", "recall", "coverage")
    out = {"run": str(run), "learner": str(getattr(estimator, "learner", "")), "n": n}
    out |= {name: found[name].value for name in names} | {"frechet_of_data": found["frechet"].floor}
    return out if asked.noise is None else out | _evidence(estimator, x, asked)


def means(estimator: Any, n: int, seed: int) -> Any:
    """E[x|z] of draws of z, user's units: samples without the noise of the likelihood, which a GAN has not."""
    import torch

    from ..bounds.evaluate import evaluating
    from ..models import means_of
    from ..randomness import Stream

    model = means_of(estimator.model_).to(next(estimator.model_.parameters()).device)
    with Stream(seed), evaluating(model), torch.no_grad():
        return torch.cat([model.sample(min(1000, n - i)) for i in range(0, n, 1000)]).cpu().numpy()


def _evidence(estimator: Any, x: Any, asked: Beside) -> dict[str, Any]:
    import numpy as np

    from ..estimators.gan import with_stated_noise

    assert asked.noise is not None
    pick = np.sort(np.random.default_rng(asked.seed).permutation(len(x))[: asked.limit])
    rows = estimator._seen(x[pick])[1]
    estimate = with_stated_noise(estimator, rows, asked.noise, asked.chains, seed=asked.seed, n_steps=TEMPERATURES)
    return {"log_prob": estimate.as_dict()}


def _draw(runs: list[tuple[str, Any]], shape: Any, path: Path, seed: int) -> None:
    from ..explore.image_plots import grids_chart
    from ..explore.style import png
    from ..storage import write_whole

    if shape is None:
        raise ParameterError("--pictures needs rows that are pictures. Leave it out.")
    grids = [(Path(name).name, means(estimator, PICTURES, seed)) for name, estimator in runs]
    limits = float(min(x.min() for _, x in grids)), float(max(x.max() for _, x in grids))
    picture = png(grids_chart(grids, shape, limits, 8))

    def write(temporary: Path) -> None:
        temporary.write_bytes(picture)

    write_whole(path, write)


def _table(rows: list[dict[str, Any]], data: str, extractor: str) -> Table:
    title = f"{rows[0]['n']:,} samples (means of x given z) beside {data}: distances and shares in {extractor}"
    table = _named(title)
    for column in ("Frechet", "kernel", "precision", "recall", "coverage"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = [f"{row['frechet']:.4g}", f"{row['kernel']:.4f}"]
        cells += [f"{row[name]:.3f}" for name in ("precision", "recall", "coverage")]
        table.add_row(row["run"], row["learner"], *cells)
    return table


def _evidence_table(rows: list[dict[str, Any]], noise: float) -> Table:
    """log p(x) by annealing: a density per unit of each column of the data, whatever the model's own units are."""
    first = rows[0]["log_prob"]
    table = _named(
        f"log p(x) under noise {noise:g} in the model's units, annealed ({first['n_samples']} chains, {TEMPERATURES} temperatures), "
        f"{first['rows']:,} rows, nats per row in the data's units"
    )
    for column in ("mean", "MC error", "row error"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        e = row["log_prob"]
        errors = [f"± {nats(e[name], 2)}" for name in ("mc_error", "row_error")]
        table.add_row(row["run"], row["learner"], f"{SIGN[e['kind']]} {nats(e['mean'], 2)}", *errors)
    return table


def _named(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("run", "learner"):
        table.add_column(column, overflow="fold")
    return table
