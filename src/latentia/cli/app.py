"""The commands."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import MODELS, with_options

app = typer.Typer(
    name="latentia",
    help="Latent variable models: one model p(x, z), many ways to learn it, numbers that can be believed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Named data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Data = Annotated[str, typer.Argument(metavar="DATA", help="A named set, a file, or a folder of images.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, made by `latentia fit`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Out = Annotated[Path | None, typer.Option("--out", help="A .csv, .parquet or .npy file; standard output without it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]
Names = Annotated[list[str] | None, typer.Option("--drop", help="A column to leave out; may be repeated.")]
Columns = Annotated[list[str] | None, typer.Option("--columns", help="A column to use; may be repeated.")]
Label = Annotated[str | None, typer.Option("--label", help="The column that holds the label.")]
Weight = Annotated[str | None, typer.Option("--weight", help="The column that holds the row weights.")]
Streamed = Annotated[str, typer.Option("--stream", help="yes: rows stay on the disk; no; auto: when memory is short.")]
Split = Annotated[str, typer.Option("--split", help="train, valid or test, of a named set.")]
Evidence = Annotated[str, typer.Option("--evidence", help="elbo, importance, exact; auto: exact where it is known.")]
Samples = Annotated[int, typer.Option("--samples", help="Draws of z per row.")]
Some = Annotated[int | None, typer.Option("--samples", help="Draws of z per row; with --error, at most so many.")]
Limit = Annotated[int | None, typer.Option("--limit", help="So many rows at most, drawn by the seed.")]
Temperatures = Annotated[int | None, typer.Option("--steps", help="Temperatures of annealed evidence; 500 without it.")]
Devices = Annotated[int, typer.Option("--devices", help="Processes on this machine, one for each device.")]
Nodes = Annotated[int, typer.Option("--nodes", help="Machines; the same command is given on each.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the noise.")]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from .._version import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
@with_options
def fit(
    context: typer.Context,
    source: Data,
    out: Annotated[Path, typer.Option("--out", help="The run folder to make.")],
    model: Annotated[str, typer.Option("--model", help=f"One of {', '.join(MODELS)}.")] = "vae",
    drop: Names = None,
    columns: Columns = None,
    label: Label = None,
    weight: Weight = None,
    split: Split = "train",
    stream: Streamed = "auto",
    init: Annotated[Path | None, typer.Option("--init", help="A run whose weights to start from.")] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")] = True,
    profile: Annotated[
        bool, typer.Option("--profile", help="Write where the time went: profile.md, trace.json.")
    ] = False,
    force: Force = False,
    json: Json = False,
    devices: Devices = 1,
    nodes: Nodes = 1,
    **params: Any,
) -> int:
    """Fit a model to DATA and write a run folder with a report."""
    from .launching import launch, must_launch

    if must_launch(devices, nodes):
        return launch(context.obj, devices, nodes)
    from .fitting import run_fit

    selection = {
        "columns": columns,
        "drop": drop or [],
        "label": label,
        "weight": weight,
        "split": split,
        "stream": stream,
    }
    flags = {"with_report": report, "as_json": json, "profile": profile}
    return run_fit(source, out, model, selection, params, init=init, force=force, **flags)


@app.command()
def resume(
    context: typer.Context, run: Run, report: bool = True, json: Json = False, devices: Devices = 1, nodes: Nodes = 1
) -> int:
    """Take a run up again where its last checkpoint left it."""
    from .launching import launch, must_launch

    if must_launch(devices, nodes):
        return launch(context.obj, devices, nodes)
    from .fitting import run_resume

    return run_resume(run, with_report=report, as_json=json)


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
        float | None, typer.Option("--error", help="The Monte Carlo error of the mean wanted; draws go where it is needed.")
    ] = None,
    proposal: Annotated[
        str | None, typer.Option("--proposal", help="Of importance: encoder, refined, defensive.")
    ] = None,
    steps: Temperatures = None,
    start: Annotated[str | None, typer.Option("--start", help="Of annealed: prior, or q.")] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", help="Of a gan, annealed: its observation noise, in the model's units.")
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
    given = {"n_samples": samples, "error": error, "proposal": proposal, "n_steps": steps, "start": start, "noise": noise}
    options = {name: value for name, value in given.items() if value is not None}
    return run_score(run, source, selection, evidence, options, seed, rows, force, json, limit, simulated)


@app.command()
def gaps(
    run: Run,
    source: Data,
    samples: Annotated[int, typer.Option("--samples", help="Draws of z per row of each number.")] = 1000,
    steps: Annotated[int, typer.Option("--steps", help="Steps of each row's own q.")] = 300,
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
    return run_gaps(run, source, selection, samples, steps, limit, seed, json)


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
    seed: Annotated[int | None, typer.Option("--seed", help="Seed; the fit's own without it.")] = None,
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
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two or more run folders.")],
    on: Annotated[str, typer.Option("--on", help="The data on which they are compared.")],
    evidence: Evidence = "auto",
    samples: Samples = 128,
    features: Annotated[
        str | None, typer.Option("--features", help="Compare samples, in these features: raw, pca-K, classifier.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", help="With --features: log p(x) too, at this noise, in the model's units.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="With --noise: so many rows.")] = 100,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="With --features: samples, a .png file.")] = None,
    seed: Seed = 0,
    split: Split = "train",
    json: Json = False,
) -> int:
    """Runs side by side on the same rows, with paired differences; with --features their samples beside the data."""
    if features is not None:
        from .beside_command import Beside, run_beside

        return run_beside(runs, on, Beside(features, noise, samples, limit, seed), pictures, json)
    from .using import run_compare

    return run_compare(runs, on, {"split": split}, evidence, samples, seed, json)


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
    name: Annotated[str, typer.Argument(metavar="NAME", help="A target; list shows them, table what was kept.")] = "list",
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


@app.command()
def explore(
    run: Run,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="traversal, interpolation, manifold, map, training, field, components, neighbours."
        ),
    ],
    source: Annotated[str | None, typer.Option("--data", help="Other data than the run's own.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A .png file (training: .webp or .gif); in RUN/explore without it.")
    ] = None,
    values: Annotated[
        Path | None, typer.Option("--values", help="Also write the numbers: a .csv, .parquet or .npy file.")
    ] = None,
    rows: Annotated[str | None, typer.Option("--rows", help="Numbers of rows of the data, from 0: 3,7.")] = None,
    units: Annotated[str | None, typer.Option("--units", help="Numbers of latent units, from 0: 0,1.")] = None,
    n: Annotated[int | None, typer.Option("--n", "-n", help="Points, components or neighbours.")] = None,
    way: Annotated[str, typer.Option("--way", help="Of interpolation: linear, spherical, geodesic.")] = "linear",
    zoom: Annotated[float, typer.Option("--zoom", help="Of field: above 1 is nearer, below 1 farther away.")] = 1.0,
    every: Annotated[int, typer.Option("--every", help="Of training: epochs between two frames.")] = 5,
    force: Force = False,
    json: Json = False,
) -> int:
    """One picture of what a run has learnt, and the numbers in it."""
    from .explore_command import Asked, numbers_of, run_explore

    asked = Asked(numbers_of(rows, "--rows"), numbers_of(units, "--units"), n, way, zoom, every)
    return run_explore(run, what, source, asked, out, values, force, json)


@app.command()
def families(json: Json = False) -> int:
    """What each family of distributions may stand for, which gradients are valid for it, which KLs are closed."""
    from .families_command import run_families

    return run_families(json)


@data_app.command("list")
def data_list(json: Json = False) -> int:
    """Names of the data sets, and where each would come from."""
    from .data_commands import run_list

    return run_list(json)


@data_app.command("fetch")
def data_fetch(name: str, json: Json = False) -> int:
    """Make sure that a data set's files are here."""
    from .data_commands import run_fetch

    return run_fetch(name, json)


@data_app.command("describe")
def data_describe(source: Data, json: Json = False) -> int:
    """What a named set or a file holds."""
    from .data_commands import run_describe

    return run_describe(source, json)
