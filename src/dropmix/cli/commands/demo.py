"""The command demo: train, audit and report on small digits."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import Out, app
from dropmix.cli.reporting import write_grid_report
from dropmix.cli.training import train_runs


@app.command()
def demo(
    out: Out = Path("demo"), workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None
) -> None:
    """Train, audit and report on the digits of scikit-learn.

    Three arms: vanilla, CutMix, and CutMix with DropMix.
    """
    from dropmix.recipes import get_recipe

    status = train_runs(get_recipe("digits").runs, out, data=None, workers=workers)
    write_grid_report(out, out / "report")
    raise typer.Exit(status)
