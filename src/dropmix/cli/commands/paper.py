"""Commands on the paper's tables and figures: paper plan, paper render, paper claims."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app
from dropmix.cli.streams import say

paper = typer.Typer(
    name="paper",
    help="Plan, render and test the paper's tables and figures.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(paper)

NARROWEST = 80  # columns: folded to fewer, tables cannot be read
Names = Annotated[list[str], typer.Argument(metavar="TABLE|FIGURE", help="table1, figure3, ..., or all.")]
Runs = Annotated[
    list[Path], typer.Option("--runs", help="A grid's folder, or one that holds several; may be repeated.")
]
Preset = Annotated[str, typer.Option(help="paper or released-code.")]


@paper.command()
def plan(
    names: Names,
    preset: Preset = "paper",
    data: Annotated[Path | None, typer.Option(help="Folder of the images, to name the run folders exactly.")] = None,
    device: Annotated[str, typer.Option(help="Device to time steps on: auto, cpu, cuda or cuda:N.")] = "auto",
    quick: Annotated[bool, typer.Option("--quick", help="Only count FLOPs; time nothing.")] = False,
) -> None:
    """List the runs behind tables and figures.

    Lists each run once, with its FLOPs, an estimate of time, and the commands that train them all.
    """
    from dropmix.grid.view import duration
    from dropmix.paper.exhibits import plan as planned
    from dropmix.paper.plan import commands, costs
    from dropmix.train.device import keep_freed_memory, make_deterministic, resolve_device

    runs = planned(names, preset, None if data is None else _fingerprints(names, preset, data))
    keep_freed_memory()
    make_deterministic()
    run_costs = costs(runs, None if quick else resolve_device(device))
    for run, cost in zip(runs, run_costs):
        time = "" if cost.seconds is None else f"  {duration(cost.seconds)}"
        print(f"{run.network:<11}{run.spec.folder_name:<44} {cost.flops:.2e} FLOPs{time}  {','.join(run.serves)}")
    total = f"{sum(cost.flops for cost in run_costs):.2e} FLOPs"
    seconds = [cost.seconds for cost in run_costs if cost.seconds is not None]
    if seconds:
        total += (
            f", about {duration(sum(seconds))} one after the other on this machine's {resolve_device(device)}, if idle"
        )
    arms = len({(run.spec.group, run.spec.arm.name) for run in runs})
    print(f"{len(runs)} runs ({arms} arms), preset {preset}: {total}")
    if data is None and runs:
        print("The hashes in the folder names depend on the images: give --data to see those of your folder.")
    for line in commands(names, preset):
        print(line)


def _fingerprints(names: list[str], preset: str, data: Path) -> dict[str, str]:
    """Fingerprints of the data sets that the exhibits need and that a folder holds."""
    from dropmix.grid.data import load_data
    from dropmix.paper.exhibits import plan as planned

    specs = {run.spec.data.name: run.spec for run in planned(names, preset)}
    return {name: load_data(spec, str(data)).fingerprint for name, spec in specs.items()}


@paper.command()
def render(
    names: Names,
    runs: Runs,
    out: Annotated[Path, typer.Option(help="Folder for tables (md, tex, csv) and figures (png, pdf, svg).")] = Path(
        "paper"
    ),
) -> None:
    """Render tables and figures from finished runs.

    Shows our numbers beside the printed ones and lists what is missing.
    """
    from rich.console import Console

    from dropmix.paper.exhibits import find_exhibits
    from dropmix.paper.render import render_figure, render_table
    from dropmix.paper.runs import find_groups
    from dropmix.paper.sheet import Sheet

    exhibits = find_exhibits(names)
    # Figures 4 and 15 show a pretrained network: they need no runs.
    groups, notes = find_groups(runs) if any(exhibit.needs for exhibit in exhibits) else ([], [])
    console = Console(width=max(Console().width, NARROWEST))
    made = [
        render_table(exhibit, groups) if exhibit.name.startswith("table") else render_figure(exhibit, groups, runs)
        for exhibit in exhibits
    ]
    written = [one.write(out) for one in made]  # before anything is printed: the output may be closed or full
    for note in notes:
        say(note)
    for exhibit, paths in zip(made, written):
        if isinstance(exhibit, Sheet):
            console.print(exhibit.terminal(console.width))
        else:
            say(f"{exhibit.name}: {exhibit.title}")
            for drawing in exhibit.drawings:
                say(f"Drawn: {drawing.caption}")
            if not exhibit.drawings:
                say("Nothing could be drawn from these runs.")
            for line in [f"Missing: {text}" for text in exhibit.missing]:
                say(line)
            for i, note in enumerate(exhibit.notes, 1):
                say(f"[{i}] {note}")
        for path in paths:
            say(str(path))


@paper.command()
def claims(
    runs: Runs,
    out: Annotated[Path | None, typer.Option(help="Write claims.md and claims.csv here.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random halves of seeds.")] = 0,
) -> None:
    """Test the claims that the paper makes in words.

    Uneven change, what DropMix gives back, confidence, and the hypotheses of Sec. 5.3.
    """
    from dropmix.paper.claim_tables import claims_lines, write_claims
    from dropmix.paper.claims_of_runs import group_claims
    from dropmix.paper.runs import find_groups

    groups, notes = find_groups(runs)
    by_heading = group_claims(groups, seed)
    written = [] if out is None else write_claims(by_heading, out)
    for line in [*notes, *claims_lines(by_heading), *map(str, written)]:
        say(line)
