"""The Typer application that every command joins."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dropmix import __version__


class InOrder(TyperGroup):
    """Lists commands in the order of `dropmix.cli.COMMANDS` and wraps their summaries.

    Typer alone would put nested commands last, and cut summaries on a narrow terminal.
    """

    def list_commands(self, ctx: object) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        from dropmix.cli import COMMANDS

        return sorted(self.commands, key=[name.replace("_", "-") for name in COMMANDS].index)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, self.commands[name].get_short_help_str(limit=1000)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


app = typer.Typer(
    cls=InOrder,
    name="dropmix",
    help="Find the classes that a data augmentation hurts, and tell real harm from seed noise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
DEBUG = {"on": False}

# Options that several commands have.
Out = Annotated[Path, typer.Option("--out", help="Folder for the output.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
TimeLimit = Annotated[
    str | None, typer.Option(help="After this time, e.g. 9m, save a checkpoint and leave with status 75.")
]
DataOfFinal = Annotated[str | None, typer.Option(help="Folder of the images, with --run.")]
WorkersOfFinal = Annotated[int | None, typer.Option(min=1, help="Worker processes, with --run.")]
DeviceOfFinal = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N, with --run.")]
Protect = Annotated[
    str | None, typer.Option(help="Classes that must not be lost, e.g. fox,lynx; exit status 3 unless shown safe.")
]
Tolerance = Annotated[
    str | None, typer.Option(help="Points of recall that a class may lose: 1, or fox=1,lynx=0.5 (others: 1).")
]


def typed(context: typer.Context, *names: str) -> list[str]:
    """Those of a command's parameters that the command line gave."""
    return [name for name in names if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"]


def refuse_without(context: typer.Context, beside: str, *names: str) -> None:
    """Refuse options that were typed although they act only beside another one, e.g. "--run"."""
    for name in typed(context, *names):
        option = f"--{name.replace('_', '-')}"
        raise ValueError(f"{option}: expected {beside} beside it, got none. Add it, or leave out {option}.")


def _version(value: bool) -> None:
    if value:
        print(f"dropmix {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    DEBUG["on"] = debug
