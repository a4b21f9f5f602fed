"""The command tailor: a DropMix rate per class, from what a grid's audit says of its losses, and whether it helps."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropmix.cli.app import DataOfFinal, DeviceOfFinal, TimeLimit, WorkersOfFinal, app, refuse_without
from dropmix.cli.streams import say
from dropmix.cli.training import train_runs

if TYPE_CHECKING:
    from dropmix.audit.inputs.run_folders import Run
    from dropmix.studies.tailor import Difference

SHOWN = 8


@app.command()
def tailor(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A grid run with --validation.")],
    arm: Annotated[str, typer.Option(help="Arm whose losses count, without DropMix, e.g. mixup.")],
    mean: Annotated[float, typer.Option(help="Mean rate over the training images, in [0, 1].")] = 0.4,
    floor: Annotated[float, typer.Option(help="Smallest rate of a class.")] = 0.0,
    ceiling: Annotated[float, typer.Option(help="Largest rate of a class.")] = 1.0,
    select_on: Annotated[str, typer.Option(help="Images to choose on: validation, or test.")] = "validation",
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds of the final runs.")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the arms and the final runs; default FOLDER-tailored.")
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Train the arm and its controls, and say whether rates per class help.")
    ] = False,
    data: DataOfFinal = None,
    workers: WorkersOfFinal = None,
    device: DeviceOfFinal = "auto",
    time_limit: TimeLimit = None,
) -> None:
    """Give classes that lose more a higher DropMix rate.

    Writes arms.json: the tailored arm and its controls, for run --arms or for a loop of your own. With --run they are
    trained on fresh seeds and all of the training images, and compared on the test set.
    """
    from dropmix.audit.arm_names import visible
    from dropmix.audit.inputs.run_folders import find_runs
    from dropmix.cli.beside_runs import tell_left_out
    from dropmix.cli.commands.select import check_held_out
    from dropmix.cli.options import seconds_of
    from dropmix.studies.tailored_runs import answer_runs

    if not run:
        refuse_without(context, "--run", "data", "workers", "device", "time_limit")
    limit = seconds_of(time_limit)
    tell_left_out(folder)
    runs, _ = find_runs(folder)
    check_held_out(folder, runs, select_on)
    source = next((one.spec["arm"] for one in runs if one.arm == arm), None)
    if source is not None and source.get("rate"):
        raise ValueError(f"--arm: expected an arm without DropMix, got {visible(arm)!r}. Name the plain method.")
    content, told = _arms(folder, arm, source or {}, (mean, floor, ceiling))
    where = out or folder.with_name(f"{folder.absolute().name}-tailored")
    final = final_runs(runs, content["arms"], seeds)
    path = _write(content, where)  # before anything is printed: the output may be closed or full
    for line in [*told, path]:
        say(line)
    first = final[0].seed
    print(f"Final runs, in {visible(where)}: {len(final)}, seeds {first} to {first + seeds - 1}, of vanilla, ", end="")
    print(f"{', '.join(content['arms'])}.")
    if not run:
        print("They train on the whole training set and look at test once; add --run (and --data) to train them.")
        return
    status = train_runs(final, where, data, workers=workers, device=device, time_limit=limit)
    if status == 0:
        _tell(answer_runs(where, content["arms"]), content["arms"])
    raise typer.Exit(status)


def _arms(
    folder: Path, arm: str, source: dict[str, Any], ends: tuple[float, float, float]
) -> tuple[dict[str, Any], list[str]]:
    """The content of arms.json, and lines that show the rates."""
    from dropmix.audit import audit_grid
    from dropmix.audit.arm_names import visible
    from dropmix.studies.tailor import scores, tailored_rates, training_sizes
    from dropmix.studies.tailored_runs import arms_file

    by_arm = {c.arm: c for c in audit_grid(folder).comparisons}
    if arm not in by_arm:
        raise ValueError(f"--arm: expected one of {', '.join(map(visible, by_arm))}, got {visible(arm)!r}. Name one.")
    names, sizes = list(by_arm[arm].classes["class"]), training_sizes(by_arm[arm])
    rates = tailored_rates(scores(by_arm[arm]), sizes, *ends)
    order = sorted(range(len(names)), key=lambda i: -rates[i])
    told = [f"{rates[i]:.2f}  {visible(names[i])}" for i in order[:SHOWN]]
    if len(names) > SHOWN:
        told.append(f"{len(names) - SHOWN} more classes, {rates[order[-1]]:.2f} to {rates[order[SHOWN]]:.2f}")
    return arms_file(source, names, rates, sizes, f"{folder.absolute().name}: {arm}"), told


def _write(content: dict[str, Any], where: Path) -> Path:
    """Write arms.json, unless arms that were trained there are other ones; returns its path."""
    from dropmix.audit.spreadsheet import write_whole
    from dropmix.cli.beside_runs import PLANNED
    from dropmix.grid.store import scan
    from dropmix.studies.tailored_runs import FILE
    from dropmix.train.files import read_regular

    path, text = where / FILE, json.dumps(content, indent=1) + "\n"
    where.mkdir(parents=True, exist_ok=True)
    if path.is_file() and read_regular(path) != text.encode():
        if scan(where):
            raise ValueError(f"{path}: expected the arms that were trained there, got others. Choose another --out.")
        (where / PLANNED).unlink(missing_ok=True)  # runs of the other arms, none of which began: none is left to do
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def final_runs(runs: "list[Run]", arms: dict[str, Any], seeds: int) -> list[Any]:
    """Vanilla and the arms, on seeds that the rates have not seen, trained on all of train."""
    from dropmix.grid.written_arms import written_arm
    from dropmix.train.config import Arm, RunSpec

    base = RunSpec.model_validate(runs[0].spec)
    base = base.model_copy(update={"data": base.data.model_copy(update={"validation": 0.0, "fingerprint": None})})
    first = max(one.spec["seed"] for one in runs) + 1
    made = [Arm(), *(written_arm(key, content, base.preset) for key, content in arms.items())]
    return [base.model_copy(update={"arm": arm, "seed": first + s}) for s in range(seeds) for arm in made]


def _tell(differences: "list[Difference]", arms: dict[str, Any]) -> None:
    """Print what the tailored arm gains over each control, in points."""
    from rich.console import Console
    from rich.table import Table

    from dropmix.audit.arm_names import visible
    from dropmix.studies.tailored_runs import spared

    names = spared(arms)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    print(f"Spared classes, whose rate is above the mean: {visible(', '.join(names[:SHOWN]))}{more}.")
    table = Table(title="Tailored arm minus", title_justify="left", box=None, pad_edge=False)
    for column in ("", "spared classes", "other classes", "mean class recall", "accuracy"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for d in differences:
        ends = (
            (d.spared, d.spared_low, d.spared_high),
            (d.rest, d.rest_low, d.rest_high),
            (d.macro, d.macro_low, d.macro_high),
            (d.accuracy, d.accuracy_low, d.accuracy_high),
        )
        shown = [f"{100 * m:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]" for m, low, high in ends]
        table.add_row("shuffled (mean of 3)" if d.against == "shuffled" else d.against, *shown)
    Console(width=max(Console().width, 120)).print(table)  # folded to a narrow terminal, it could not be read
    print(f"Points of recall, with 95 % t intervals over {differences[0].seeds} seeds. {sentence(differences)}")


def sentence(differences: "list[Difference]") -> str:
    """Whether rates per class helped the classes that they were chosen to help."""
    against = {d.against: d for d in differences}
    pair = [against["uniform"], against["shuffled"]]
    if all(d.spared_low > 0 for d in pair):
        return "Rates per class helped the spared classes: more than one rate, and more than the same rates shuffled."
    if any(d.spared_high < 0 for d in pair):
        return "Rates per class did not help the spared classes: one rate or shuffled rates served them better."
    if against["shuffled"].spared_low > 0:
        return (
            "The spared classes gain more than with shuffled rates, but it is not shown that they gain more than with "
            "one rate for all: take one rate."
        )
    return "It is not shown that the choice of classes helps the spared ones: take one rate for all."
