"""The command report: page, tables and figures of a grid."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app
from dropmix.cli.reporting import write_grid_report


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A grid's folder.")],
    out: Annotated[Path | None, typer.Option(help="Output folder; default FOLDER/report.")] = None,
    figures: Annotated[bool, typer.Option("--figures", help="Also write every figure as png, pdf and svg.")] = False,
    data: Annotated[
        str | None, typer.Option(help="Folder of the images; default where they were when the grid was trained.")
    ] = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="Leave out the pictures that were lost.")] = False,
) -> None:
    """Write a grid's HTML page, figures and tables."""
    write_grid_report(folder, out or folder / "report", figures, data, not no_images)
