"""The command export: a run's network as a file that others read."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app
from dropmix.cli.streams import say


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of one finished run.")],
    to: Annotated[Path, typer.Option(help="File to write: model.onnx, model.pt2 or model.safetensors.")],
    data: Annotated[
        str | None, typer.Option(help="Folder of the images; default where they were when it was trained.")
    ] = None,
) -> None:
    """Write a run's network as ONNX, pt2 or safetensors."""
    from dropmix.grid.export import export_run
    from dropmix.grid.store import data_folder

    done = export_run(run, to, data or data_folder(run.absolute().parent))
    say(f"{len(done.about['classes'])} classes: {', '.join(done.about['classes'][:12])}")
    mean, std = (", ".join(f"{value:.4g}" for value in done.about[key]) for key in ("mean", "std"))
    height, width = done.about["size"]
    channels = "gray" if len(done.about["mean"]) == 1 else "colour"
    print(f"{channels} images of {height} x {width} pixels, normalised by mean {mean} and std {std}")
    print(f"checked on {done.images} test images: the run's predictions, probabilities within {done.difference:.1g}")
    say(done.path)
