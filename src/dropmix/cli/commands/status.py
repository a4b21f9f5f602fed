"""The command status: which runs are done, broken or still to do."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app


@app.command()
def status(folder: Annotated[Path, typer.Argument(help="A grid's folder.")]) -> None:
    """List which runs of a grid are done, broken or still to do."""
    from dropmix.audit.arm_names import visible
    from dropmix.cli.beside_runs import planned
    from dropmix.grid.store import scan
    from dropmix.train.config import RunSpec

    runs = scan(folder)
    for found in runs:
        length = f"epoch {found.epoch} of {found.spec.train.epochs}" if isinstance(found.spec, RunSpec) else ""
        cause = f"  {visible(found.cause)}" if found.cause else ""
        print(f"{visible(found.path.name):<44} {found.state:<12} {length}{cause}")
    states = [found.state for found in runs]
    for name in sorted({*planned(folder)} - {found.path.name for found in runs}):
        print(f"{visible(name):<44} left")
        states.append("left")
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    print(f"{len(states)} runs: {', '.join(parts)}" if states else f"{visible(folder)}: no runs")
