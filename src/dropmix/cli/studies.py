"""Commands that ask one question each: floor, show, label-info."""

from pathlib import Path
from typing import Annotated

import typer

from .app import app


@app.command()
def floor(
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 100,
    per_class: Annotated[int, typer.Option(help="Test images of each class.")] = 100,
    seeds: Annotated[int, typer.Option(help="Seeds of each arm.")] = 5,
    gain: Annotated[float, typer.Option(help="Points of recall that every class gains.")] = 0.0,
    accuracy: Annotated[float, typer.Option(help="Accuracy of the baseline, percent.")] = 77.0,
    disagreement: Annotated[float, typer.Option(help="Images on which two seeds differ, percent.")] = 13.0,
    repetitions: Annotated[int, typer.Option(help="Simulated studies.")] = 200,
) -> None:
    """Show how many classes would look degraded if all changed alike."""
    from dropmix.studies.floor import floor as simulate

    row = simulate(
        classes,
        per_class,
        seeds,
        gain / 100,
        accuracy / 100,
        disagreement=disagreement / 100,
        repetitions=repetitions,
    )
    print(f"Every class gains {gain:+.2f} points, {seeds} v {seeds} seeds, {classes} classes of {per_class} images:")
    print(f"{row.number:.1f} [{row.number_low:.0f}, {row.number_high:.0f}] classes look degraded then,")
    change = f"{100 * row.change:.2f} [{100 * row.change_low:.2f}, {100 * row.change_high:.2f}]"
    print(f"by {change} points on average  (mean [95 % band] of {row.repetitions} simulated studies)")


@app.command()
def show(
    method: Annotated[str, typer.Argument(help="A method, e.g. puzzlemix or cutmix(alpha=0.2).")],
    images: Annotated[list[Path] | None, typer.Argument(help="2 to 6 pictures; default: scikit-learn's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to save the PNG; default METHOD.png.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Draw a picture of what a method does: images, partners, masks, mixed images and their label shares."""
    from dropmix.grid.arm import parse_methods
    from dropmix.studies.gallery import show as draw

    ((name, options),) = parse_methods(method)
    print(draw(name, images or None, out or Path(f"{name}.png"), seed=seed, **options))


@app.command(name="label-info")
def label_info(
    images: Annotated[Path | None, typer.Argument(help="A data set's folder, or one with a folder a class.")] = None,
    network: Annotated[
        str, typer.Option(help="A run's folder, torchvision:NAME, timm:NAME or FILE.py:FUNCTION.")
    ] = "torchvision:resnet50",
    audit: Annotated[Path | None, typer.Option(help="audit.json, for the recall change of each class.")] = None,
    arm: Annotated[str, typer.Option(help="Arm of the audit.")] = "mixup",
    partners: Annotated[int, typer.Option(min=1, help="Images of other classes that each image is mixed with.")] = 4,
    per_class: Annotated[int | None, typer.Option(min=1, help="Use so many images of each class.")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Mixing strengths, evenly spaced from 0 to 1.")] = 11,
    out: Annotated[Path, typer.Option(help="Folder for the tables and the figure.")] = Path("label-information"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
) -> None:
    """Measure how fast mixing takes a class's label away: confidence in it against mixing strength."""
    import numpy as np

    from dropmix.cli.label_info import print_correlations, read_changes, write_label_information
    from dropmix.studies.label_information import label_information
    from dropmix.studies.pretrained import from_name as by_name
    from dropmix.studies.pretrained import of_pictures, of_run
    from dropmix.train.device import resolve_device

    target = resolve_device(device)
    if Path(network).is_dir():
        asked = of_run(Path(network), images, target)
    else:
        if images is None:
            raise ValueError("label-info: expected a folder of images, got none. Name one.")
        asked = of_pictures(*by_name(network), images, target)
    change = None if audit is None else read_changes(audit, arm, asked.classes)
    found = label_information(
        asked.batch,
        asked.labels,
        asked.predict,
        asked.classes,
        strengths=np.linspace(0, 1, steps),
        partners=partners,
        per_class=per_class,
        seed=seed,
    )
    write_label_information(found, change, out)
    print_correlations(found, change, arm)
    print(out / "label-information.png")
