"""The application, and its smallest commands; the others are in `app_fitting`, `app_using`, `app_judging`."""

from typing import Annotated

import typer

from .arguments import Data, Json

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


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from .._version import __version__

        typer.echo(__version__)
        raise typer.Exit


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
