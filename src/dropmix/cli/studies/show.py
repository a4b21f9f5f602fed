"""The command show: a picture of what a method does."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app
from dropmix.cli.streams import say


@app.command()
def show(
    method: Annotated[str, typer.Argument(help="Method, e.g. puzzlemix or cutmix(alpha=0.2).")],
    images: Annotated[list[Path] | None, typer.Argument(help="2 to 6 pictures; default scikit-learn's two.")] = None,
    out: Annotated[Path | None, typer.Option(help="PNG file to write; default METHOD.png.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
) -> None:
    """Draw what a method does to a few images.

    Shows images, partners, masks, mixed images, and label shares.
    """
    from dropmix.grid.arm import parse_methods
    from dropmix.studies.gallery import show as draw

    ((name, options),) = parse_methods(method)
    say(draw(name, images or None, out or Path(f"{name}.png"), seed=seed, **options))
