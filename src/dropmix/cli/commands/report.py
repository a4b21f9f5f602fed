"""The command report: page, tables and figures of a grid."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dropmix.cli.app import Protect, Tolerance, app
from dropmix.cli.reporting import misses_a_protected_class, names_of, tolerances_of, write_grid_report


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A grid's folder.")],
    out: Annotated[Path | None, typer.Option(help="Output folder; default FOLDER/report.")] = None,
    figures: Annotated[bool, typer.Option("--figures", help="Also write every figure as png, pdf and svg.")] = False,
    data: Annotated[
        str | None, typer.Option(help="Folder of the images; default where they were when the grid was trained.")
    ] = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="Leave out the pictures that were lost.")] = False,
    protect: Protect = None,
    tolerance: Tolerance = None,
) -> None:
    """Write a grid's HTML page, figures and tables."""
    if no_images and data is not None:
        raise ValueError("--data: expected pictures to show, got --no-images as well. Leave out one of the two.")
    options: dict[str, Any] = {} if protect is None else {"protect": names_of(protect)}
    options |= {} if tolerance is None else {"tolerance": tolerances_of(tolerance)}
    audit = write_grid_report(folder, out or folder / "report", figures, data, not no_images, **options)
    raise typer.Exit(3 if protect is not None and misses_a_protected_class(audit) else 0)
