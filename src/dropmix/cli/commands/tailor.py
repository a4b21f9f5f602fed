"""The command tailor: a DropMix rate per class, from what a grid's audit says of its losses."""

import json
from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app

SHOWN = 8


@app.command()
def tailor(
    folder: Annotated[Path, typer.Argument(help="A grid run with --validation.")],
    arm: Annotated[str, typer.Option(help="Arm whose losses count, without DropMix, e.g. mixup.")],
    mean: Annotated[float, typer.Option(help="Mean rate over the training images, in [0, 1].")] = 0.4,
    floor: Annotated[float, typer.Option(help="Least rate of a class.")] = 0.0,
    ceiling: Annotated[float, typer.Option(help="Largest rate of a class.")] = 1.0,
    select_on: Annotated[str, typer.Option(help="Images to choose on: validation, or test.")] = "validation",
    out: Annotated[Path | None, typer.Option(help="Write the rates and their controls here, as JSON.")] = None,
) -> None:
    """Give classes that lose more a higher DropMix rate.

    For DropMix(rate=...) in your own loop. Train with fresh seeds, beside the controls: that rates per class help
    more than one rate is not known.
    """
    from dropmix.audit import audit_grid
    from dropmix.audit.arm_names import visible
    from dropmix.audit.inputs.run_folders import find_runs
    from dropmix.audit.spreadsheet import write_whole
    from dropmix.cli.commands.select import check_held_out
    from dropmix.studies.tailor import controls, scores, tailored_rates, training_sizes

    runs, _ = find_runs(folder)
    check_held_out(folder, runs, select_on)
    found = {c.arm: c for c in audit_grid(folder).comparisons}
    if arm not in found:
        raise ValueError(f"--arm: expected one of {', '.join(map(visible, found))}, got {visible(arm)!r}. Name one.")
    names, sizes = found[arm].classes["class"], training_sizes(found[arm])
    rates = tailored_rates(scores(found[arm]), sizes, mean, floor, ceiling)
    order = sorted(range(len(names)), key=lambda i: -rates[i])
    for i in order[:SHOWN]:
        print(f"{rates[i]:.2f}  {visible(names[i])}")
    if len(names) > SHOWN:
        print(f"{len(names) - SHOWN} more classes, {rates[order[-1]]:.2f} to {rates[order[SHOWN]]:.2f}")
    if out is not None:
        made = {"tailored": rates, **controls(rates, sizes)}
        text = json.dumps(
            {
                "format": 1,
                "arm": arm,
                "unit": "sample",
                "classes": list(names),
                "rates": {key: value if isinstance(value, float) else value.tolist() for key, value in made.items()},
            },
            indent=1,
        )
        write_whole(out, lambda part: part.write_text(text + "\n", encoding="utf-8"))
        print(out)
