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
    for run in runs:
        length = f"epoch {run.epoch} of {run.spec.train.epochs}" if isinstance(run.spec, RunSpec) else ""
        cause = f"  {visible(run.cause)}" if run.cause else ""
        print(f"{visible(run.path.name):<44} {run.state:<12} {length}{cause}")
    states = [run.state for run in runs]
    for name in sorted({*planned(folder)} - {run.path.name for run in runs}):
        print(f"{visible(name):<44} left")
        states.append("left")
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    print(f"{len(states)} runs: {', '.join(parts)}" if states else f"{visible(folder)}: no runs")
