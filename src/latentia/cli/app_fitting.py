"""Commands that learn: fit, resume."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .app import app
from .arguments import Columns, Data, Devices, Force, Json, Label, Names, Nodes, Run, ShardFrom, Split, Streamed, Weight
from .options import MODELS, with_options


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
    shard_from: ShardFrom = None,
    **params: Any,
) -> int:
    """Fit a model to DATA and write a run folder with a report."""
    from .launching import launch, must_launch

    if must_launch(devices, nodes):
        return launch(context.obj, devices, nodes)
    from .fitting import Wishes, run_fit

    selection = {
        "columns": columns,
        "drop": drop or [],
        "label": label,
        "weight": weight,
        "split": split,
        "stream": stream,
    }
    wishes = Wishes(report, json, profile, shard_from)
    return run_fit(source, out, model, selection, params, init=init, force=force, wishes=wishes)


@app.command()
def resume(
    context: typer.Context,
    run: Run,
    report: Annotated[
        bool | None, typer.Option("--report/--no-report", help="As the run was begun, without either.")
    ] = None,
    json: Json = False,
    devices: Devices = 1,
    nodes: Nodes = 1,
    shard_from: ShardFrom = None,
) -> int:
    """Take a run up again where its last checkpoint left it."""
    from .launching import launch, must_launch

    if must_launch(devices, nodes):
        return launch(context.obj, devices, nodes)
    from .fitting import Wishes, run_resume

    return run_resume(run, Wishes(report, json, shard_from=shard_from))
