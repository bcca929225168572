"""Commands that judge a run: doctor, gaps, calibrate, quality, certify, reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from .app import app
from .arguments import Data, Force, Json, Label, Limit, Names, Run, Samples, Seed, Split, Streamed, Weight


@app.command()
def doctor(
    run: Run,
    on: Annotated[str | None, typer.Option("--on", help="Other data than the run's own.")] = None,
    samples: Samples = 128,
    lag: Annotated[bool, typer.Option("--lag/--no-lag", help="Measure how far the encoder is behind.")] = True,
    json: Json = False,
) -> int:
    """What a finished run suffers from, in plain words, and what to try."""
    from .doctor_command import run_doctor

    return run_doctor(run, on, samples, lag, json)


@app.command()
def gaps(
    run: Run,
    source: Data,
    samples: Annotated[int, typer.Option("--samples", help="Draws of z per row of each number.")] = 1000,
    steps: Annotated[int, typer.Option("--steps", help="Steps of each row's own q.")] = 300,
    richer: Annotated[str, typer.Option("--richer", help="The richer family: full (covariance) or flow.")] = "full",
    limit: Limit = 500,
    seed: Seed = 0,
    drop: Names = None,
    label: Label = None,
    weight: Weight = None,
    split: Split = "train",
    stream: Streamed = "auto",
    json: Json = False,
) -> int:
    """What the ELBO of DATA lacks: by the family of q, and by the encoder."""
    from .evidence_commands import run_gaps

    selection = {"drop": drop or [], "label": label, "weight": weight, "split": split, "stream": stream}
    return run_gaps(run, source, selection, samples, steps, richer, limit, seed, json)


@app.command()
def calibrate(
    run: Run,
    rows: Annotated[int, typer.Option("--rows", help="Rows that the model makes.")] = 1000,
    samples: Annotated[int, typer.Option("--samples", help="Draws of z per row.")] = 99,
    seed: Seed = 0,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw ranks and coverage into this .png file.")] = None,
    force: Force = False,
    json: Json = False,
) -> int:
    """Whether the encoder's q(z|x) is a calibrated posterior, on rows that the run's model makes."""
    from .evidence_commands import run_calibrate

    return run_calibrate(run, rows, samples, seed, plot, force, json)


@app.command()
def quality(
    run: Run,
    source: Data,
    features: Annotated[str, typer.Option("--features", help="raw, pca, pca-K, classifier (needs labels).")] = "pca",
    n: Annotated[int | None, typer.Option("--n", "-n", help="Rows of each; all, up to 10,000, without it.")] = None,
    k: Annotated[int, typer.Option("--k", help="Neighbours, for precision, recall, density, coverage.")] = 5,
    seed: Seed = 0,
    drop: Names = None,
    label: Label = None,
    split: Annotated[
        str, typer.Option("--split", help="train, valid or test; auto: test where there is one.")
    ] = "auto",
    json: Json = False,
) -> int:
    """Samples of a run beside DATA: Frechet and kernel distance, precision, recall, density, coverage."""
    from .quality_command import run_quality

    return run_quality(run, source, {"drop": drop or [], "label": label, "split": split}, features, n, k, seed, json)


@app.command()
def certify(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run folder; without it, the models that ship.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of certificate.html and .json; RUN's own.")] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A claim to put to the proof; may be repeated.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> int:
    """Put a model to the proof: masses, gradients, shapes, orders, calibration. Exit code 3 where a claim fails."""
    from .certify_command import run_certify

    return run_certify(run, out, only or [], seed, json)


@app.command()
def reproduce(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A target; list shows them, table what was kept.")
    ] = "list",
    budget: Annotated[float, typer.Option("--budget", help="Minutes of learning and evaluation, roughly.")] = 5.0,
    rows: Annotated[int | None, typer.Option("--rows", help="Test rows at most.")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or auto.")] = "cpu",
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the kept tables.")] = None,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Write the numbers down.")] = True,
    json: Json = False,
) -> int:
    """Run the set-up of a published number again: published, ours, error, seed, what differs."""
    from ..reproduce import Budget
    from .reproduce_command import run_reproduce

    return run_reproduce(name, Budget(budget, device, seed, rows), out, keep, json)
