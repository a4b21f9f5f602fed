"""The Typer application that every command joins."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from dropmix import __version__


class InOrder(TyperGroup):
    """Lists commands in the order of `dropmix.cli.COMMANDS`; Typer alone would put nested ones last."""

    def list_commands(self, ctx: object) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        from dropmix.cli import COMMANDS

        return sorted(self.commands, key=[name.replace("_", "-") for name in COMMANDS].index)


app = typer.Typer(
    cls=InOrder,
    name="dropmix",
    help="Find the classes that a data augmentation hurts, and tell real harm from seed noise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
DEBUG = {"on": False}

Out = Annotated[Path, typer.Option("--out", help="Folder for the output.")]


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
