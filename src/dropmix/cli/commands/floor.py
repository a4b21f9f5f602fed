"""The command floor: how many classes look degraded if all change equally."""

from typing import Annotated

import typer

from dropmix.cli.app import app


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
    """Count the classes that would look degraded by chance.

    Every class is given the same change; what remains is noise.
    """
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
