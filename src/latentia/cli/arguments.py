"""Arguments and options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
ShardFrom = Annotated[
    int | None,
    typer.Option(
        "--shard-from", help="Layers of so many weights are dealt out over the processes.", show_default=False
    ),
]
Nodes = Annotated[int, typer.Option("--nodes", help="Machines; the same command is given on each.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the noise.", min=0, max=2**62)]
