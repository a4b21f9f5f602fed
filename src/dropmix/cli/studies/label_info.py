"""The command label-info: how fast mixing takes a class's label away."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import Device, app, refuse_without
from dropmix.cli.streams import say


@app.command(name="label-info")
def label_info(
    context: typer.Context,
    images: Annotated[
        Path | None, typer.Argument(help="Folder of a data set, or folder with one folder per class.")
    ] = None,
    network: Annotated[
        str, typer.Option(help="Run folder, torchvision:NAME, timm:NAME or FILE.py:FUNCTION.")
    ] = "torchvision:resnet50",
    audit: Annotated[Path | None, typer.Option(help="audit.json with the recall change of each class.")] = None,
    arm: Annotated[str, typer.Option(help="Arm of the audit to take it from.")] = "mixup",
    partners: Annotated[int, typer.Option(min=1, help="Images of other classes to mix each image with.")] = 4,
    per_class: Annotated[int | None, typer.Option(min=1, help="Images per class; default all.")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Mixing strengths, evenly spaced from 0 to 1.")] = 11,
    out: Annotated[Path, typer.Option(help="Folder for the tables and the figure.")] = Path("label-information"),
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
) -> None:
    """Measure how fast mixing takes a class's label away.

    Shows the confidence in an image's own class against the mixing strength.
    """
    import numpy as np

    from dropmix.studies.label_files import print_correlations, read_changes, write_label_information
    from dropmix.studies.label_information import label_information
    from dropmix.studies.pretrained import find_pictures, of_pictures, of_run
    from dropmix.studies.pretrained import from_name as by_name
    from dropmix.train.device import resolve_device

    if audit is None:
        refuse_without(context, "--audit", "arm")
    target = resolve_device(device)
    if Path(network).is_dir():
        asked = of_run(Path(network), images, target)
    else:
        if images is None:
            raise ValueError(
                "label-info: expected a folder of images, got none. Name one, e.g. dropmix label-info photographs."
            )
        find_pictures(images)  # before weights are downloaded
        asked = of_pictures(*by_name(network), images, target)
    change = None if audit is None else read_changes(audit, arm, asked.classes)
    information = label_information(
        asked.batch,
        asked.labels,
        asked.predict,
        asked.classes,
        strengths=np.linspace(0, 1, steps),
        partners=partners,
        per_class=per_class,
        seed=seed,
    )
    write_label_information(information, change, out)
    print_correlations(information, change, arm)
    say(out / "label-information.png")
