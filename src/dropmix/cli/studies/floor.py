"""The command floor: how many classes look degraded if every class changes equally."""

from typing import Annotated

import typer

from dropmix.cli.app import app
from dropmix.cli.reporting import remark_fraction


@app.command()
def floor(
    classes: Annotated[int, typer.Option(help="Number of classes.")] = 100,
    per_class: Annotated[int, typer.Option(help="Test images per class.")] = 100,
    seeds: Annotated[int, typer.Option(help="Seeds per arm.")] = 5,
    gain: Annotated[float, typer.Option(help="Points of recall that every class gains.")] = 0.0,
    accuracy: Annotated[float, typer.Option(help="Accuracy of the baseline in percent.")] = 77.0,
    disagreement: Annotated[float, typer.Option(help="Percentage of images on which two seeds disagree.")] = 13.0,
    repetitions: Annotated[int, typer.Option(help="Simulated studies.")] = 200,
) -> None:
    """Count the classes that would look degraded by chance.

    Simulates studies in which every class gains equally, so that only noise differs.
    """
    from dropmix.studies.floor import floor as simulate

    if not 1 <= accuracy < 100:
        raise ValueError(f"--accuracy: expected percent between 1 and 100, got {accuracy:g}. 77 is usual.")
    remark_fraction("--disagreement", disagreement, 0.5)
    row = simulate(
        classes,
        per_class,
        seeds,
        gain / 100,
        accuracy / 100,
        disagreement=disagreement / 100,
        repetitions=repetitions,
    )
    print(f"If all {classes} classes of {per_class} images gain {gain:+.2f} points, with {seeds} seeds per arm,")
    print(f"{row.number:.1f} [{row.number_low:.0f}, {row.number_high:.0f}] classes look degraded,")
    change = f"{100 * row.change:.2f} [{100 * row.change_low:.2f}, {100 * row.change_high:.2f}]"
    print(f"by {change} points on average (mean [95 % band] over {row.repetitions} simulated studies).")
