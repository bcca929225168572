"""Commands that use a run: score, encode, reconstruct, sample, report, compare, explore, families."""

from pathlib import Path
from typing import Annotated

import typer

from .app import app
from .arguments import (
    Data,
    Evidence,
    Force,
    Json,
    Label,
    Limit,
    Names,
    Out,
    Run,
    Seed,
    Some,
    Split,
    Streamed,
    Temperatures,
    Weight,
)


@app.command()
def score(
    run: Run,
    source: Data,
    evidence: Annotated[
        str,
        typer.Option(
            "--evidence",
            help="elbo, importance, annealed, bidirectional, exact; auto: exact where it is known, else importance.",
        ),
    ] = "auto",
    samples: Some = None,
    error: Annotated[
        float | None,
        typer.Option("--error", help="The Monte Carlo error of the mean wanted; draws go where it is needed."),
    ] = None,
    proposal: Annotated[
        str | None, typer.Option("--proposal", help="Of importance: encoder, refined, defensive.")
    ] = None,
    steps: Temperatures = None,
    start: Annotated[str | None, typer.Option("--start", help="Of annealed: prior, or q.")] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", help="Of a gan, annealed: its observation noise, in the model's units.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="float32 takes a network half the time; float64 unless told.")
    ] = None,
    simulated: Annotated[int, typer.Option("--simulated", help="Of bidirectional: rows that the model makes.")] = 100,
    limit: Limit = None,
    seed: Seed = 0,
    rows: Annotated[Path | None, typer.Option("--rows", help="Write one number per row to this file.")] = None,
    drop: Names = None,
    label: Label = None,
    weight: Weight = None,
    split: Split = "train",
    stream: Streamed = "auto",
    force: Force = False,
    json: Json = False,
) -> int:
    """log p(x) of DATA under a run's model, in nats per row, with kind and errors."""
    from .using import run_score

    selection = {"drop": drop or [], "label": label, "weight": weight, "split": split, "stream": stream}
    given = {
        "n_samples": samples,
        "error": error,
        "proposal": proposal,
        "n_steps": steps,
        "start": start,
        "noise": noise,
        "precision": precision,
    }
    options = {name: value for name, value in given.items() if value is not None}
    return run_score(run, source, selection, evidence, options, seed, rows, force, json, limit, simulated)


@app.command()
def encode(
    run: Run, source: Data, out: Out = None, std: bool = False, drop: Names = None, label: Label = None,
    split: Split = "train", stream: Streamed = "auto", force: Force = False,
) -> int:  # fmt: skip
    """Posterior means of z for each row of DATA (and, with --std, standard deviations)."""
    from .using import run_encode

    return run_encode(
        run, source, {"drop": drop or [], "label": label, "split": split, "stream": stream}, out, std, force
    )


@app.command()
def reconstruct(
    run: Run, source: Data, out: Out = None, drop: Names = None, label: Label = None, split: Split = "train",
    stream: Streamed = "auto", force: Force = False,
) -> int:  # fmt: skip
    """Each row of DATA as the model sees it, in the user's units."""
    from .using import run_reconstruct

    return run_reconstruct(
        run, source, {"drop": drop or [], "label": label, "split": split, "stream": stream}, out, force
    )


@app.command()
def sample(
    run: Run,
    n: Annotated[int, typer.Option("--n", "-n", help="How many rows.")] = 10,
    out: Out = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed; the fit's own without it.", min=0, max=2**62)
    ] = None,
    force: Force = False,
) -> int:
    """New rows from p(x), in the user's units."""
    from .using import run_sample

    return run_sample(run, n, out, seed, force)


@app.command()
def report(
    run: Run,
    on: Annotated[str | None, typer.Option("--on", help="Other data than the run's own.")] = None,
    json: Json = False,
) -> int:
    """Write a run's report.html again."""
    from .using import run_report

    return run_report(run, on, json)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two or more run folders.")],
    on: Annotated[str, typer.Option("--on", help="The data on which they are compared.")],
    evidence: Evidence = "auto",
    samples: Annotated[
        int | None, typer.Option("--samples", help="Draws of z per row, 128 unless told; with --noise chains, 16.")
    ] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="Compare samples, in these features: raw, pca-K, classifier.")
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option("--noise", help="With --features: log p(x) too, at this noise, in the model's units."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="With --noise: so many rows, 100 unless told.")] = None,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="With --features: samples, a .png file.")] = None,
    seed: Seed = 0,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", help="train, valid or test; train unless told, with --features test where there is one."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Runs side by side on the same rows, with paired differences; with --features their samples beside the data."""
    if features is not None:
        from .beside_command import asked_beside, run_beside

        asked = asked_beside(features, noise, samples, limit, split or "auto", evidence, seed)
        return run_beside(runs, on, asked, pictures, json)
    for name, value in (("--noise", noise), ("--pictures", pictures), ("--limit", limit)):
        if value is not None:
            from ..errors import ParameterError

            raise ParameterError(f"{name} is about samples beside the data. Add --features raw, pca-K or classifier.")
    from .using import run_compare

    return run_compare(runs, on, {"split": split or "train"}, evidence, 128 if samples is None else samples, seed, json)


@app.command()
def explore(
    run: Run,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="traversal, interpolation, manifold, map, training, field, components, neighbours, reconstructions.",
        ),
    ],
    source: Annotated[str | None, typer.Option("--data", help="Other data than the run's own.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A .png file (training: .webp or .gif); in RUN/explore without it.")
    ] = None,
    values: Annotated[
        Path | None, typer.Option("--values", help="Also write the numbers: a .csv, .parquet or .npy file.")
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option("--rows", help="Numbers of rows of the data, from 0: 3,7; pairs of an interpolation: 3,7,5,2."),
    ] = None,
    units: Annotated[str | None, typer.Option("--units", help="Numbers of latent units, from 0: 0,1.")] = None,
    n: Annotated[int | None, typer.Option("--n", "-n", help="Points, components or neighbours.")] = None,
    way: Annotated[
        str | None, typer.Option("--way", help="Of interpolation: linear (without it), spherical, geodesic.")
    ] = None,
    zoom: Annotated[
        float | None, typer.Option("--zoom", help="Of field: above 1 is nearer, below 1 farther away; 1 without it.")
    ] = None,
    every: Annotated[
        int | None, typer.Option("--every", help="Of training: epochs between two frames; 5 without it.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> int:
    """One picture of what a run has learnt, and the numbers in it."""
    from .explore_asked import Asked, numbers_of
    from .explore_command import run_explore

    asked = Asked(numbers_of(rows, "--rows"), numbers_of(units, "--units"), n, way, zoom, every)
    return run_explore(run, what, source, asked, out, values, force, json)


@app.command()
def families(json: Json = False) -> int:
    """What each family of distributions may stand for, which gradients are valid for it, which KLs are closed."""
    from .families_command import run_families

    return run_families(json)
